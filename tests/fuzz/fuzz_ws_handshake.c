/* libFuzzer: the opening handshake of WebSockets with any header values. What is found good has
 * the right method, version and key, and its answer is one head.
 *
 *   make test-fuzz
 *
 * The lines are method, Upgrade, Connection, version and key; an empty one is absent. */
#include "ws_handshake.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES = 5, KEY_LEN = 24 };

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void check_answer(const char *key)
{
    struct buf answer = {0};
    unsigned lines = 0;
    ws_handshake_answer(&answer, key, NULL, NULL, "");
    const char *text = buf_cstr(&answer);
    expect(strlen(text) == answer.len);
    expect(strncmp(text, "HTTP/1.1 101 ", 13) == 0);
    expect(strstr(text, "\r\n\r\n") == text + answer.len - 4);
    for (const char *at = text; *at; at++) {
        lines += *at == '\n';
        expect(*at == '\r' || *at == '\n' || (*at >= ' ' && *at < 0x7f));
    }
    expect(lines >= 4 && lines <= 10);
    buf_free(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *values[LINES] = {0};
    struct buf text = {0};
    struct err err;
    buf_append(&text, data, size);
    buf_cstr(&text);
    char *rest = text.data;
    for (size_t i = 0; i < LINES && rest; i++) {
        char *value = strsep(&rest, "\n");
        values[i] = *value ? value : NULL;
    }
    struct ws_handshake handshake = {
        .method = values[0] ? values[0] : "",
        .upgrade = values[1],
        .connection = values[2],
        .version = values[3],
        .key = values[4],
    };
    if (ws_handshake_check(&handshake, &err) == 0) {
        expect(strcmp(handshake.method, "GET") == 0 &&
               strcmp(handshake.version, "13") == 0);
        expect(strcasestr(handshake.upgrade, "websocket") != NULL);
        expect(strcasestr(handshake.connection, "upgrade") != NULL);
        expect(strlen(handshake.key) == KEY_LEN &&
               strchr(handshake.key, '=') == handshake.key + KEY_LEN - 2);
        check_answer(handshake.key);
    }
    for (size_t i = 0; i < LINES; i++)
        if (values[i] && ws_is_token(values[i]))
            expect(!strpbrk(values[i], " \t\r\n,;\"()<>@:\\/[]?={}"));
    buf_free(&text);
    return 0;
}
