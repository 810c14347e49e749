/* What is done with a connection by its id, or with a room by its name. */
#include "ws.h"
#include "mem.h"
#include "ws_conn.h"
#include <stdlib.h>
#include <string.h>

static struct ws_conn *find_any(const struct ws_hub *hub, uint64_t id)
{
    return (struct ws_conn *)hash_first(&hub->conns,
                                        hash_number(id)); /* node is the first member */
}

static struct ws_conn *conn_of(const struct member *member)
{
    return (struct ws_conn *)((char *)member->seats - offsetof(struct ws_conn, seats));
}

static struct ws_conn *find_open(const struct ws_hub *hub, uint64_t id, struct err *err)
{
    struct ws_conn *conn = find_any(hub, id);
    if (conn && conn->state == WS_OPEN)
        return conn;
    err_set(err, ERR_CLOSED, "the connection is closed");
    return NULL;
}

void ws_message_done(struct ws_hub *hub, uint64_t id)
{
    struct ws_conn *conn = find_any(hub, id);
    if (!conn || !conn->busy)
        return;
    conn->busy = false;
    ws_conn_report(conn);
    ws_conn_resume(conn);
}

int ws_send(struct ws_hub *hub, uint64_t id, const struct ws_text *text, struct err *err)
{
    struct ws_conn *conn = find_open(hub, id, err);
    if (!conn)
        return -1;
    struct ws_outgoing out = {.text = text};
    ws_conn_send(conn, ws_outgoing_packet(hub->streams, conn->form, &out));
    ws_outgoing_deinit(&out);
    return 0;
}

size_t ws_publish(struct ws_hub *hub, const char *room_name, size_t room_len,
                  const struct ws_text *text, uint64_t stamp)
{
    struct room *room = room_find(&hub->rooms, room_name, room_len);
    if (!room)
        return 0;
    struct ws_outgoing out = {.text = text};
    size_t receivers = 0;
    for (size_t i = room->count; i-- > 0;) { /* from the end: see room_leave */
        struct ws_conn *conn = conn_of(&room->members[i]);
        if (stamp && conn->stamp == stamp)
            continue;
        if (stamp)
            conn->stamp = stamp;
        ws_conn_send(conn, ws_outgoing_packet(hub->streams, conn->form, &out));
        receivers++;
    }
    ws_outgoing_deinit(&out);
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
    struct ws_conn *conn = find_open(hub, id, err);
    if (!conn || check_code(code, err) < 0)
        return -1;
    ws_conn_close(conn, code, reason);
    return 0;
}

size_t ws_close_room(struct ws_hub *hub, const char *name, size_t name_len, unsigned code,
                     const char *reason)
{
    struct room *room = room_find(&hub->rooms, name, name_len);
    size_t count = room && ws_close_code_valid(code) ? room->count : 0;
    for (size_t i = count; i-- > 0;)
        ws_conn_close(conn_of(&room->members[i]), code, reason);
    return count;
}

int ws_join(struct ws_hub *hub, uint64_t id, const char *name, size_t len,
            struct err *err)
{
    struct ws_conn *conn = find_open(hub, id, err);
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
    struct ws_conn *conn = find_open(hub, id, err);
    if (!conn)
        return -1;
    struct room *room = room_find(&hub->rooms, name, len);
    if (room_has(room, &conn->seats))
        room_leave(&hub->rooms, room, &conn->seats);
    return 0;
}

bool ws_in_room(struct ws_hub *hub, uint64_t id, const char *name, size_t len)
{
    struct ws_conn *conn = find_open(hub, id, NULL);
    return conn && room_has(room_find(&hub->rooms, name, len), &conn->seats);
}

const char *ws_room_at(struct ws_hub *hub, uint64_t id, size_t index, size_t *len)
{
    struct ws_conn *conn = find_open(hub, id, NULL);
    if (!conn || index >= conn->seats.count)
        return NULL;
    *len = conn->seats.list[index].room->len;
    return conn->seats.list[index].room->name;
}

uint64_t ws_member_at(struct ws_hub *hub, const char *name, size_t len, size_t index)
{
    struct room *room = room_find(&hub->rooms, name, len);
    return room && index < room->count ? conn_of(&room->members[index])->id : 0;
}

int ws_set_data(struct ws_hub *hub, uint64_t id, const char *data, size_t len,
                struct err *err)
{
    struct ws_conn *conn = find_open(hub, id, err);
    if (!conn)
        return -1;
    char *copy = data ? mem_copy(data, len) : NULL; /* before: it may be the old data */
    free(conn->data);
    conn->data = copy;
    conn->data_len = len;
    return 0;
}

size_t ws_queued(const struct ws_hub *hub, uint64_t id)
{
    const struct ws_conn *conn = find_open(hub, id, NULL);
    return conn ? conn->queued : 0;
}

const char *ws_data(struct ws_hub *hub, uint64_t id, size_t *len)
{
    struct ws_conn *conn = find_any(hub, id);
    if (!conn || !conn->data)
        return NULL;
    *len = conn->data_len;
    return conn->data;
}

int ws_deadline(struct ws_hub *hub, uint64_t id, unsigned ms, unsigned code,
                const char *reason, struct err *err)
{
    struct ws_conn *conn = find_open(hub, id, err);
    if (!conn || (ms && check_code(code, err) < 0))
        return -1;
    free(conn->deadline_reason);
    conn->deadline_reason = ms && reason ? mem_strdup(reason) : NULL;
    conn->deadline_code = (uint16_t)code;
    conn->deadline_at = ms ? uv_now(conn->hub->loop) + ms : 0;
    return 0;
}
