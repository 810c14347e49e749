/* db_shape.h - rows of a result as JSON objects, written straight from the cells.
 *
 * A shape says which column becomes which key, in which order; the same rows always give the same
 * text. A cell that is NULL leaves its key out. It is built by
 * db_shape_field, _open and _close, then used for any number of results whose columns have the
 * names it asks for. */
#pragma once
#include "db_conn.h"
#include "err.h"
#include <stdbool.h>
#include <stddef.h>

struct buf;
struct db_shape;

enum db_field {
    DB_FIELD_VALUE,   /* text, number or boolean, as the column has it */
    DB_FIELD_JSON,    /* a column that holds JSON: embedded as it is */
    DB_FIELD_IS_NULL, /* true or false */
};

/* What a field may have besides; all of it is copied. */
struct db_field_options {
    enum db_field kind;
    const char *before, *after; /* put around a text; NULL: nothing */
    /* With `only` the key is left out unless the text of that column begins with `begins`. */
    const char *only, *begins;
};

/* Reference counted: new gives one, the last db_shape_unref frees it. */
struct db_shape *db_shape_new(void);
struct db_shape *db_shape_ref(struct db_shape *shape);
void db_shape_unref(struct db_shape *shape);

void db_shape_field(struct db_shape *shape, const char *key, const char *column,
                    const struct db_field_options *options);
/* The fields up to the matching close are an object of their own. */
void db_shape_open(struct db_shape *shape, const char *key);
void db_shape_close(struct db_shape *shape);

/* Objects are written without their last brace: the caller adds further fields, and closes them. */
void db_shape_leave_open(struct db_shape *shape);

/* For results whose rows tell of one thing and of many: the object comes from the first row, and
 * each row that has a value in the column `when` is an object of the shape `lines` besides. Takes
 * a reference to `lines`. */
void db_shape_set_lines(struct db_shape *shape, struct db_shape *lines, const char *when);
bool db_shape_has_lines(const struct db_shape *shape);
/* Appends the row's line to the comma-separated ones in `out`, if it has one. */
void db_shape_write_line(const struct db_shape *shape, const struct db_value *cells,
                         struct buf *out);

/* A column whose cell the caller wants to see as well, by number from 0. */
void db_shape_keep(struct db_shape *shape, const char *column);
unsigned db_shape_kept(const struct db_shape *shape);

/* Looks the columns of the connection's result up. -1 DB_SQL: one is not there. */
int db_shape_bind(struct db_shape *shape, const struct db_conn *conn, struct err *err);

/* Appends the object of a row. */
void db_shape_write(const struct db_shape *shape, const struct db_value *cells,
                    struct buf *out);

/* How many fields there are, not counting objects; and an object of as many values in their order,
 * wherever those are from: nothing need be bound, and `only` is the caller's to look at. */
unsigned db_shape_fields(const struct db_shape *shape);
void db_shape_write_values(const struct db_shape *shape, const struct db_value *values,
                           struct buf *out);

/* The kept cell of a row, and its column's name. */
const struct db_value *db_shape_kept_at(const struct db_shape *shape,
                                        const struct db_value *cells, unsigned index,
                                        const char **name);
