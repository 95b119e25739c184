// SPDX-License-Identifier: MIT OR Apache-2.0
// The least that a service can be: sd-bus, one object, the answers as they were given to it.
// floor BUS-ADDRESS NAME PATH TOKEN [KEY VALUE]…
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

struct answers {
    const char *token;
    char **headers;
    int count;
};

static int get_token(sd_bus_message *call, void *data, sd_bus_error *error) {
    const struct answers *answers = data;
    (void)error;
    return sd_bus_reply_method_return(call, "su", answers->token, 86400u);
}

static int get_headers(sd_bus_message *call, void *data, sd_bus_error *error) {
    const struct answers *answers = data;
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(call, &reply);
    (void)error;
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "{ss}");
    for (int i = 0; r >= 0 && i + 1 < answers->count; i += 2)
        r = sd_bus_message_append(reply, "{ss}", answers->headers[i], answers->headers[i + 1]);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_message_append(reply, "u", 86400u);
    if (r >= 0) r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

static const sd_bus_vtable members[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("GetToken", "u", "su", get_token, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetHeaders", "u", "a{ss}u", get_headers, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static int failed(const char *what, int r) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(-r));
    return 1;
}

int main(int argc, char **argv) {
    sd_bus *bus = NULL;
    int r;
    if (argc < 5) return failed("BUS-ADDRESS NAME PATH TOKEN [KEY VALUE]…", 0);
    struct answers answers = {argv[4], argv + 5, argc - 5};
    if ((r = sd_bus_new(&bus)) < 0 || (r = sd_bus_set_address(bus, argv[1])) < 0 ||
        (r = sd_bus_set_bus_client(bus, 1)) < 0 || (r = sd_bus_start(bus)) < 0)
        return failed("cannot connect", r);
    r = sd_bus_add_object_vtable(bus, NULL, argv[3], "tv.tokend.Application1", members, &answers);
    if (r < 0) return failed("cannot add the object", r);
    if ((r = sd_bus_request_name(bus, argv[2], 0)) < 0) return failed("cannot own the name", r);
    for (;;) {
        if ((r = sd_bus_process(bus, NULL)) < 0) return failed("the bus is lost", r);
        if (r == 0 && (r = sd_bus_wait(bus, UINT64_MAX)) < 0) return failed("cannot wait", r);
    }
}
