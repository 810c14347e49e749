/* Design
 *
 * A connection at rest is its stream and one struct conn: the read buffer is the hub's,
 * messages and queues have memory only while there are some. One timer of the hub looks
 * at all pings and deadlines.
 *
 * Life: OPEN -> CLOSING (we sent a close frame, its answer is awaited) -> GONE (the
 * stream is being closed). Leaving OPEN leaves all rooms. A conn is freed when its stream
 * is closed and its on_close was taken, and only by on_stream_closed and on_report, which
 * run straight from the loop: whoever else holds a conn can go on using it.
 *
 * Messages: while `busy` a message (or whoever adopted the connection) is in the
 * callback's hands; reading is paused and bytes that were read already wait in `unread`.
 * on_close comes after that, from the report timer, so that no callback runs inside
 * ws_publish or ws_close.
 *
 * A frame is built once and counted: each queue that it waits in holds a reference. A text
 * that is sent has a frame for each form in which a receiver takes it. The queue is libuv's; `queued` counts its bytes and what each entry costs us. */
#include "ws.h"
#include "hash.h"
#include "mem.h"
#include "sse.h"
#include "ws_deflate.h"
#include "ws_frame.h"
#include "ws_room.h"
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 250,
    CLOSE_WAIT_MS = 5000, /* for the peer's close frame, and for the queue to drain */
    READ_BYTES = 64 * 1024,
    FORM_EVENT = WS_DEFLATE_BITS_MAX + 1, /* of a text, behind those of the windows */
    FORMS,
};

struct frame {
    unsigned refs;
    size_t len;
    char bytes[];
};

/* A text on its way out: its frames by form, which is the bits of the window, 0 for the
 * plain one, or FORM_EVENT; each is built when the first receiver needs it. */
struct outgoing {
    const struct ws_text *text;
    struct frame *frames[FORMS];
};

/* What waits in libuv's queue of one connection. */
struct write {
    uv_write_t req;
    struct conn *conn;
    struct frame *frame;
    size_t cost; /* counted in conn->queued */
};

enum state { OPEN, CLOSING, GONE };

struct conn {
    struct hash_node node; /* in hub->conns */
    uint64_t id;
    struct conn *next, **link; /* in hub->all */
    uint64_t ping_at;          /* loop time in ms */
    uint64_t deadline_at;      /* 0: none; while CLOSING: when patience ends */
    uint8_t state;             /* enum state */
    uint8_t form;              /* in which it takes texts */
    bool busy;                 /* a message is not done yet */
    bool untaken;              /* on_message refused it; it waits in the parser */
    bool binary;               /* ... and this is its kind */
    bool feeding;              /* feed() or retry() is below us on the stack */
    bool reading;              /* uv_read_start is in force */
    bool finished;  /* our side is shut down: what still comes is thrown away */
    bool alive;     /* something came since the last ping */
    bool reporting; /* in hub->reports */
    bool reported;  /* on_close was taken */
    uint16_t code;  /* for on_close */
    uint16_t deadline_code;
    unsigned ping_ms;
    char *deadline_reason;
    struct ws_hub *hub;
    struct conn *next_report; /* in hub->reports */
    uv_stream_t *stream;      /* NULL once closed */
    struct ws_parser parser;
    struct buf unread; /* read before the pause; parsed up to unread_at */
    size_t unread_at;
    size_t queued;
    size_t queue_max;
    struct seats seats;
    uint64_t stamp; /* of the latest stamped message */
    char *data;     /* ws_set_data */
    size_t data_len;
};

struct ws_hub {
    uv_loop_t *loop;
    struct hash conns; /* by id, until freed */
    struct hash rooms; /* by name */
    struct conn *all;
    size_t open;
    uint64_t last_id;
    uint64_t dropped;
    struct conn *reports; /* their on_close is due */
    ws_message_cb on_message;
    ws_close_cb on_close;
    void *arg;
    ws_drained_cb drained;
    void *drained_arg;
    bool draining;
    bool freeing;
    unsigned handles; /* timers not closed yet */
    uv_timer_t tick;  /* runs while there are connections */
    uv_timer_t report;
    struct frame *ping, *comment; /* what keeps a WebSocket, a stream of events alive */
    struct ws_deflate *streams;
    char *buffer; /* READ_BYTES, for whoever reads just now */
};

