/* A shape is a list of steps with their keys quoted once. Columns are found by name; where one was
 * found the last time is looked at first, so that binding costs one comparison a column. */
#include "db_shape.h"
#include "buf.h"
#include "json.h"
#include "mem.h"
#include <stdlib.h>
#include <string.h>

enum step_kind { STEP_FIELD, STEP_OPEN, STEP_CLOSE };

struct column {
    char *name;
    size_t len;
    unsigned index; /* in the result that was bound last */
};

struct step {
    enum step_kind kind;
    enum db_field field;
    struct column column;
    struct buf key; /* "key": with its quotes and the colon */
    char *before, *after;
    struct column only; /* without a name: always */
    char *begins;
};

struct db_shape {
    unsigned refs;
    unsigned count, kept_count;
    bool stays_open;
    struct step *steps;
    struct column *kept;
    struct db_shape *lines; /* or NULL */
    struct column when;
};

struct db_shape *db_shape_new(void)
{
    struct db_shape *shape = mem_new(sizeof(*shape));
    shape->refs = 1;
    return shape;
}

struct db_shape *db_shape_ref(struct db_shape *shape)
{
    shape->refs++;
    return shape;
}

void db_shape_unref(struct db_shape *shape)
{
    if (!shape || --shape->refs)
        return;
    for (unsigned i = 0; i < shape->count; i++) {
        struct step *step = &shape->steps[i];
        free(step->column.name);
        free(step->before);
        free(step->after);
        free(step->only.name);
        free(step->begins);
        buf_free(&step->key);
    }
    for (unsigned i = 0; i < shape->kept_count; i++)
        free(shape->kept[i].name);
    free(shape->steps);
    free(shape->kept);
    free(shape->when.name);
    db_shape_unref(shape->lines);
    free(shape);
}

static struct step *add(struct db_shape *shape, enum step_kind kind, const char *key)
{
    shape->steps = mem_resize(shape->steps, (shape->count + 1) * sizeof(*shape->steps));
    struct step *step = &shape->steps[shape->count++];
    *step = (struct step){.kind = kind};
    if (key) {
        buf_json_string(&step->key, key, strlen(key));
        buf_putc(&step->key, ':');
    }
    return step;
}

static struct column column_of(const char *name)
{
    return (struct column){.name = mem_strdup(name), .len = strlen(name)};
}

