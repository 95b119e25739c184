// SPDX-License-Identifier: MIT OR Apache-2.0
// window.tokend for the pages of listed origins, in WPE WebKit and WebKitGTK: an extension of the
// web process that calls tokend over D-Bus. docs/html5.md says what it does and what it does not.
#ifdef WPE
#include <wpe/webkit-web-extension.h>
#else
#include <webkit2/webkit-web-extension.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Fixed when the bridge is built: neither a page nor the environment chooses another one.
#ifndef CONFIGURATION
#define CONFIGURATION "/etc/tokend-html5.conf"
#endif
#define LARGEST (64 * 1024)
#define TOKEND "tv.tokend"
#define INTERFACE "tv.tokend.Application1"
// tokend may wait 20 s for the server before it answers.
#define CALL_MS (30 * 1000)
// A request that is to get headers waits for the cache, not for a fetch.
#define INJECT_MS 250

// A group of the configuration. All of them live as long as the process.
struct application {
    char *path;      // of its object on the bus
    char **origins;  // of the pages that get window.tokend
    char **inject;   // what the URLs begin with that get headers
    GDBusProxy *proxy;
    GSList *windows; // JSCWeakValue: the window.tokend of each page
};
static GPtrArray *applications;
static GDBusConnection *bus;

// ---- The configuration ---------------------------------------------------------------------------

static gboolean is_loopback(const char *host) {
    return !strcmp(host, "127.0.0.1") || !strcmp(host, "localhost") || !strcmp(host, "::1");
}

// Scheme, host and port as a browser writes them; NULL for a URL that can have no headers: all but
// https, and http to this device.
static char *origin_of(const char *url) {
    GUri *uri = g_uri_parse(url, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED, NULL);
    char *origin = NULL;
    const char *host = uri ? g_uri_get_host(uri) : NULL;
    if (host && *host) {
        const char *scheme = g_uri_get_scheme(uri);
        const gboolean https = !strcmp(scheme, "https");
        const int port = g_uri_get_port(uri);
        const char *form = strchr(host, ':') ? "%s://[%s]" : "%s://%s";
        if (https || (!strcmp(scheme, "http") && is_loopback(host))) {
            GString *text = g_string_new(NULL);
            char *lower = g_ascii_strdown(host, -1);
            g_string_printf(text, form, scheme, lower);
            g_free(lower);
            if (port != -1 && port != (https ? 443 : 80)) g_string_append_printf(text, ":%d", port);
            origin = g_string_free(text, FALSE);
        }
    }
    if (uri) g_uri_unref(uri);
    return origin;
}

// Whether a file of this owner is root's. In the sandbox of a web process (a user namespace that
// knows one user), root's files have the owner that stands for all who are not there.
static gboolean is_root(uid_t owner) {
    const uid_t nobody_here = 65534;
    char *map = NULL;
    if (owner == 0) return TRUE;
    if (owner != nobody_here || geteuid() == nobody_here ||
        !g_file_get_contents("/proc/self/uid_map", &map, NULL, NULL))
        return FALSE;
    // "FIRST-HERE FIRST-OUTSIDE COUNT", a line for each range.
    gboolean unknown = TRUE;
    char **lines = g_strsplit(map, "\n", -1);
    for (char **line = lines; *line; line++) {
        guint64 first = 0, outside = 0, count = 0;
        if (sscanf(*line, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &first,
                   &outside, &count) == 3)
            unknown = unknown && first != 0 && !(first <= owner && owner - first < count);
    }
    g_strfreev(lines);
    g_free(map);
    return unknown;
}

// The text of the configuration; NULL, and why, if it is not to be believed. What is judged is the
// opened file, which nobody can exchange any more.
static char *read_configuration(char **why) {
    char *text = NULL;
    struct stat file;
    const int fd = open(CONFIGURATION, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &file) < 0)
        *why = g_strdup_printf("%s", g_strerror(errno));
    else if (!S_ISREG(file.st_mode))
        *why = g_strdup("it is not a regular file");
    else if (!is_root(file.st_uid))
        *why = g_strdup_printf("it belongs to user %u: it must belong to root (chown root)",
                               (unsigned)file.st_uid);
    else if (file.st_mode & 022)
        *why = g_strdup_printf("its mode is %04o: group and others may not write it (chmod go-w)",
                               (unsigned)file.st_mode & 07777);
    else {
        text = g_malloc0(LARGEST + 2);
        gsize got = 0;
        ssize_t n;
        while (got <= LARGEST && (n = read(fd, text + got, LARGEST + 1 - got)) > 0) got += (gsize)n;
        if (got > LARGEST || strlen(text) != got) {
            *why = g_strdup("it is no text of at most 64 KiB");
            g_clear_pointer(&text, g_free);
        }
    }
    if (fd >= 0) close(fd);
    return text;
}