/* ---- Frames and queues ---- */

static struct frame *frame_new(unsigned opcode, const char *data, size_t len)
{
    char header[WS_HEADER_MAX];
    size_t header_len = ws_frame_header(header, opcode, len);
    struct frame *frame = mem_resize(NULL, sizeof(*frame) + header_len + len);
    frame->refs = 1;
    frame->len = header_len + len;
    memcpy(frame->bytes, header, header_len);
    if (len)
        memcpy(frame->bytes + header_len, data, len);
    return frame;
}

static struct frame *frame_of_bytes(const char *data, size_t len)
{
    struct frame *frame = mem_resize(NULL, sizeof(*frame) + len);
    frame->refs = 1;
    frame->len = len;
    memcpy(frame->bytes, data, len);
    return frame;
}

static void frame_unref(struct frame *frame)
{
    if (--frame->refs == 0)
        free(frame);
}

static struct frame *event_frame(const struct ws_text *text)
{
    struct buf event = {0};
    sse_event(&event, text->mark, text->mark_len, text->text, text->len);
    struct frame *frame = frame_of_bytes(event.data, event.len);
    buf_free(&event);
    return frame;
}

/* NULL when the text is not worth compressing. */
static struct frame *deflated_frame(struct ws_deflate *streams, unsigned bits,
                                    const struct ws_text *text)
{
    struct buf packed = {0};
    struct frame *frame = NULL;
    if (ws_deflate(streams, bits, text->text, text->len, &packed))
        frame = frame_new(WS_TEXT | WS_COMPRESSED, packed.data, packed.len);
    buf_free(&packed);
    return frame;
}

/* The frame that a client takes; `out` keeps it. */
static struct frame *frame_for(struct ws_deflate *streams, unsigned form,
                               struct outgoing *out)
{
    struct frame **frame = &out->frames[form];
    if (*frame)
        return *frame;
    if (!form) {
        *frame = frame_new(WS_TEXT, out->text->text, out->text->len);
    } else if (form == FORM_EVENT) {
        *frame = event_frame(out->text);
    } else if (!(*frame = deflated_frame(streams, form, out->text))) {
        *frame = frame_for(streams, 0, out);
        (*frame)->refs++;
    }
    return *frame;
}

static void outgoing_deinit(struct outgoing *out)
{
    for (unsigned form = 0; form < FORMS; form++)
        if (out->frames[form])
            frame_unref(out->frames[form]);
}

static void drop(struct conn *conn, unsigned code);
static void finish(struct conn *conn);
static void close_conn(struct conn *conn, unsigned code, const char *reason);

static bool is_events(const struct conn *conn)
{
    return conn->form == FORM_EVENT;
}

static void on_written(uv_write_t *req, int status)
{
    struct write *write = req->data;
    struct conn *conn = write->conn;
    conn->queued -= write->cost;
    frame_unref(write->frame);
    free(write);
    if (status < 0)
        drop(conn, WS_CODE_ABNORMAL);
}

static void enqueue(struct conn *conn, struct frame *frame, size_t sent)
{
    struct write *write = mem_new(sizeof(*write));
    write->req.data = write;
    write->conn = conn;
    write->frame = frame;
    write->cost = frame->len - sent + sizeof(*write);
    uv_buf_t buf = uv_buf_init(frame->bytes + sent, (unsigned)(frame->len - sent));
    if (uv_write(&write->req, conn->stream, &buf, 1, on_written) < 0) {
        free(write);
        drop(conn, WS_CODE_ABNORMAL);
        return;
    }
    frame->refs++;
    conn->queued += write->cost;
}

/* At once when nothing waits and the socket takes it, else by the queue. A reader that
 * had kept up gets any one frame: the limit is for what gathers behind it. */
