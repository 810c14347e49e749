/* A room has an array of its members, a connection an array of its seats, and each entry
 * knows its place in the other: leaving moves the last one into the gap on both sides.
 * Whether a connection is in a room is looked up among its seats, of which there are few.
 */
#include "ws_room.h"
#include "mem.h"
#include <stdlib.h>
#include <string.h>

static struct room *add_room(struct hash *rooms, const char *name, size_t len)
{
    struct room *room = mem_new(sizeof(*room) + len + 1);
    room->node.hash = hash_bytes(name, len);
    room->len = len;
    memcpy(room->name, name, len);
    hash_add(rooms, &room->node);
    return room;
}

/* seats->count when it is not there. */
static unsigned find_seat(const struct seats *seats, const struct room *room)
{
    unsigned i = 0;
    while (i < seats->count && seats->list[i].room != room)
        i++;
    return i;
}

static void leave_seat(struct hash *rooms, struct seats *seats, unsigned index)
{
    struct room *room = seats->list[index].room;
    size_t place = seats->list[index].at;
    struct member last = room->members[--room->count];
    room->members[place] = last;
    last.seats->list[last.at].at = place;
    struct seat moved = seats->list[--seats->count];
    seats->list[index] = moved;
    if (index < seats->count)
        moved.room->members[moved.at].at = index;
    if (!room->count) {
        hash_del(rooms, &room->node);
        free(room->members);
        free(room);
    }
}

struct room *room_find(const struct hash *rooms, const char *name, size_t len)
{
    struct hash_node *node = hash_first(rooms, hash_bytes(name, len));
    for (; node; node = hash_next(node)) {
        struct room *room = (struct room *)node; /* the node is its first member */
        if (room->len == len && memcmp(room->name, name, len) == 0)
            return room;
    }
    return NULL;
}

bool room_has(const struct room *room, const struct seats *seats)
{
    return room && find_seat(seats, room) < seats->count;
}

void room_join(struct hash *rooms, const char *name, size_t len, struct seats *seats)
{
    struct room *room = room_find(rooms, name, len);
    if (!room)
        room = add_room(rooms, name, len);
    if (room->count == room->cap) {
        room->cap = room->cap ? room->cap * 2 : 2;
        room->members = mem_resize(room->members, room->cap * sizeof(*room->members));
    }
    if (seats->count == seats->cap) {
        seats->cap = seats->cap ? seats->cap * 2 : 2;
        seats->list = mem_resize(seats->list, seats->cap * sizeof(*seats->list));
    }
    room->members[room->count] = (struct member){seats, seats->count};
    seats->list[seats->count++] = (struct seat){room, room->count++};
}

void room_leave(struct hash *rooms, struct room *room, struct seats *seats)
{
    leave_seat(rooms, seats, find_seat(seats, room));
}

void room_leave_all(struct hash *rooms, struct seats *seats)
{
    while (seats->count)
        leave_seat(rooms, seats, seats->count - 1);
    free(seats->list);
    *seats = (struct seats){0};
}
