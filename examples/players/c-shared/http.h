// SPDX-License-Identifier: MIT OR Apache-2.0
// What both C players do besides D-Bus: one GET over https, and words for tokend's errors.
#pragma once

#include <curl/curl.h>

struct http_reply {
    long status; // 0: no answer, and `body` says why
    char *body;
    char code[64]; // the API's error code, where the body has one; else empty
};

// Adds "NAME: VALUE".
struct curl_slist *http_header(struct curl_slist *headers, const char *name, const char *value);

// The token among the headers.
const char *http_bearer(const struct curl_slist *headers);

struct http_reply http_get(const char *url, struct curl_slist *headers);
// Says what came in the end, after the one replacement of the token.
void http_tell(const struct http_reply *reply);
void http_free(struct http_reply *reply);

// What a viewer, or who helps one, can make of a D-Bus error.
const char *words_of(const char *error_name);
