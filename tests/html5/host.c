// SPDX-License-Identifier: MIT OR Apache-2.0
// A browser of one window, for the tests: WebKitGTK as an application would embed it.
// host EXTENSION-DIRECTORY DATA-DIRECTORY BUS-SOCKET CONFIGURATION sandbox|open URL
#include <webkit2/webkit2.h>

static const char *extensions;

static void on_extensions(WebKitWebContext *context, gpointer data) {
    (void)data;
    webkit_web_context_set_web_extensions_directory(context, extensions);
}

static GtkWidget *window_of(WebKitWebView *view) {
    GtkWidget *window = gtk_window_new(GTK_WINDOW_TOPLEVEL);
    gtk_container_add(GTK_CONTAINER(window), GTK_WIDGET(view));
    gtk_widget_show_all(window);
    return window;
}

static GtkWidget *on_create(WebKitWebView *view, WebKitNavigationAction *action, gpointer data) {
    (void)action, (void)data;
    GtkWidget *other = webkit_web_view_new_with_related_view(view);
    window_of(WEBKIT_WEB_VIEW(other));
    return other;
}

int main(int argc, char **argv) {
    gtk_init(&argc, &argv);
    if (argc != 7) return 64;
    extensions = argv[1];
    char *cache = g_build_filename(argv[2], "cache", NULL);
    WebKitWebsiteDataManager *data = webkit_website_data_manager_new(
        "base-data-directory", argv[2], "base-cache-directory", cache, NULL);
    WebKitWebContext *context = webkit_web_context_new_with_website_data_manager(data);
    // The server's certificate is made for each test.
    webkit_website_data_manager_set_tls_errors_policy(data, WEBKIT_TLS_ERRORS_POLICY_IGNORE);
    g_signal_connect(context, "initialize-web-extensions", G_CALLBACK(on_extensions), NULL);
    if (g_str_equal(argv[5], "sandbox")) {
        webkit_web_context_set_sandbox_enabled(context, TRUE);
        webkit_web_context_add_path_to_sandbox(context, argv[1], TRUE);
        webkit_web_context_add_path_to_sandbox(context, argv[3], TRUE);
        webkit_web_context_add_path_to_sandbox(context, argv[4], TRUE);
    }
    WebKitSettings *settings = webkit_settings_new_with_settings(
        "enable-write-console-messages-to-stdout", TRUE, "enable-developer-extras", TRUE,
        "javascript-can-open-windows-automatically", TRUE, "hardware-acceleration-policy",
        WEBKIT_HARDWARE_ACCELERATION_POLICY_NEVER, NULL);
    GtkWidget *view = g_object_new(WEBKIT_TYPE_WEB_VIEW, "web-context", context, "settings", settings, NULL);
    g_signal_connect(view, "create", G_CALLBACK(on_create), NULL);
    window_of(WEBKIT_WEB_VIEW(view));
    webkit_web_view_load_uri(WEBKIT_WEB_VIEW(view), argv[6]);
    gtk_main();
}