static void send_frame(struct conn *conn, struct frame *frame)
{
    size_t sent = 0;
    if (!conn->queued) {
        uv_buf_t buf = uv_buf_init(frame->bytes, (unsigned)frame->len);
        int n = uv_try_write(conn->stream, &buf, 1);
        if (n < 0 && n != UV_EAGAIN) {
            drop(conn, WS_CODE_ABNORMAL);
            return;
        }
        sent = n > 0 ? (size_t)n : 0;
        if (sent == frame->len)
            return;
    } else if (conn->state == OPEN &&
               conn->queued + frame->len + sizeof(struct write) > conn->queue_max) {
        conn->hub->dropped++;
        close_conn(conn, WS_CODE_SLOW, "too slow");
        return;
    }
    enqueue(conn, frame, sent);
}

static void send_new(struct conn *conn, enum ws_opcode opcode, const char *data,
                     size_t len)
{
    struct frame *frame = frame_new(opcode, data, len);
    send_frame(conn, frame);
    frame_unref(frame);
}

/* A stream of events has no word for it: it just ends. */
static void send_close(struct conn *conn, unsigned code, const char *reason)
{
    char payload[WS_CONTROL_MAX];
    if (is_events(conn))
        finish(conn);
    else
        send_new(conn, WS_CLOSE, payload, ws_close_payload(payload, code, reason));
}

/* ---- The end of a connection ---- */

static void on_timer_closed(uv_handle_t *handle)
{
    struct ws_hub *hub = handle->data;
    if (--hub->handles)
        return;
    hash_free(&hub->conns);
    hash_free(&hub->rooms);
    frame_unref(hub->ping);
    frame_unref(hub->comment);
    ws_deflate_free(hub->streams);
    free(hub->buffer);
    free(hub);
}

static void on_drained(uv_timer_t *timer)
{
    struct ws_hub *hub = timer->data;
    ws_drained_cb done = hub->drained;
    hub->drained = NULL;
    if (done)
        done(hub->drained_arg);
}

/* No connection is left. */
static void on_empty(struct ws_hub *hub)
{
    uv_timer_stop(&hub->tick);
    if (hub->freeing) {
        uv_close((uv_handle_t *)&hub->tick, on_timer_closed);
        uv_close((uv_handle_t *)&hub->report, on_timer_closed);
    } else if (hub->drained) {
        uv_timer_start(&hub->report, on_drained, 0, 0);
    }
}

/* Frees it if both the stream and the application are done with it. */
static void forget(struct conn *conn)
{
    struct ws_hub *hub = conn->hub;
    if (conn->stream || !(conn->reported || hub->freeing))
        return;
    *conn->link = conn->next;
    if (conn->next)
        conn->next->link = conn->link;
    hash_del(&hub->conns, &conn->node);
    ws_parser_deinit(&conn->parser);
    buf_free(&conn->unread);
    free(conn->data);
    free(conn);
    if (!hub->all)
        on_empty(hub);
}

static void on_report(uv_timer_t *timer)
{
    struct ws_hub *hub = timer->data;
    struct conn *conn = hub->reports;
    hub->reports = NULL;
    for (struct conn *next; conn; conn = next) {
        next = conn->next_report;
        conn->reporting = false;
        conn->reported = hub->on_close && hub->on_close(hub->arg, conn->id, conn->code,
                                                        conn->data, conn->data_len);
        forget(conn); /* if it was not taken the next tick asks again */
    }
}

/* on_close is due as soon as no message is under way. */
static void report(struct conn *conn)
{
    struct ws_hub *hub = conn->hub;
    if (conn->state == OPEN || conn->busy || conn->reporting || conn->reported ||
        hub->freeing)
        return;
    conn->reporting = true;
    conn->next_report = hub->reports;
    hub->reports = conn;
    uv_timer_start(&hub->report, on_report, 0, 0);
}