static void free_application(void *data) {
    struct application *a = data;
    g_free(a->path);
    g_strfreev(a->origins);
    g_strfreev(a->inject);
    g_free(a);
}

static struct application *find(const char *origin) {
    for (guint i = 0; origin && i < applications->len; i++) {
        struct application *a = applications->pdata[i];
        if (g_strv_contains((const char *const *)a->origins, origin)) return a;
    }
    return NULL;
}

// Why this list of a group is not to be used; NULL if it is. An origin is written exactly as a
// browser writes it; a prefix is an origin and a path.
static char *judge_list(const char *group, const char *key, char **list, gboolean prefixes) {
    for (char **item = list; item && *item; item++) {
        char *origin = origin_of(*item);
        const size_t length = origin ? strlen(origin) : 0;
        gboolean good = origin && g_str_has_prefix(*item, origin) &&
                        (prefixes ? (*item)[length] == '/' : (*item)[length] == '\0');
        good = good && (prefixes || !find(origin)); // whose token would it get?
        g_free(origin);
        if (!good)
            return g_strdup_printf(
                "[%s] %s: \"%s\" is not expected: %s, https (or http to 127.0.0.1, localhost, "
                "[::1]), in lower case and without a default port",
                group, key, *item,
                prefixes ? "an origin and a path, as https://api.example.com/"
                         : "an origin that stands there once, as https://app.example.com");
    }
    return NULL;
}

static char *read_group(GKeyFile *file, const char *group) {
    static const char *const known[] = {"origins", "inject", NULL};
    if (!g_regex_match_simple("^[A-Za-z0-9_]{1,64}$", group, G_REGEX_DOLLAR_ENDONLY, 0))
        return g_strdup_printf("[%s] is not the ID of an application", group);
    char *why = NULL;
    char **keys = g_key_file_get_keys(file, group, NULL, NULL);
    for (char **key = keys; *key && !why; key++)
        if (!g_strv_contains(known, *key))
            why = g_strdup_printf("[%s] %s is unknown: origins and inject are known", group, *key);
    g_strfreev(keys);
    if (why) return why;
    struct application *a = g_new0(struct application, 1);
    a->path = g_strconcat("/tv/tokend/application/", group, NULL);
    a->origins = g_key_file_get_string_list(file, group, "origins", NULL, NULL);
    a->inject = g_key_file_get_string_list(file, group, "inject", NULL, NULL);
    if (!a->origins || !*a->origins) why = g_strdup_printf("[%s] has no origins", group);
    if (!why) why = judge_list(group, "origins", a->origins, FALSE);
    if (!why) why = judge_list(group, "inject", a->inject, TRUE);
    if (why)
        free_application(a);
    else
        g_ptr_array_add(applications, a);
    return why;
}

// All of the configuration, or nothing of it.
static void configure(void) {
    char *why = NULL;
    GError *error = NULL;
    GKeyFile *file = g_key_file_new();
    applications = g_ptr_array_new_with_free_func(free_application);
    char *text = read_configuration(&why);
    if (text && !g_key_file_load_from_data(file, text, (gsize)-1, G_KEY_FILE_NONE, &error)) {
        why = g_strdup(error->message);
        g_error_free(error);
    } else if (text) {
        char **groups = g_key_file_get_groups(file, NULL);
        for (char **group = groups; *group && !why; group++) why = read_group(file, *group);
        g_strfreev(groups);
    }
    if (why) {
        g_printerr("tokend: " CONFIGURATION ": %s: no page gets window.tokend\n", why);
        g_ptr_array_set_size(applications, 0);
    }
    g_free(why);
    g_free(text);
    g_key_file_free(file);
}

// ---- window.tokend -------------------------------------------------------------------------------

