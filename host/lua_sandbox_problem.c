/* Problems as JSON, with the place in the author's code. Chunks of the author are named
 * "@path", those of the prelude "=name". Nothing here allocates Lua's memory. */
#include "lua_sandbox_vm.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MESSAGE_MAX = 1024,
    LEVELS = 100, /* of the stack that are looked at */
    LINES = 20,   /* of a traceback */
};

static bool is_author(const lua_Debug *frame)
{
    return frame->source[0] == '@' && frame->currentline > 0;
}

struct sandbox_place sandbox_place(lua_State *L, int level)
{
    struct sandbox_place place = {.line = 0};
    lua_Debug frame;
    for (int end = level + LEVELS; level < end && lua_getstack(L, level, &frame);
         level++) {
        lua_getinfo(L, "Sl", &frame);
        if (!is_author(&frame))
            continue;
        snprintf(place.file, sizeof(place.file), "%s", frame.source + 1);
        place.line = frame.currentline;
        return place;
    }
    const struct sandbox_activity *now = sandbox_vm_of(L)->now;
    if (now && now->file) {
        snprintf(place.file, sizeof(place.file), "%s", now->file);
        place.line = now->line;
    }
    return place;
}

static void write_traceback(lua_State *L, int level, struct buf *out)
{
    struct buf text = {0};
    lua_Debug frame;
    int lines = 0;
    for (int end = level + LEVELS;
         level < end && lines < LINES && lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "Sln", &frame);
        if (!is_author(&frame))
            continue;
        buf_printf(&text, "%s%s:%d: in ", lines++ ? "\n" : "", frame.source + 1,
                   frame.currentline);
        if (strcmp(frame.what, "main") == 0)
            buf_puts(&text, "the file");
        else if (frame.name)
            buf_printf(&text, "function '%.64s'", frame.name);
        else
            buf_printf(&text, "the function of line %d", frame.linedefined);
    }
    buf_json_string(out, text.data ? text.data : "", text.len);
    buf_free(&text);
}

static void write_problem(lua_State *L, struct buf *out, const char *code,
                          const char *message, size_t len,
                          const struct sandbox_place *place, int level)
{
    buf_puts(out, "{\"code\":");
    buf_json_string(out, code, strlen(code));
    buf_puts(out, ",\"message\":");
    buf_json_string(out, message, len < MESSAGE_MAX ? len : MESSAGE_MAX);
    if (place->file[0]) {
        buf_puts(out, ",\"file\":");
        buf_json_string(out, place->file, strlen(place->file));
        if (place->line)
            buf_printf(out, ",\"line\":%d", place->line);
    }
    buf_puts(out, ",\"traceback\":");
    write_traceback(L, level, out);
    buf_putc(out, '}');
}

void sandbox_note(lua_State *L, struct sandbox_activity *activity, const char *code,
                  const char *message, size_t len, int level)
{
    if (activity->problem.len)
        return;
    struct sandbox_place place = sandbox_place(L, level);
    write_problem(L, &activity->problem, code, message, len, &place, level);
}

static void note_limit(lua_State *L, struct sandbox_activity *activity, const char *code,
                       const char *what, const struct sandbox_place *place)
{
    if (activity->problem.len)
        return;
    char message[512];
    if (place->file[0] && place->line)
        snprintf(message, sizeof(message), "limit: %s at %s:%d", what, place->file,
                 place->line);
    else if (place->file[0])
        snprintf(message, sizeof(message), "limit: %s in %s", what, place->file);
    else
        snprintf(message, sizeof(message), "limit: %s", what);
    write_problem(L, &activity->problem, code, message, strlen(message), place, 0);
}

void sandbox_note_details(struct sandbox_activity *activity, const char *json, size_t len)
{
    struct buf *problem = &activity->problem;
    problem->len--; /* the brace */
    buf_puts(problem, ",\"details\":");
    buf_append(problem, json, len);
    buf_putc(problem, '}');
}

static int raise_noted(lua_State *L) __attribute__((noreturn));

static int raise_noted(lua_State *L)
{
    lua_pushnil(L);
    lua_error(L);
    abort();
}

int sandbox_raise(lua_State *L, const char *code, const char *fmt, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    struct sandbox_activity *now = sandbox_vm_of(L)->now;
    if (now)
        sandbox_note(L, now, code, message, strlen(message), 0);
    raise_noted(L);
}

int sandbox_raise_limit(lua_State *L, const char *code, const char *what)
{
    struct sandbox_activity *now = sandbox_vm_of(L)->now;
    struct sandbox_place place = sandbox_place(L, 0);
    if (now)
        note_limit(L, now, code, what, &place);
    raise_noted(L);
}

/* The length of the "file:line: " that Lua puts before messages, taken off since the problem has
 * fields for it: that of one of the frames nearest to the error. That of a frame of the prelude
 * goes, too, where there is a place of the author's, to whom it says nothing. */
static size_t prefix_of(lua_State *L, const char *message)
{
    lua_Debug frame;
    bool has_place = sandbox_place(L, 0).file[0] != 0;
    for (int level = 0; level < 8 && lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "Sl", &frame);
        char prefix[sizeof(frame.short_src) + 24];
        int len = snprintf(prefix, sizeof(prefix), "%s:%d: ", frame.short_src,
                           frame.currentline);
        if ((is_author(&frame) || has_place) &&
            strncmp(message, prefix, (size_t)len) == 0)
            return (size_t)len;
    }
    return 0;
}

/* A message of the compiler: "file:line: what". The name in it may be cut at the left. */
static bool note_syntax(lua_State *L, struct sandbox_activity *activity,
                        const char *message)
{
    const char *colon = strchr(message, ':');
    char *end;
    long line = colon ? strtol(colon + 1, &end, 10) : 0;
    if (line <= 0 || strncmp(end, ": ", 2) != 0 || !activity->file)
        return false;
    struct sandbox_place place = {.line = (int)line};
    snprintf(place.file, sizeof(place.file), "%s", activity->file);
    write_problem(L, &activity->problem, "SCRIPT_ERROR", end + 2, strlen(end + 2), &place,
                  0);
    return true;
}

void sandbox_note_error(lua_State *L, struct sandbox_activity *activity, bool syntax)
{
    const struct sandbox_vm *vm = sandbox_vm_of(L);
    char text[64];
    if (vm->refused) {
        snprintf(text, sizeof(text), "memory %zu MiB", vm->memory->max / (1024 * 1024));
        note_limit(L, activity, "LIMIT_MEMORY", text, &vm->refused_at);
    }
    if (activity->problem.len)
        return;
    size_t len;
    const char *message = text;
    if (lua_type(L, -1) == LUA_TSTRING) {
        message = lua_tolstring(L, -1, &len);
        if (syntax && note_syntax(L, activity, message))
            return;
        size_t prefix = prefix_of(L, message);
        message += prefix;
        len -= prefix;
    } else if (lua_type(L, -1) == LUA_TNUMBER) {
        len = (size_t)snprintf(text, sizeof(text), "%.14g", lua_tonumber(L, -1));
    } else {
        len = (size_t)snprintf(text, sizeof(text), "the error is a %s value, not a text",
                               luaL_typename(L, -1));
    }
    sandbox_note(L, activity, "SCRIPT_ERROR", message, len, 0);
}

int sandbox_handler(lua_State *L)
{
    struct sandbox_activity *now = sandbox_vm_of(L)->now;
    if (now)
        sandbox_note_error(L, now, false);
    return 1;
}