static void leave_open(struct conn *conn, unsigned code)
{
    conn->state = CLOSING;
    conn->code = (uint16_t)code;
    conn->deadline_at = uv_now(conn->hub->loop) + CLOSE_WAIT_MS;
    free(conn->deadline_reason);
    conn->deadline_reason = NULL;
    conn->hub->open--;
    room_leave_all(&conn->hub->rooms, &conn->seats);
    if (conn->untaken) /* nobody has it: it is not worth waiting for */
        conn->untaken = conn->busy = false;
    report(conn);
}

static void on_stream_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    free(conn->stream);
    conn->stream = NULL;
    forget(conn);
}

/* Closes the stream; what is queued is lost. `code` counts if nothing was said before. */
static void drop(struct conn *conn, unsigned code)
{
    if (conn->state == GONE)
        return;
    if (conn->state == OPEN)
        leave_open(conn, code);
    conn->state = GONE;
    uv_close((uv_handle_t *)conn->stream, on_stream_closed);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)status;
    struct conn *conn = req->data;
    free(req);
    if (!conn->parser.failed)
        drop(conn, conn->code);
}

/* Ends our side behind what is queued. After the peer's close frame the stream can be
 * closed then; but to a peer that broke the protocol and is still sending, closing would
 * be a reset that takes our close frame with it: there the end of its side, or patience,
 * is awaited. */
static void finish(struct conn *conn)
{
    if (conn->state == GONE || conn->finished)
        return;
    conn->finished = true;
    uv_shutdown_t *req = mem_new(sizeof(*req));
    req->data = conn;
    if (uv_shutdown(req, conn->stream, on_shutdown) < 0) {
        free(req);
        drop(conn, conn->code);
    }
}

/* ---- What comes in ---- */

static bool is_paused(const struct conn *conn)
{
    return conn->state == OPEN && conn->busy;
}

static void deliver(struct conn *conn, const char *data, size_t len, bool binary)
{
    struct ws_hub *hub = conn->hub;
    conn->busy = true;
    conn->untaken = false;
    bool taken =
        hub->on_message && hub->on_message(hub->arg, conn->id, data, len, binary);
    if (taken || conn->state != OPEN) {
        ws_parser_release(&conn->parser);
        if (!taken)
            conn->busy = false;
    } else {
        conn->untaken = true;
        conn->binary = binary;
    }
}

static void on_peer_closed(struct conn *conn, unsigned code)
{
    if (conn->state == OPEN) {
        leave_open(conn, code);
        send_close(conn, code, NULL);
    }
    finish(conn);
}

static void on_broken(struct conn *conn, const struct ws_event *event)
{
    if (conn->state == OPEN) {
        leave_open(conn, event->code);
        send_close(conn, event->code, event->data);
    }
    finish(conn);
}

static void on_event(struct conn *conn, const struct ws_event *event)
{
    switch (event->type) {
    case WS_EVENT_MESSAGE:
        if (conn->state == OPEN)
            deliver(conn, event->data, event->len, event->binary);
        break;
    case WS_EVENT_PING:
        if (conn->state == OPEN)
            send_new(conn, WS_PONG, event->data, event->len);
        break;
    case WS_EVENT_CLOSE:
        on_peer_closed(conn, event->code);
        break;
    case WS_EVENT_ERROR:
        on_broken(conn, event);
        break;
    default:
        break;
    }
}

/* Parses until a message is in the application's hands; returns how far it came. */
static size_t feed(struct conn *conn, const char *data, size_t len)
{
    size_t used = 0;
    if (is_events(conn))
        return len;
    conn->feeding = true;
    while (used < len && !is_paused(conn) && !conn->finished && conn->state != GONE) {
        struct ws_event event;
        used += ws_parser_feed(&conn->parser, data + used, len - used, &event);
        on_event(conn, &event);
    }
    conn->feeding = false;
    if (!conn->untaken)
        ws_parser_release(&conn->parser);
    return is_paused(conn) ? used : len;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct conn *conn = handle->data;
    *buf = uv_buf_init(conn->hub->buffer, READ_BYTES);
}

