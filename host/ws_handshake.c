#include "ws_handshake.h"
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

enum {
    SHA1_BYTES = 20,
    ACCEPT_LEN = 28, /* base64 of a SHA-1 */
    KEY_LEN = 24,    /* base64 of 16 bytes */
};

/* Whether the comma-separated list has the item, in any case. */
static bool list_has(const char *list, const char *item)
{
    size_t len = strlen(item);
    while (list && *list) {
        list += strspn(list, " \t,");
        size_t end = strcspn(list, ",");
        size_t width = end;
        while (width && (list[width - 1] == ' ' || list[width - 1] == '\t'))
            width--;
        if (width == len && strncasecmp(list, item, len) == 0)
            return true;
        list += end;
    }
    return false;
}

/* EVP_DecodeBlock would take "=" anywhere. */
static bool is_key(const char *key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789+/";
    return strspn(key, digits) == KEY_LEN - 2 && strcmp(key + KEY_LEN - 2, "==") == 0;
}

static void accept_value(const char *key, char out[ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[KEY_LEN + sizeof(guid)];
    unsigned char digest[SHA1_BYTES];
    memcpy(text, key, KEY_LEN);
    memcpy(text + KEY_LEN, guid, sizeof(guid));
    EVP_Digest(text, sizeof(text) - 1, digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)out, digest, SHA1_BYTES);
}

int ws_handshake_check(const struct ws_handshake *handshake, struct err *err)
{
    if (strcmp(handshake->method, "GET") != 0)
        return err_set(err, ERR_INVALID, "a WebSocket begins with GET");
    if (!list_has(handshake->upgrade, "websocket") ||
        !list_has(handshake->connection, "upgrade"))
        return err_set(err, ERR_INVALID, "not a WebSocket handshake");
    if (!handshake->version || strcmp(handshake->version, "13") != 0)
        return err_set(err, ERR_WS_VERSION, "WebSocket version 13 is spoken here");
    if (!handshake->key || !is_key(handshake->key))
        return err_set(err, ERR_INVALID, "Sec-WebSocket-Key is not 16 bytes in base64");
    return 0;
}

static void put_header(struct buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    buf_puts(out, "\r\n");
    buf_puts(out, name);
    buf_puts(out, ": ");
    buf_puts(out, value);
}

void ws_handshake_answer(struct buf *out, const char *key, const char *protocol,
                         const char *extensions, const char *lines)
{
    char accept[ACCEPT_LEN + 1];
    accept_value(key, accept);
    buf_puts(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade");
    put_header(out, "Sec-WebSocket-Accept", accept);
    put_header(out, "Sec-WebSocket-Protocol", protocol);
    put_header(out, "Sec-WebSocket-Extensions", extensions);
    buf_puts(out, "\r\n");
    buf_puts(out, lines);
    buf_puts(out, "\r\n");
}

bool ws_is_token(const char *text)
{
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return *text && text[strspn(text, allowed)] == '\0';
}