// Evaluated in each new window before any script of its page, so that what it takes is the engine's
// own; what a page changes later, and what it hangs onto Object.prototype, changes nothing here.
static const char GLUE[] =
    "(function (call) {\n"
    "  'use strict';\n"
    "  const {create, defineProperty, freeze} = Object, {isInteger} = Number, P = Promise, E = Error;\n"
    "  const define = (object, name, value) =>\n"
    "    defineProperty(object, name, {__proto__: null, value, enumerable: true});\n"
    "  const failure = (name, message) => define(new E(message), 'name', name);\n"
    "  const wrong = message => failure('org.freedesktop.DBus.Error.InvalidArgs', message);\n"
    "  const ask = (method, first, second, shape) => new P((resolve, reject) => call(method, first, second,\n"
    "    (expiresIn, ...strings) => resolve(define(shape(create(null), strings), 'expiresIn', expiresIn)),\n"
    "    (name, message) => reject(failure(name, message))));\n"
    "  const headers = (result, strings) => {\n"
    "    const headers = create(null);\n"
    "    for (let i = 0; i < strings.length; i += 2) define(headers, strings[i], strings[i + 1]);\n"
    "    return define(result, 'headers', headers);\n"
    "  };\n"
    "  const token = (result, strings) => define(result, 'accessToken', strings[0]);\n"
    "  const tokend = new EventTarget();\n"
    "  define(tokend, 'getHeaders', (minValidity = 0) => {\n"
    "    if (!isInteger(minValidity) || minValidity < 0 || minValidity > 0xffffffff)\n"
    "      return new P((_, reject) => reject(wrong('minValidity must be a whole number of seconds')));\n"
    "    return ask('GetHeaders', minValidity, '', headers);\n"
    "  });\n"
    "  define(tokend, 'replaceToken', (rejected, code = '') => {\n"
    "    if (typeof rejected !== 'string' || typeof code !== 'string')\n"
    "      return new P((_, reject) => reject(wrong('the rejected token and the code must be strings')));\n"
    "    return ask('ReplaceToken', rejected, code, token);\n"
    "  });\n"
    "  defineProperty(window, 'tokend', {__proto__: null, value: freeze(tokend), enumerable: true});\n"
    "  return tokend;\n"
    "})";

struct call {
    JSCValue *done, *failed;
};

static JSCValue *text_value(JSCValue *near, const char *text) {
    return jsc_value_new_string(jsc_value_get_context(near), text);
}

static void end_call(JSCValue *function, GPtrArray *arguments) {
    g_object_unref(jsc_value_function_callv(function, arguments->len, (JSCValue **)arguments->pdata));
    g_ptr_array_unref(arguments);
}

static void fail(struct call *call, const GError *error) {
    char *name = g_dbus_error_get_remote_error(error), *message = NULL;
    GError *copy = g_error_copy(error);
    g_dbus_error_strip_remote_error(copy);
    message = copy->message;
    GPtrArray *arguments = g_ptr_array_new_with_free_func(g_object_unref);
    const char *without = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
                              ? "org.freedesktop.DBus.Error.NoReply"
                              : "org.freedesktop.DBus.Error.Disconnected";
    g_ptr_array_add(arguments, text_value(call->failed, name ? name : without));
    g_ptr_array_add(arguments, text_value(call->failed, message));
    end_call(call->failed, arguments);
    g_error_free(copy);
    g_free(name);
}

static void succeed(struct call *call, GVariant *answer) {
    GPtrArray *arguments = g_ptr_array_new_with_free_func(g_object_unref);
    GVariant *first = g_variant_get_child_value(answer, 0);
    guint32 expires_in = 0;
    g_variant_get_child(answer, 1, "u", &expires_in);
    g_ptr_array_add(arguments, jsc_value_new_number(jsc_value_get_context(call->done), expires_in));
    if (g_variant_is_of_type(first, G_VARIANT_TYPE_STRING)) {
        g_ptr_array_add(arguments, text_value(call->done, g_variant_get_string(first, NULL)));
    } else {
        GVariantIter headers;
        const char *name, *value;
        g_variant_iter_init(&headers, first);
        while (g_variant_iter_next(&headers, "{&s&s}", &name, &value)) {
            // A page may not set this one everywhere, and the API would have to allow it (CORS).
            if (!g_ascii_strcasecmp(name, "User-Agent")) continue;
            g_ptr_array_add(arguments, text_value(call->done, name));
            g_ptr_array_add(arguments, text_value(call->done, value));
        }
    }
    g_variant_unref(first);
    end_call(call->done, arguments);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer data) {
    struct call *call = data;
    GError *error = NULL;
    GVariant *answer = g_dbus_connection_call_finish((GDBusConnection *)source, result, &error);
    if (answer) {
        succeed(call, answer);
        g_variant_unref(answer);
    } else {
        fail(call, error);
        g_error_free(error);
    }
    g_object_unref(call->done);
    g_object_unref(call->failed);
    g_free(call);
}

// What a page says, as D-Bus takes it.
static char *words(JSCValue *value) {
    char *text = jsc_value_to_string(value), *valid = g_utf8_make_valid(text, -1);
    g_free(text);
    return valid;
}