static void set_reading(struct conn *conn);

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct conn *conn = stream->data;
    if (nread < 0) {
        drop(conn, WS_CODE_ABNORMAL);
        return;
    }
    if (nread == 0)
        return;
    conn->alive = true;
    size_t used = feed(conn, buf->base, (size_t)nread);
    buf_append(&conn->unread, buf->base + used, (size_t)nread - used);
    set_reading(conn);
}

static void set_reading(struct conn *conn)
{
    bool wanted = conn->state != GONE && !is_paused(conn);
    if (wanted == conn->reading)
        return;
    conn->reading = wanted;
    if (!wanted)
        uv_read_stop(conn->stream);
    else if (uv_read_start(conn->stream, on_alloc, on_read) < 0)
        drop(conn, WS_CODE_ABNORMAL);
}

/* Goes on after a pause: first with what was read before it. */
static void resume(struct conn *conn)
{
    if (conn->feeding || conn->state == GONE)
        return;
    struct buf *unread = &conn->unread;
    if (unread->len)
        conn->unread_at +=
            feed(conn, unread->data + conn->unread_at, unread->len - conn->unread_at);
    if (conn->unread_at == unread->len) {
        buf_free(unread);
        conn->unread_at = 0;
    }
    set_reading(conn);
}

static void close_conn(struct conn *conn, unsigned code, const char *reason)
{
    if (conn->state != OPEN)
        return;
    leave_open(conn, code);
    send_close(conn, code, reason);
    resume(conn); /* a pause is over: now the peer's close frame is looked for */
}

/* ---- Time ---- */

/* Offers the message again that was not taken. */
static void retry(struct conn *conn)
{
    const struct buf *message = &conn->parser.message;
    conn->feeding = true;
    deliver(conn, message->len ? message->data : "", message->len, conn->binary);
    conn->feeding = false;
    resume(conn);
}

static void pass_deadline(struct conn *conn)
{
    char *reason = conn->deadline_reason;
    conn->deadline_reason = NULL;
    close_conn(conn, conn->deadline_code, reason);
    free(reason);
}

static void ping(struct conn *conn, uint64_t now)
{
    if (!conn->alive && !is_paused(conn) && !is_events(conn)) {
        drop(conn, WS_CODE_ABNORMAL);
        return;
    }
    conn->alive = is_paused(conn); /* then nothing can be heard from it */
    conn->ping_at = now + conn->ping_ms;
    send_frame(conn, is_events(conn) ? conn->hub->comment : conn->hub->ping);
}

static void on_tick(uv_timer_t *timer)
{
    struct ws_hub *hub = timer->data;
    uint64_t now = uv_now(hub->loop);
    for (struct conn *conn = hub->all; conn; conn = conn->next) {
        if (conn->state != OPEN) {
            report(conn);
            if (now >= conn->deadline_at)
                drop(conn, conn->code);
            continue;
        }
        if (conn->deadline_at && now >= conn->deadline_at)
            pass_deadline(conn);
        else if (conn->untaken)
            retry(conn);
        else if (now >= conn->ping_at)
            ping(conn, now);
    }
}

/* ---- The hub ---- */

static struct conn *find_any(const struct ws_hub *hub, uint64_t id)
{
    return (struct conn *)hash_first(&hub->conns,
                                     hash_number(id)); /* node is the first member */
}

static struct conn *conn_of(const struct member *member)
{
    return (struct conn *)((char *)member->seats - offsetof(struct conn, seats));
}

static struct conn *find_open(const struct ws_hub *hub, uint64_t id, struct err *err)
{
    struct conn *conn = find_any(hub, id);
    if (conn && conn->state == OPEN)
        return conn;
    err_set(err, ERR_CLOSED, "the connection is closed");
    return NULL;
}

