// SPDX-License-Identifier: MIT OR Apache-2.0
/* A PKCS#11 module for tests: the real one of REAL_MODULE, which misbehaves as the words in the file
   of MISBEHAVIOUR say. Each C_Login adds a byte to that file with ".logins" behind its name. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long rv;

struct functions {
    unsigned char major, minor;
    rv (*call[68])();
};

enum { INITIALIZE = 0, FINALIZE = 1, TOKEN_INFO = 6, LOGIN = 18, SIGN = 43, GENERATE_KEY = 58 };

static struct functions real, ours;

static int told(const char *word) {
    char text[256] = "";
    FILE *file = fopen(getenv("MISBEHAVIOUR"), "r");
    if (file) {
        size_t length = fread(text, 1, sizeof text - 1, file);
        text[length] = 0;
        fclose(file);
    }
    return strstr(text, word) != NULL;
}

static rv initialize(void *arguments) {
    if (told("chatter")) {
        printf("tokend's child answers 1\n");
        fflush(stdout);
        fprintf(stderr, "chatter of the module\n");
    }
    if (told("garbage"))
        for (int fd = 1; fd < 64; fd++)
            if (fcntl(fd, F_GETFL) >= 0 && write(fd, "garbage", 7) < 0)
                continue;
    if (told("crash") && !told("end-crash"))
        *(volatile int *)0 = 1;
    if (told("whoami"))
        exit(geteuid() == 0 || getegid() == 0 || getgroups(0, NULL) > 1 ? 20 : 21);
    if (told("exit"))
        exit(3);
    if (told("fork") && fork() == 0)
        for (;;)
            pause();
    if (told("leave") && fork() == 0) {
        /* As a daemon does: its own session, and again; deaf to whatever can be ignored. */
        setsid();
        for (int number = 1; number < 32; number++)
            signal(number, SIG_IGN);
        if (fork() == 0)
            setsid();
        for (;;)
            pause();
    }
    if (told("hang") && !told("end-hang")) {
        char path[4096];
        snprintf(path, sizeof path, "%s.hangs", getenv("MISBEHAVIOUR"));
        /* Where somebody waits for it. */
        int fd = access(path, F_OK) == 0 ? open(path, O_WRONLY) : -1;
        if (fd >= 0) {
            dprintf(fd, "%d", getpid());
            close(fd);
        }
        for (;;)
            pause();
    }
    return real.call[INITIALIZE](arguments);
}

static rv finalize(void *reserved) {
    if (told("end-crash"))
        abort();
    if (told("end-hang"))
        for (;;)
            pause();
    return real.call[FINALIZE](reserved);
}

static rv token_info(unsigned long slot, unsigned char *info) {
    rv result = real.call[TOKEN_INFO](slot, info);
    unsigned long flags;
    memcpy(&flags, info + 96, sizeof flags);
    if (told("final-try"))
        flags |= 0x20000;
    if (told("locked"))
        flags |= 0x40000;
    memcpy(info + 96, &flags, sizeof flags);
    return result;
}

static rv login(unsigned long session, unsigned long user, void *pin, unsigned long length) {
    char path[4096];
    snprintf(path, sizeof path, "%s.logins", getenv("MISBEHAVIOUR"));
    FILE *file = fopen(path, "a");
    fputc('x', file);
    fclose(file);
    return real.call[LOGIN](session, user, pin, length);
}

static rv sign(unsigned long session, void *data, unsigned long size, unsigned char *out,
               unsigned long *length) {
    static unsigned char count;
    rv result = real.call[SIGN](session, data, size, out, length);
    if (told("fickle") && out)
        out[0] = ++count;
    if (told("short") && out)
        *length = 16;
    return result;
}

static rv generate_key() {
    return 0x54; /* CKR_FUNCTION_NOT_SUPPORTED */
}

rv C_GetFunctionList(struct functions **list) {
    void *module = dlopen(getenv("REAL_MODULE"), RTLD_NOW);
    struct functions *theirs;
    rv (*get)() = module ? (rv (*)())dlsym(module, "C_GetFunctionList") : NULL;
    if (!get || get(&theirs) != 0)
        return 5;
    real = ours = *theirs;
    ours.call[INITIALIZE] = initialize;
    ours.call[FINALIZE] = finalize;
    ours.call[TOKEN_INFO] = token_info;
    ours.call[LOGIN] = login;
    ours.call[SIGN] = sign;
    if (told("no-keys"))
        ours.call[GENERATE_KEY] = generate_key;
    *list = &ours;
    return 0;
}