static char *copy(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

void db_shape_field(struct db_shape *shape, const char *key, const char *column,
                    const struct db_field_options *options)
{
    struct step *step = add(shape, STEP_FIELD, key);
    step->column = column_of(column);
    step->field = options->kind;
    step->before = copy(options->before);
    step->after = copy(options->after);
    if (options->only)
        step->only = column_of(options->only);
    step->begins = copy(options->begins ? options->begins : "");
}

void db_shape_open(struct db_shape *shape, const char *key)
{
    add(shape, STEP_OPEN, key);
}

void db_shape_close(struct db_shape *shape)
{
    add(shape, STEP_CLOSE, NULL);
}

void db_shape_leave_open(struct db_shape *shape)
{
    shape->stays_open = true;
}

void db_shape_set_lines(struct db_shape *shape, struct db_shape *lines, const char *when)
{
    shape->lines = db_shape_ref(lines);
    shape->when = column_of(when);
}

bool db_shape_has_lines(const struct db_shape *shape)
{
    return shape->lines != NULL;
}

void db_shape_keep(struct db_shape *shape, const char *column)
{
    shape->kept = mem_resize(shape->kept, (shape->kept_count + 1) * sizeof(*shape->kept));
    shape->kept[shape->kept_count++] = column_of(column);
}

unsigned db_shape_kept(const struct db_shape *shape)
{
    return shape->kept_count;
}

unsigned db_shape_fields(const struct db_shape *shape)
{
    unsigned fields = 0;
    for (unsigned i = 0; i < shape->count; i++)
        fields += shape->steps[i].kind == STEP_FIELD;
    return fields;
}

static bool is_at(const struct column *column, const struct db_conn *conn, unsigned index)
{
    size_t len;
    const char *name = db_conn_column(conn, index, &len);
    return len == column->len && memcmp(name, column->name, len) == 0;
}

static int bind_column(struct column *column, const struct db_conn *conn, struct err *err)
{
    unsigned count = db_conn_columns(conn);
    if (column->index < count && is_at(column, conn, column->index))
        return 0;
    for (unsigned i = 0; i < count; i++) {
        if (is_at(column, conn, i)) {
            column->index = i;
            return 0;
        }
    }
    return err_set(err, DB_SQL, "the result has no column %s", column->name);
}

static int bind_step(struct step *step, const struct db_conn *conn, struct err *err)
{
    if (step->kind != STEP_FIELD)
        return 0;
    if (step->only.name && bind_column(&step->only, conn, err) < 0)
        return -1;
    return bind_column(&step->column, conn, err);
}

int db_shape_bind(struct db_shape *shape, const struct db_conn *conn, struct err *err)
{
    for (unsigned i = 0; i < shape->count; i++)
        if (bind_step(&shape->steps[i], conn, err) < 0)
            return -1;
    for (unsigned i = 0; i < shape->kept_count; i++)
        if (bind_column(&shape->kept[i], conn, err) < 0)
            return -1;
    if (shape->lines && (bind_column(&shape->when, conn, err) < 0 ||
                         db_shape_bind(shape->lines, conn, err) < 0))
        return -1;
    return 0;
}

/* Digits of an integer that is exact as a double, as JSON readers take it. */
static void write_integer(struct buf *out, int64_t value)
{
    char digits[24], *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    buf_append(out, at, (size_t)(digits + sizeof(digits) - at));
}

/* `before`, the text and `after` as one string: neither of them may need escapes. */
static void write_framed(struct buf *out, const struct step *step,
                         const struct db_value *cell)
{
    buf_putc(out, '"');
    buf_puts(out, step->before ? step->before : "");
    size_t start = out->len;
    buf_json_string(out, cell->text, cell->len);
    /* Without the quotes that came with it. */
    memmove(out->data + start, out->data + start + 1, out->len - start - 2);
    out->len -= 2;
    buf_puts(out, step->after ? step->after : "");
    buf_putc(out, '"');
}

static void write_value(struct buf *out, const struct step *step,
                        const struct db_value *cell)
{
    switch (cell->kind) {
    case DB_NULL: /* left out before it comes here */
        break;
    case DB_BOOLEAN:
        buf_puts(out, cell->integer ? "true" : "false");
        break;
    case DB_INTEGER:
        write_integer(out, cell->integer);
        break;
    case DB_NUMBER:
        if (!json_write_number(out, cell->number))
            buf_puts(out, "null");
        break;
    case DB_TEXT:
        if (step->field == DB_FIELD_JSON)
            buf_append(out, cell->text, cell->len);
        else if (step->before || step->after)
            write_framed(out, step, cell);
        else
            buf_json_string(out, cell->text, cell->len);
        break;
    }
}

static bool is_left_out(const struct step *step, const struct db_value *cells)
{
    if (!cells || !step->only.name)
        return false;
    const struct db_value *cell = &cells[step->only.index];
    size_t len = strlen(step->begins);
    return cell->kind != DB_TEXT || cell->len < len ||
           memcmp(cell->text, step->begins, len) != 0;
}

/* The value of a field is in `cells` by its column, else in `values` by its own place. */
static void write_object(const struct db_shape *shape, const struct db_value *cells,
                         const struct db_value *values, struct buf *out)
{
    bool first = true;
    buf_putc(out, '{');
    for (unsigned i = 0; i < shape->count; i++) {
        const struct step *step = &shape->steps[i];
        if (step->kind == STEP_CLOSE) {
            buf_putc(out, '}');
            first = false;
            continue;
        }
        const struct db_value *cell = cells ? &cells[step->column.index]
                                      : step->kind == STEP_FIELD ? values++
                                                                 : NULL;
        bool is_null = step->kind == STEP_FIELD && cell->kind == DB_NULL;
        if (is_null && step->field != DB_FIELD_IS_NULL)
            continue;
        if (is_left_out(step, cells))
            continue;
        if (!first)
            buf_putc(out, ',');
        buf_append(out, step->key.data, step->key.len);
        first = step->kind == STEP_OPEN;
        if (first)
            buf_putc(out, '{');
        else if (step->field == DB_FIELD_IS_NULL)
            buf_puts(out, is_null ? "true" : "false");
        else
            write_value(out, step, cell);
    }
    if (!shape->stays_open)
        buf_putc(out, '}');
}

void db_shape_write(const struct db_shape *shape, const struct db_value *cells,
                    struct buf *out)
{
    write_object(shape, cells, NULL, out);
}

void db_shape_write_values(const struct db_shape *shape, const struct db_value *values,
                           struct buf *out)
{
    write_object(shape, NULL, values, out);
}

void db_shape_write_line(const struct db_shape *shape, const struct db_value *cells,
                         struct buf *out)
{
    if (cells[shape->when.index].kind == DB_NULL)
        return;
    if (out->len)
        buf_putc(out, ',');
    db_shape_write(shape->lines, cells, out);
}

const struct db_value *db_shape_kept_at(const struct db_shape *shape,
                                        const struct db_value *cells, unsigned index,
                                        const char **name)
{
    *name = shape->kept[index].name;
    return &cells[shape->kept[index].index];
}