struct ws_hub *ws_hub_new(struct host *host)
{
    struct ws_hub *hub = mem_new(sizeof(*hub));
    hub->loop = host->loop;
    hub->ping = frame_new(WS_PING, NULL, 0);
    hub->comment = frame_of_bytes(SSE_COMMENT, strlen(SSE_COMMENT));
    hub->streams = ws_deflate_new();
    hub->buffer = mem_new(READ_BYTES);
    hub->handles = 2;
    uv_timer_init(hub->loop, &hub->tick);
    uv_timer_init(hub->loop, &hub->report);
    hub->tick.data = hub->report.data = hub;
    return hub;
}

void ws_hub_on(struct ws_hub *hub, ws_message_cb on_message, ws_close_cb on_close,
               void *arg)
{
    hub->on_message = on_message;
    hub->on_close = on_close;
    hub->arg = arg;
}

void ws_hub_drain(struct ws_hub *hub, ws_drained_cb done, void *arg)
{
    hub->draining = true;
    hub->drained = done;
    hub->drained_arg = arg;
    for (struct conn *conn = hub->all; conn; conn = conn->next)
        close_conn(conn, WS_CODE_GOING_AWAY, "going away");
    if (!hub->all)
        on_empty(hub);
}

void ws_hub_free(struct ws_hub *hub)
{
    if (!hub)
        return;
    hub->freeing = true;
    hub->reports = NULL;
    hub->drained = NULL;
    if (!hub->all)
        on_empty(hub);
    for (struct conn *conn = hub->all, *next; conn; conn = next) {
        next = conn->next;
        drop(conn, WS_CODE_ABNORMAL);
        forget(conn);
    }
}

struct ws_stats ws_hub_stats(const struct ws_hub *hub)
{
    return (struct ws_stats){hub->open, hub->rooms.count, hub->dropped};
}

uint64_t ws_adopt(struct ws_hub *hub, uv_stream_t *stream,
                  const struct ws_options *options, const char *head, size_t head_len,
                  const char *rest, size_t rest_len)
{
    struct conn *conn = mem_new(sizeof(*conn));
    conn->id = ++hub->last_id;
    conn->node.hash = hash_number(conn->id);
    hash_add(&hub->conns, &conn->node);
    conn->next = hub->all;
    if (conn->next)
        conn->next->link = &conn->next;
    conn->link = &hub->all;
    hub->all = conn;
    hub->open++;
    conn->hub = hub;
    conn->stream = stream;
    stream->data = conn;
    ws_parser_init(&conn->parser, options->max_message);
    conn->parser.streams = options->deflate_bits ? hub->streams : NULL;
    conn->form = (uint8_t)(options->events ? FORM_EVENT : options->deflate_bits);
    conn->queue_max = options->queue_max;
    conn->ping_ms = options->ping_ms;
    conn->ping_at = uv_now(hub->loop) + options->ping_ms;
    conn->alive = true;
    conn->busy = true;
    buf_append(&conn->unread, rest, rest_len);
    struct frame *frame = frame_of_bytes(head, head_len);
    send_frame(conn, frame);
    frame_unref(frame);
    if (!uv_is_active((uv_handle_t *)&hub->tick))
        uv_timer_start(&hub->tick, on_tick, TICK_MS, TICK_MS);
    if (hub->draining)
        close_conn(conn, WS_CODE_GOING_AWAY, "going away");
    return conn->id;
}

void ws_message_done(struct ws_hub *hub, uint64_t id)
{
    struct conn *conn = find_any(hub, id);
    if (!conn || !conn->busy)
        return;
    conn->busy = false;
    report(conn);
    resume(conn);
}

int ws_send(struct ws_hub *hub, uint64_t id, const struct ws_text *text, struct err *err)
{
    struct conn *conn = find_open(hub, id, err);
    if (!conn)
        return -1;
    struct outgoing out = {.text = text};
    send_frame(conn, frame_for(hub->streams, conn->form, &out));
    outgoing_deinit(&out);
    return 0;
}

