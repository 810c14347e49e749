#include "ws_packet.h"
#include "mem.h"
#include "sse.h"
#include "ws_frame.h"
#include <stdlib.h>
#include <string.h>

struct ws_packet *ws_packet_new(unsigned opcode, const char *data, size_t len)
{
    char header[WS_HEADER_MAX];
    size_t header_len = ws_frame_header(header, opcode, len);
    struct ws_packet *packet = mem_resize(NULL, sizeof(*packet) + header_len + len);
    packet->refs = 1;
    packet->len = header_len + len;
    memcpy(packet->bytes, header, header_len);
    if (len)
        memcpy(packet->bytes + header_len, data, len);
    return packet;
}

struct ws_packet *ws_packet_raw(const char *data, size_t len)
{
    struct ws_packet *packet = mem_resize(NULL, sizeof(*packet) + len);
    packet->refs = 1;
    packet->len = len;
    memcpy(packet->bytes, data, len);
    return packet;
}

void ws_packet_unref(struct ws_packet *packet)
{
    if (--packet->refs == 0)
        free(packet);
}

static struct ws_packet *event_packet(const struct ws_text *text)
{
    struct buf event = {0};
    sse_event(&event, &(struct sse_event){text->name, text->name_len, text->mark,
                                          text->mark_len, text->text, text->len});
    struct ws_packet *packet = ws_packet_raw(event.data, event.len);
    buf_free(&event);
    return packet;
}

/* NULL when the text is not worth compressing. */
static struct ws_packet *deflated_packet(struct ws_deflate *streams, unsigned bits,
                                         const struct ws_text *text)
{
    struct buf packed = {0};
    struct ws_packet *packet = NULL;
    if (ws_deflate(streams, bits, text->text, text->len, &packed))
        packet = ws_packet_new(WS_TEXT | WS_COMPRESSED, packed.data, packed.len);
    buf_free(&packed);
    return packet;
}

struct ws_packet *ws_outgoing_packet(struct ws_deflate *streams, unsigned form,
                                     struct ws_outgoing *out)
{
    struct ws_packet **packet = &out->packets[form];
    if (*packet)
        return *packet;
    if (!form) {
        *packet = ws_packet_new(WS_TEXT, out->text->text, out->text->len);
    } else if (form == WS_FORM_EVENT) {
        *packet = event_packet(out->text);
    } else if (!(*packet = deflated_packet(streams, form, out->text))) {
        *packet = ws_outgoing_packet(streams, 0, out);
        (*packet)->refs++;
    }
    return *packet;
}

void ws_outgoing_deinit(struct ws_outgoing *out)
{
    for (unsigned form = 0; form < WS_FORMS; form++)
        if (out->packets[form])
            ws_packet_unref(out->packets[form]);
}
