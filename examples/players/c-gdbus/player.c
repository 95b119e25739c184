// SPDX-License-Identifier: MIT OR Apache-2.0
// A small player on GDBus, with code that gdbus-codegen makes of tokend's interface: gets headers,
// calls an API with them, and calls it again when there is a new token. ../README.md says what it
// prints.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../c-shared/http.h"
#include "tokend.h"

struct player {
    TokendApplication1 *tokend;
    const char *url;
    guint64 used;    // the TokenNumber that the last call was made with
    gint64 retry_at; // 0: nothing but a new token is a reason to try again
    gboolean gone;   // tokend is not there
    gboolean back;   // tokend was gone, and is there again
};

static gint64 now(void) { return g_get_real_time() / G_USEC_PER_SEC; }

// The proxy learns of changes in the main loop, and an answer to a blocking call overtakes it. With
// what waits there done, it knows all that was said before the answer.
static guint64 token_number(struct player *p) {
    while (g_main_context_iteration(NULL, FALSE)) continue;
    return tokend_application1_get_token_number(p->tokend);
}

static gboolean wake(gpointer unused) {
    (void)unused;
    return G_SOURCE_REMOVE; // the main loop has turned, which is all that is wanted
}

// Says what is the matter, and notes when to try again. Never in a loop: the server counts.
static void tell(struct player *p, GError *error) {
    g_autofree char *name = g_dbus_error_get_remote_error(error);
    g_dbus_error_strip_remote_error(error);
    // What the proxy finds by itself has no name: its time-out is over.
    g_print("%s: %s\n", name ? words_of(name) : "tokend does not answer", error->message);
    p->used = token_number(p); // another one is a reason to try again
    p->gone = g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
              g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY);
    if (!name)
        p->retry_at = now() + 30;
    else if (g_strcmp0(name, "tv.tokend.Error.Unavailable") != 0 &&
             g_strcmp0(name, "tv.tokend.Error.Throttled") != 0)
        return;
    // While there is a token, RetryAt is about its refresh.
    else if (p->used == 0)
        p->retry_at = (gint64)tokend_application1_get_retry_at(p->tokend);
    if (p->retry_at < now()) {
        p->retry_at = 0;
        g_print("trying again when there is a new token\n");
        return;
    }
    const guint left = (guint)(p->retry_at + 1 - now());
    g_print("trying again in %u s\n", left);
    g_timeout_add_seconds(left, wake, NULL);
}

// The headers of a request; NULL where there are none, which it has told.
static struct curl_slist *get_headers(struct player *p) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) given = NULL;
    guint expires_in;
    // Good for another 60 s: longer than the call can take.
    if (!tokend_application1_call_get_headers_sync(p->tokend, 60, &given, &expires_in, NULL, &error)) {
        tell(p, error);
        return NULL;
    }
    g_print("tokend gives headers, good for %u s\n", expires_in);
    p->used = token_number(p);
    p->gone = FALSE;
    struct curl_slist *headers = NULL;
    GVariantIter iter;
    const char *name, *value;
    g_variant_iter_init(&iter, given);
    while (g_variant_iter_next(&iter, "{&s&s}", &name, &value))
        headers = http_header(headers, name, value);
    return headers;
}

// Has the refused token replaced; false where it is not, which it has told.
static gboolean replace_token(struct player *p, const char *refused, const char *code) {
    g_autoptr(GError) error = NULL;
    // The new token comes with the new headers: it is not wanted here.
    gboolean replaced = tokend_application1_call_replace_token_sync(
        p->tokend, refused, code, NULL, NULL, NULL, &error);
    if (!replaced) tell(p, error);
    return replaced;
}

static void call_api(struct player *p) {
    p->retry_at = 0;
    struct curl_slist *headers = get_headers(p);
    if (!headers) return;
    struct http_reply reply = http_get(p->url, headers);
    if (reply.status == 401) {
        g_print("401 %s: asking tokend to replace the token, once\n", reply.code);
        gboolean replaced = replace_token(p, http_bearer(headers), reply.code);
        curl_slist_free_all(headers);
        headers = replaced ? get_headers(p) : NULL;
        http_free(&reply);
        if (!headers) return;
        reply = http_get(p->url, headers);
    }
    http_tell(&reply);
    http_free(&reply);
    curl_slist_free_all(headers);
}

static void on_owner(struct player *p) {
    g_autofree char *owner = g_dbus_proxy_get_name_owner(G_DBUS_PROXY(p->tokend));
    if (!owner) g_print("tokend has left the bus\n");
    p->back = owner && p->gone;
    p->gone = !owner;
}

// Sleeps until there is a reason to call the API again.
static void wait_for_reason(struct player *p) {
    g_print("waiting for a new token\n");
    for (;;) {
        guint64 number = token_number(p);
        if (p->back) {
            g_print("tokend is there: calling again\n");
            break;
        }
        if (number != 0 && number != p->used) {
            g_print("token number %" G_GUINT64_FORMAT " is there: calling again\n", number);
            break;
        }
        if (p->retry_at && p->retry_at < now()) break;
        g_main_context_iteration(NULL, TRUE);
    }
    p->back = FALSE;
}

static void on_closed(void) {
    g_printerr("the bus is gone\n");
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
    if (argc != 3 || strncmp(argv[2], "https:", 6) != 0) {
        g_printerr("usage: %s APPLICATION HTTPS-URL\n", argv[0]);
        return 64;
    }
    g_autoptr(GError) error = NULL;
    setlinebuf(stdout);
    g_autofree char *path = g_strconcat("/tv/tokend/application/", argv[1], NULL);
    // Where there is no tokend, there is a proxy nonetheless, which waits for it. A property that
    // is invalidated instead of told is read at once.
    TokendApplication1 *tokend = tokend_application1_proxy_new_for_bus_sync(
        G_BUS_TYPE_SYSTEM, G_DBUS_PROXY_FLAGS_GET_INVALIDATED_PROPERTIES, "tv.tokend", path, NULL,
        &error);
    if (!tokend) {
        g_printerr("no system bus: %s\n", error->message);
        return EXIT_FAILURE;
    }
    struct player p = {.tokend = tokend, .url = argv[2]};
    // tokend may wait 20 s for the server before it answers.
    g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(tokend), 30000);
    g_signal_connect_swapped(tokend, "notify::g-name-owner", G_CALLBACK(on_owner), &p);
    // Else GLib ends the program without a word when the bus goes.
    GDBusConnection *bus = g_dbus_proxy_get_connection(G_DBUS_PROXY(tokend));
    g_dbus_connection_set_exit_on_close(bus, FALSE);
    g_signal_connect(bus, "closed", G_CALLBACK(on_closed), NULL);
    for (;;) {
        call_api(&p);
        wait_for_reason(&p);
    }
}
