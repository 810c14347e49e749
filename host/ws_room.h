/* ws_room.h - who is in which room of the hub. Knows connections only by the seats they
 * embed; joining and leaving do not depend on how many are in the room. */
#pragma once
#include "hash.h"
#include <stdbool.h>
#include <stddef.h>

struct room;

struct seat { /* one room of a connection */
    struct room *room;
    size_t at; /* in room->members */
};

/* The rooms of one connection, embedded in it; all zero is none. Does not move in memory.
 */
struct seats {
    struct seat *list;
    unsigned count, cap;
};

struct member { /* one connection of a room */
    struct seats *seats;
    size_t at; /* in seats->list */
};

/* Exists while it has members. */
struct room {
    struct hash_node node; /* in the table of rooms, by name */
    struct member *members;
    size_t count, cap;
    size_t len;
    char name[]; /* ends in a NUL */
};

/* NULL when nobody is in it. */
struct room *room_find(const struct hash *rooms, const char *name, size_t len);

bool room_has(const struct room *room, const struct seats *seats);

/* Makes the room if need be; `seats` must not be in it. */
void room_join(struct hash *rooms, const char *name, size_t len, struct seats *seats);

/* Leaves the room, which must be in `seats`, and frees it when nobody is left. Of the
 * other members only the last changes its place: a loop over members from the end may
 * remove the one it looks at. */
void room_leave(struct hash *rooms, struct room *room, struct seats *seats);

/* Leaves all and frees the list. */
void room_leave_all(struct hash *rooms, struct seats *seats);
