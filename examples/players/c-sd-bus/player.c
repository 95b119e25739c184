// SPDX-License-Identifier: MIT OR Apache-2.0
// A small player on sd-bus: gets headers from tokend, calls an API with them, and calls it again
// when there is a new token. ../README.md says what it prints.
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "../c-shared/http.h"

#define TOKEND "tv.tokend"
#define APPLICATION "tv.tokend.Application1"
#define SECOND UINT64_C(1000000)

struct player {
    sd_bus *bus;
    char path[128];
    const char *url;
    uint64_t used;    // the TokenNumber that the last call was made with
    time_t retry_at;  // 0: nothing but a new token is a reason to try again
    bool gone;        // tokend is not there
    bool changed;     // a property has changed
    bool back;        // tokend was gone, and is there again
};

static void die(const char *what, int error) {
    fprintf(stderr, "%s: %s\n", what, strerror(-error));
    exit(EXIT_FAILURE);
}

static uint64_t number(struct player *p, const char *property) {
    uint64_t value = 0; // as tokend says it where there is none
    sd_bus_get_property_trivial(p->bus, TOKEND, p->path, APPLICATION, property, NULL, 't', &value);
    return value;
}

// Says what is the matter, and notes when to try again. Never in a loop: the server counts.
static void tell(struct player *p, const sd_bus_error *error) {
    printf("%s: %s\n", words_of(error->name), error->message);
    p->gone = sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NO_REPLY);
    // What the time-out of a call is to sd-bus; another question would wait as long.
    const bool silent = sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT);
    if (!p->gone && !silent)
        p->used = number(p, "TokenNumber"); // another token is a reason to try again
    if (silent)
        p->retry_at = time(NULL) + 29;
    else if (!sd_bus_error_has_names(error, "tv.tokend.Error.Unavailable",
                                     "tv.tokend.Error.Throttled"))
        return;
    // While there is a token, RetryAt is about its refresh.
    else if (p->used == 0)
        p->retry_at = (time_t)number(p, "RetryAt");
    if (p->retry_at < time(NULL)) p->retry_at = 0;
    if (p->retry_at)
        printf("trying again in %jd s\n", (intmax_t)(p->retry_at + 1 - time(NULL)));
    else
        puts("trying again when there is a new token");
}

// The headers of a request; NULL where there are none, which it has told.
static struct curl_slist *get_headers(struct player *p) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    struct curl_slist *headers = NULL;
    const char *name, *value;
    uint32_t expires_in = 0;
    // Good for another 60 s: longer than the call can take.
    int r = sd_bus_call_method(
        p->bus, TOKEND, p->path, APPLICATION, "GetHeaders", &error, &reply, "u", 60);
    if (r >= 0) r = sd_bus_message_enter_container(reply, 'a', "{ss}");
    while (r >= 0 && (r = sd_bus_message_read(reply, "{ss}", &name, &value)) > 0)
        headers = http_header(headers, name, value);
    if (r >= 0) r = sd_bus_message_exit_container(reply);
    if (r >= 0) r = sd_bus_message_read(reply, "u", &expires_in);
    if (r >= 0) {
        printf("tokend gives headers, good for %" PRIu32 " s\n", expires_in);
        // Read after the headers: a change that they bring along themselves is none to wait for.
        p->used = number(p, "TokenNumber");
        p->gone = false;
    } else {
        sd_bus_error_set_errno(&error, r); // unless an answer has filled it
        tell(p, &error);
    }
    sd_bus_error_free(&error);
    sd_bus_message_unref(reply);
    return headers;
}

// The headers with another token than these, which the API has refused; NULL as above.
static struct curl_slist *replace_token(struct player *p, struct curl_slist *refused,
                                        const char *code) {
    printf("401 %s: asking tokend to replace the token, once\n", code);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_call_method(p->bus, TOKEND, p->path, APPLICATION, "ReplaceToken", &error, NULL,
                               "ss", http_bearer(refused), code);
    if (r < 0) tell(p, &error);
    sd_bus_error_free(&error);
    return r < 0 ? NULL : get_headers(p);
}

static void call_api(struct player *p) {
    p->retry_at = 0;
    struct curl_slist *headers = get_headers(p);
    if (!headers) return;
    struct http_reply reply = http_get(p->url, headers);
    if (reply.status == 401) {
        struct curl_slist *others = replace_token(p, headers, reply.code);
        http_free(&reply);
        if (others) reply = http_get(p->url, others);
        curl_slist_free_all(others);
    }
    if (reply.body) http_tell(&reply);
    http_free(&reply);
    curl_slist_free_all(headers);
}

// Which property it is, and whether its value came along or was only invalidated, makes no
// difference: the number is read.
static int on_change(sd_bus_message *signal, void *player, sd_bus_error *error) {
    (void)signal, (void)error;
    ((struct player *)player)->changed = true;
    return 0;
}

static int on_owner(sd_bus_message *signal, void *player, sd_bus_error *error) {
    (void)error;
    struct player *p = player;
    const char *name, *before, *now;
    if (sd_bus_message_read(signal, "sss", &name, &before, &now) < 0) return 0;
    if (*now == '\0') puts("tokend has left the bus");
    p->back = *now != '\0' && p->gone;
    p->gone = *now == '\0';
    return 0;
}

// Sleeps until there is a reason to call the API again.
static void wait_for_reason(struct player *p) {
    puts("waiting for a new token");
    for (;;) {
        int r = sd_bus_process(p->bus, NULL);
        if (r < 0) die("the bus is gone", r);
        if (p->back) {
            p->back = false;
            puts("tokend is there: calling again");
            return;
        }
        if (p->changed) {
            p->changed = false;
            uint64_t now = number(p, "TokenNumber");
            if (now != 0 && now != p->used) {
                printf("token number %" PRIu64 " is there: calling again\n", now);
                return;
            }
        }
        if (r > 0) continue;
        time_t now = time(NULL);
        if (p->retry_at && now > p->retry_at) return;
        uint64_t left = p->retry_at ? (uint64_t)(p->retry_at + 1 - now) * SECOND : UINT64_MAX;
        r = sd_bus_wait(p->bus, left);
        if (r < 0) die("cannot wait", r);
    }
}

int main(int argc, char **argv) {
    if (argc != 3 || strncmp(argv[2], "https:", 6) != 0) {
        fprintf(stderr, "usage: %s APPLICATION HTTPS-URL\n", argv[0]);
        return 64;
    }
    setlinebuf(stdout);
    struct player p = {.url = argv[2]};
    snprintf(p.path, sizeof p.path, "/tv/tokend/application/%s", argv[1]);
    int r = sd_bus_open_system(&p.bus);
    if (r < 0) die("no system bus", r);
    // tokend may wait 20 s for the server before it answers.
    sd_bus_set_method_call_timeout(p.bus, 30 * SECOND);
    // Before the first call, so that no change is missed.
    r = sd_bus_match_signal(p.bus, NULL, TOKEND, p.path, "org.freedesktop.DBus.Properties",
                            "PropertiesChanged", on_change, &p);
    if (r < 0) die("cannot watch tokend", r);
    r = sd_bus_add_match(p.bus, NULL,
                         "type='signal',sender='org.freedesktop.DBus',"
                         "member='NameOwnerChanged',arg0='" TOKEND "'",
                         on_owner, &p);
    if (r < 0) die("cannot watch the bus", r);
    for (;;) {
        call_api(&p);
        wait_for_reason(&p);
    }
}