size_t ws_publish(struct ws_hub *hub, const char *room_name, size_t room_len,
                  const struct ws_text *text, uint64_t stamp)
{
    struct room *room = room_find(&hub->rooms, room_name, room_len);
    if (!room)
        return 0;
    struct outgoing out = {.text = text};
    size_t receivers = 0;
    for (size_t i = room->count; i-- > 0;) { /* from the end: see room_leave */
        struct conn *conn = conn_of(&room->members[i]);
        if (stamp && conn->stamp == stamp)
            continue;
        if (stamp)
            conn->stamp = stamp;
        send_frame(conn, frame_for(hub->streams, conn->form, &out));
        receivers++;
    }
    outgoing_deinit(&out);
    return receivers;
}

static int check_code(unsigned code, struct err *err)
{
    return ws_close_code_valid(code) ? 0
                                     : err_set(err, ERR_INVALID, "close code %u", code);
}

int ws_close(struct ws_hub *hub, uint64_t id, unsigned code, const char *reason,
             struct err *err)
{
    struct conn *conn = find_open(hub, id, err);
    if (!conn || check_code(code, err) < 0)
        return -1;
    close_conn(conn, code, reason);
    return 0;
}

size_t ws_close_room(struct ws_hub *hub, const char *name, size_t name_len, unsigned code,
                     const char *reason)
{
    struct room *room = room_find(&hub->rooms, name, name_len);
    size_t count = room && ws_close_code_valid(code) ? room->count : 0;
    for (size_t i = count; i-- > 0;)
        close_conn(conn_of(&room->members[i]), code, reason);
    return count;
}

int ws_join(struct ws_hub *hub, uint64_t id, const char *name, size_t len,
            struct err *err)
{
    struct conn *conn = find_open(hub, id, err);
    if (!conn)
        return -1;
    if (room_has(room_find(&hub->rooms, name, len), &conn->seats))
        return 0;
    if (conn->seats.count >= WS_ROOMS_MAX)
        return err_set(err, ERR_TOO_LARGE, "in %u rooms already", conn->seats.count);
    room_join(&hub->rooms, name, len, &conn->seats);
    return 0;
}

int ws_leave(struct ws_hub *hub, uint64_t id, const char *name, size_t len,
             struct err *err)
{
    struct conn *conn = find_open(hub, id, err);
    if (!conn)
        return -1;
    struct room *room = room_find(&hub->rooms, name, len);
    if (room_has(room, &conn->seats))
        room_leave(&hub->rooms, room, &conn->seats);
    return 0;
}

bool ws_in_room(struct ws_hub *hub, uint64_t id, const char *name, size_t len)
{
    struct conn *conn = find_open(hub, id, NULL);
    return conn && room_has(room_find(&hub->rooms, name, len), &conn->seats);
}

const char *ws_room_at(struct ws_hub *hub, uint64_t id, size_t index, size_t *len)
{
    struct conn *conn = find_open(hub, id, NULL);
    if (!conn || index >= conn->seats.count)
        return NULL;
    *len = conn->seats.list[index].room->len;
    return conn->seats.list[index].room->name;
}

int ws_set_data(struct ws_hub *hub, uint64_t id, const char *data, size_t len,
                struct err *err)
{
    struct conn *conn = find_open(hub, id, err);
    if (!conn)
        return -1;
    char *copy = data ? mem_copy(data, len) : NULL; /* before: it may be the old data */
    free(conn->data);
    conn->data = copy;
    conn->data_len = len;
    return 0;
}

const char *ws_data(struct ws_hub *hub, uint64_t id, size_t *len)
{
    struct conn *conn = find_any(hub, id);
    if (!conn || !conn->data)
        return NULL;
    *len = conn->data_len;
    return conn->data;
}

int ws_deadline(struct ws_hub *hub, uint64_t id, unsigned ms, unsigned code,
                const char *reason, struct err *err)
{
    struct conn *conn = find_open(hub, id, err);
    if (!conn || (ms && check_code(code, err) < 0))
        return -1;
    free(conn->deadline_reason);
    conn->deadline_reason = ms && reason ? mem_strdup(reason) : NULL;
    conn->deadline_code = (uint16_t)code;
    conn->deadline_at = ms ? uv_now(conn->hub->loop) + ms : 0;
    return 0;
}