// call(method, first, second, done, failed) of the glue.
static void on_call(GPtrArray *arguments, gpointer application) {
    JSCValue **argument = (JSCValue **)arguments->pdata;
    char *method = words(argument[0]);
    GVariant *parameters;
    const char *answer;
    if (!strcmp(method, "GetHeaders")) {
        parameters = g_variant_new("(u)", (guint32)jsc_value_to_double(argument[1]));
        answer = "(a{ss}u)";
    } else {
        char *rejected = words(argument[1]), *code = words(argument[2]);
        parameters = g_variant_new("(ss)", rejected, code);
        g_free(rejected);
        g_free(code);
        answer = "(su)";
    }
    struct call *call = g_new(struct call, 1);
    *call = (struct call){g_object_ref(argument[3]), g_object_ref(argument[4])};
    g_dbus_connection_call(bus, TOKEND, ((struct application *)application)->path, INTERFACE, method,
                           parameters, G_VARIANT_TYPE(answer), G_DBUS_CALL_FLAGS_NONE, CALL_MS, NULL,
                           on_answer, call);
    g_free(method);
}

static void tell_windows(struct application *a) {
    GSList *next;
    for (GSList *window = a->windows; window; window = next) {
        next = window->next;
        JSCValue *tokend = jsc_weak_value_get_value(window->data);
        if (!tokend) { // its page is gone
            g_object_unref(window->data);
            a->windows = g_slist_delete_link(a->windows, window);
            continue;
        }
        JSCContext *context = jsc_value_get_context(tokend);
        JSCValue *kind = jsc_context_get_value(context, "Event");
        JSCValue *event = jsc_value_constructor_call(kind, G_TYPE_STRING, "tokenchange", G_TYPE_NONE);
        JSCValue *sent = jsc_value_object_invoke_method(tokend, "dispatchEvent", JSC_TYPE_VALUE, event,
                                                        G_TYPE_NONE);
        g_object_unref(sent);
        g_object_unref(event);
        g_object_unref(kind);
        g_object_unref(tokend);
    }
}

static void on_change(GDBusProxy *proxy, GVariant *changed, GStrv gone, gpointer application) {
    (void)proxy, (void)gone;
    GVariant *number = g_variant_lookup_value(changed, "TokenNumber", G_VARIANT_TYPE_UINT64);
    if (!number) return;
    if (g_variant_get_uint64(number) != 0) tell_windows(application);
    g_variant_unref(number);
}

static void on_owner(GObject *proxy, GParamSpec *property, gpointer application) {
    (void)property;
    char *owner = g_dbus_proxy_get_name_owner((GDBusProxy *)proxy);
    if (owner) tell_windows(application);
    g_free(owner);
}

static void on_proxy(GObject *source, GAsyncResult *result, gpointer application) {
    (void)source;
    struct application *a = application;
    a->proxy = g_dbus_proxy_new_finish(result, NULL); // without one: no events, no injection
    if (!a->proxy) return;
    g_signal_connect(a->proxy, "g-properties-changed", G_CALLBACK(on_change), a);
    g_signal_connect(a->proxy, "notify::g-name-owner", G_CALLBACK(on_owner), a);
}

static char *property(JSCValue *object, const char *name) {
    JSCValue *value = jsc_value_object_get_property(object, name);
    char *text = jsc_value_to_string(value);
    g_object_unref(value);
    return text;
}

// The application of the document in this window, if it has one. `location` is what no script can
// redefine; `origin`, which a script can, is "null" for a sandboxed document.
static struct application *application_of(JSCContext *context) {
    JSCValue *location = jsc_context_get_value(context, "location");
    JSCValue *window = jsc_context_get_global_object(context);
    char *href = property(location, "href"), *actual = property(window, "origin");
    char *origin = origin_of(href);
    struct application *a = g_strcmp0(origin, actual) == 0 ? find(origin) : NULL;
    g_free(origin);
    g_free(href);
    g_free(actual);
    g_object_unref(window);
    g_object_unref(location);
    return a;
}

static void on_window(WebKitScriptWorld *world, WebKitWebPage *page, WebKitFrame *frame, gpointer data) {
    (void)data;
    if (!webkit_frame_is_main_frame(frame)) return;
    JSCContext *context = webkit_frame_get_js_context_for_script_world(frame, world);
    struct application *a = application_of(context);
    g_object_set_data((GObject *)page, "tokend", a);
    if (a) {
        JSCValue *glue = jsc_context_evaluate_with_source_uri(context, GLUE, -1, "tokend:", 1);
        JSCValue *call = jsc_value_new_function_variadic(context, "call", G_CALLBACK(on_call), a, NULL,
                                                         G_TYPE_NONE);
        JSCValue *tokend = jsc_value_function_call(glue, JSC_TYPE_VALUE, call, G_TYPE_NONE);
        a->windows = g_slist_prepend(a->windows, jsc_weak_value_new(tokend));
        g_object_unref(tokend);
        g_object_unref(call);
        g_object_unref(glue);
    }
    g_object_unref(context);
}

