// SPDX-License-Identifier: MIT OR Apache-2.0
#include "http.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct curl_slist *http_header(struct curl_slist *headers, const char *name, const char *value) {
    char *line = NULL;
    if (asprintf(&line, "%s: %s", name, value) < 0) abort();
    headers = curl_slist_append(headers, line);
    free(line);
    return headers;
}

const char *http_bearer(const struct curl_slist *headers) {
    static const char start[] = "Authorization: Bearer ";
    for (; headers; headers = headers->next)
        if (strncmp(headers->data, start, sizeof start - 1) == 0)
            return headers->data + sizeof start - 1;
    return "";
}

struct http_reply http_get(const char *url, struct curl_slist *headers) {
    struct http_reply reply = {0};
    size_t length = 0;
    char error[CURL_ERROR_SIZE] = "";
    FILE *body = open_memstream(&reply.body, &length);
    CURL *curl = curl_easy_init();
    if (!body || !curl) abort();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    // The token is for this host alone: redirects, which libcurl does not follow by itself, stay off.
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body); // fwrite(3) is what libcurl does with it
    // libcurl, unlike the program curl, does not look at this variable by itself.
    if (getenv("SSL_CERT_FILE")) curl_easy_setopt(curl, CURLOPT_CAINFO, getenv("SSL_CERT_FILE"));

    CURLcode result = curl_easy_perform(curl);
    fclose(body);
    if (result == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
    } else {
        free(reply.body);
        reply.body = strdup(*error ? error : curl_easy_strerror(result));
    }
    curl_easy_cleanup(curl);

    struct json_object *json = json_tokener_parse(reply.body), *code;
    if (json_object_object_get_ex(json, "code", &code) && json_object_is_type(code, json_type_string)) {
        const char *text = json_object_get_string(code);
        // It goes to tokend and to a terminal: nothing but printable ASCII does.
        for (size_t i = 0; i + 1 < sizeof reply.code && text[i] > ' ' && text[i] <= '~'; i++)
            reply.code[i] = text[i];
    }
    json_object_put(json);
    return reply;
}

void http_tell(const struct http_reply *reply) {
    if (reply->status == 401)
        printf("401 %s again: that is not the token's fault\n", reply->code);
    else if (reply->status == 0)
        printf("the API cannot be reached: %s\n", reply->body);
    else
        printf("%ld %s\n", reply->status, reply->body);
}

void http_free(struct http_reply *reply) {
    free(reply->body);
    *reply = (struct http_reply){0};
}

const char *words_of(const char *error_name) {
    static const char *const words[][2] = {
        {"tv.tokend.Error.Rejected", "not available"},
        {"tv.tokend.Error.Unavailable", "no token now"},
        {"tv.tokend.Error.Throttled", "patience"},
        {"tv.tokend.Error.Storage", "this device's secure storage does not work"},
        {"org.freedesktop.DBus.Error.AccessDenied", "this user may not have this token"},
        {"org.freedesktop.DBus.Error.UnknownObject", "no such application"},
        {"org.freedesktop.DBus.Error.ServiceUnknown", "tokend is not there"},
        {"org.freedesktop.DBus.Error.NoReply", "tokend does not answer"},
        {"org.freedesktop.DBus.Error.Timeout", "tokend does not answer"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(error_name, words[i][0]) == 0) return words[i][1];
    return error_name;
}