// ---- Requests of a page --------------------------------------------------------------------------

static gboolean is_listed(struct application *a, const char *url) {
    for (char **prefix = a->inject; prefix && *prefix; prefix++)
        if (g_str_has_prefix(url, *prefix)) return TRUE;
    return FALSE;
}

// The headers from tokend's cache; none if there is no token to be had at once.
static void inject(struct application *a, SoupMessageHeaders *headers) {
    GVariant *state = a->proxy ? g_dbus_proxy_get_cached_property(a->proxy, "State") : NULL;
    const gboolean ready = state && !strcmp(g_variant_get_string(state, NULL), "ready");
    if (state) g_variant_unref(state);
    GVariant *answer = !ready ? NULL
        : g_dbus_connection_call_sync(bus, TOKEND, a->path, INTERFACE, "GetHeaders",
                                      g_variant_new("(u)", 0), G_VARIANT_TYPE("(a{ss}u)"),
                                      G_DBUS_CALL_FLAGS_NO_AUTO_START, INJECT_MS, NULL, NULL);
    if (!answer) return;
    GVariantIter *pairs;
    const char *name, *value;
    g_variant_get(answer, "(a{ss}u)", &pairs, NULL);
    while (g_variant_iter_next(pairs, "{&s&s}", &name, &value))
        soup_message_headers_replace(headers, name, value);
    // Else an answer with `Vary: Authorization` would bring the token into the disk cache.
    soup_message_headers_replace(headers, "Cache-Control", "no-store");
    g_variant_iter_free(pairs);
    g_variant_unref(answer);
}

// TRUE: the request is not sent.
static gboolean on_request(WebKitWebPage *page, WebKitURIRequest *request, WebKitURIResponse *redirect,
                           gpointer data) {
    (void)data;
    struct application *a = g_object_get_data((GObject *)page, "tokend");
    if (!a) return FALSE;
    const char *url = webkit_uri_request_get_uri(request), *shown = webkit_web_page_get_uri(page);
    const char *from = redirect ? webkit_uri_response_get_uri(redirect) : NULL;
    // The page itself is left for another one: that one is judged in its own window.
    if (!g_strcmp0(url, shown) || (from && !g_strcmp0(from, shown))) return FALSE;
    // No mixed content, pictures and films included.
    char *origin = origin_of(url);
    const gboolean mixed = g_str_has_prefix(url, "http:") && !origin;
    if (origin && a->inject && is_listed(a, url) && !from) {
        SoupMessageHeaders *headers = webkit_uri_request_get_http_headers(request);
        const char *asked_by = headers ? soup_message_headers_get_one(headers, "Origin") : NULL;
        // Not for another's frame in the page, which has an origin of its own.
        if (find(asked_by) == a) inject(a, headers);
    }
    g_free(origin);
    // The engine would take the headers along to wherever it is sent.
    return mixed || (from && is_listed(a, from));
}

static void on_page(WebKitWebExtension *extension, WebKitWebPage *page, gpointer data) {
    (void)extension, (void)data;
    g_signal_connect(page, "send-request", G_CALLBACK(on_request), NULL);
}

G_MODULE_EXPORT void webkit_web_extension_initialize(WebKitWebExtension *extension) {
    configure();
    if (applications->len == 0) return;
    GError *error = NULL;
    bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
    if (!bus) {
        g_printerr("tokend: no system bus: %s: no page gets window.tokend\n", error->message);
        g_error_free(error);
        return;
    }
    // Else the web process would end with the bus.
    g_dbus_connection_set_exit_on_close(bus, FALSE);
    for (guint i = 0; i < applications->len; i++) {
        struct application *a = applications->pdata[i];
        g_dbus_proxy_new(bus, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START_AT_CONSTRUCTION |
                                  G_DBUS_PROXY_FLAGS_GET_INVALIDATED_PROPERTIES,
                         NULL, TOKEND, a->path, INTERFACE, NULL, on_proxy, a);
    }
    g_signal_connect(webkit_script_world_get_default(), "window-object-cleared", G_CALLBACK(on_window),
                     NULL);
    g_signal_connect(extension, "page-created", G_CALLBACK(on_page), NULL);
}
