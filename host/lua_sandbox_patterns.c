/* string.find, match, gmatch and gsub over the host's own matcher. */
#include "lua_sandbox_vm.h"
#include "pattern.h"
#include <ctype.h>
#include <string.h>

struct subject {
    const char *text;
    size_t len;
};

static void charge(void *arg, unsigned steps)
{
    sandbox_charge(arg, steps);
}

static struct subject check_subject(lua_State *L, int arg)
{
    struct subject subject;
    subject.text = luaL_checklstring(L, arg, &subject.len);
    luaL_argcheck(L, subject.len <= PATTERN_SUBJECT_MAX, arg,
                  "the text is longer than 64 KiB");
    return subject;
}

/* Pushes it as userdata: it lives as long as it is on the stack or an upvalue. */
static struct pattern *push_pattern(lua_State *L, int arg, bool anchors)
{
    size_t len;
    const char *text = luaL_checklstring(L, arg, &len);
    luaL_argcheck(L, len <= PATTERN_MAX, arg, "the pattern is longer than 1 KiB");
    sandbox_charge(L, 10 + (unsigned)len);
    struct pattern *pattern = lua_newuserdata(L, pattern_size(len));
    const char *problem = pattern_compile(pattern, text, len, anchors);
    if (problem)
        luaL_error(L, "%s", problem);
    return pattern;
}

/* A capture, or the whole match when there are none and `index` is 0. */
static void push_capture(lua_State *L, const struct subject *subject,
                         const struct pattern_match *match, int index)
{
    if (index >= match->captures) {
        if (index > 0)
            luaL_error(L, "invalid capture index");
        lua_pushlstring(L, subject->text + match->start, match->end - match->start);
    } else if (match->capture[index].len == PATTERN_POSITION) {
        lua_pushinteger(L, (lua_Integer)match->capture[index].start + 1);
    } else {
        lua_pushlstring(L, subject->text + match->capture[index].start,
                        (size_t)match->capture[index].len);
    }
}

static int push_captures(lua_State *L, const struct subject *subject,
                         const struct pattern_match *match, bool whole)
{
    int count = match->captures ? match->captures : whole ? 1 : 0;
    luaL_checkstack(L, count, "captures");
    for (int i = 0; i < count; i++)
        push_capture(L, subject, match, i);
    return count;
}

/* From 0, where the search begins; negative arguments count from the end. */
static size_t check_start(lua_State *L, int arg, size_t len)
{
    long start = sandbox_opt_integer(L, arg, 1);
    if (start < 0)
        start = start + (long)len + 1;
    if (start < 1)
        start = 1;
    return (size_t)start - 1 < len ? (size_t)start - 1 : len;
}

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] && strchr("^$*+?.([%-", text[i]))
            return false;
    return true;
}

static int find_plain(lua_State *L, const struct subject *subject, size_t from,
                      const char *text, size_t len)
{
    sandbox_charge(L, 2 + (unsigned)(subject->len - from) / 16);
    const char *found = memmem(subject->text + from, subject->len - from, text, len);
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - subject->text + 1);
    lua_pushinteger(L, found - subject->text + (lua_Integer)len);
    return 2;
}

static int find(lua_State *L, bool positions)
{
    struct subject subject = check_subject(L, 1);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    size_t from = check_start(L, 3, subject.len);
    if (positions && (lua_toboolean(L, 4) || is_plain(text, len)))
        return find_plain(L, &subject, from, text, len);
    struct pattern_match match;
    struct pattern *pattern = push_pattern(L, 2, true);
    if (!pattern_find(pattern, subject.text, subject.len, from, &match, charge, L)) {
        lua_pushnil(L);
        return 1;
    }
    if (!positions)
        return push_captures(L, &subject, &match, true);
    lua_pushinteger(L, (lua_Integer)match.start + 1);
    lua_pushinteger(L, (lua_Integer)match.end);
    return 2 + push_captures(L, &subject, &match, false);
}

static int l_find(lua_State *L)
{
    return find(L, true);
}

static int l_match(lua_State *L)
{
    return find(L, false);
}

/* Upvalues: the text, the compiled pattern, where to go on. */
static int next_match(lua_State *L)
{
    struct subject subject;
    struct pattern_match match;
    subject.text = lua_tolstring(L, lua_upvalueindex(1), &subject.len);
    struct pattern *pattern = lua_touserdata(L, lua_upvalueindex(2));
    size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    sandbox_charge(L, 4);
    if (from > subject.len ||
        !pattern_find(pattern, subject.text, subject.len, from, &match, charge, L))
        return 0;
    lua_pushinteger(L, (lua_Integer)match.end + (match.end == match.start));
    lua_replace(L, lua_upvalueindex(3));
    return push_captures(L, &subject, &match, true);
}

static int l_gmatch(lua_State *L)
{
    check_subject(L, 1);
    luaL_checkstring(L, 2);
    lua_pushvalue(L, 1);
    push_pattern(L, 2, false);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_match, 3);
    return 1;
}

/* What gsub makes: its length is checked before each piece. */
struct replaced {
    lua_State *L;
    luaL_Buffer out;
    size_t len;
};

static void add(struct replaced *r, const char *text, size_t len)
{
    r->len += len;
    if (r->len > SANDBOX_STRING_MAX)
        luaL_error(r->L, "the text would be longer than %d bytes", SANDBOX_STRING_MAX);
    sandbox_charge(r->L, 1 + (unsigned)len / 32);
    luaL_addlstring(&r->out, text, len);
}

/* The text or number on top of the stack, which is popped. */
static void add_value(struct replaced *r)
{
    size_t len;
    lua_tolstring(r->L, -1, &len);
    r->len += len;
    if (r->len > SANDBOX_STRING_MAX)
        luaL_error(r->L, "the text would be longer than %d bytes", SANDBOX_STRING_MAX);
    sandbox_charge(r->L, 1 + (unsigned)len / 32);
    luaL_addvalue(&r->out);
}

static void add_template(struct replaced *r, const struct subject *subject,
                         const struct pattern_match *match)
{
    size_t len;
    const char *text = lua_tolstring(r->L, 3, &len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%' || ++i == len || !isdigit((unsigned char)text[i])) {
            add(r, i < len ? text + i : "%", 1);
        } else if (text[i] == '0') {
            add(r, subject->text + match->start, match->end - match->start);
        } else {
            push_capture(r->L, subject, match, text[i] - '1');
            add_value(r);
        }
    }
}

/* Pushes what the table or function gives for the match. */
static void look_up(lua_State *L, const struct subject *subject,
                    const struct pattern_match *match)
{
    lua_pushvalue(L, lua_type(L, 3) == LUA_TFUNCTION ? 3 : lua_upvalueindex(1));
    if (lua_type(L, 3) == LUA_TFUNCTION) {
        sandbox_callback(L, push_captures(L, subject, match, true), 1);
    } else {
        lua_pushvalue(L, 3);
        push_capture(L, subject, match, 0);
        sandbox_callback(L, 2, 1);
    }
}

static void add_replacement(struct replaced *r, const struct subject *subject,
                            const struct pattern_match *match)
{
    lua_State *L = r->L;
    int type = lua_type(L, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_template(r, subject, match);
        return;
    }
    look_up(L, subject, match);
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        add(r, subject->text + match->start, match->end - match->start);
    } else if (lua_isstring(L, -1)) {
        add_value(r);
    } else {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
}

/* Called by look_up: the table may have an __index of the prelude's. */
static int l_index(lua_State *L)
{
    lua_gettable(L, 1);
    return 1;
}

static int l_gsub(lua_State *L)
{
    struct subject subject = check_subject(L, 1);
    int type = lua_type(L, 3);
    luaL_argcheck(L,
                  type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TTABLE ||
                      type == LUA_TFUNCTION,
                  3, "string/function/table expected");
    int most = sandbox_opt_integer(L, 4, (int)subject.len + 1);
    lua_settop(L, 3);
    struct pattern *pattern = push_pattern(L, 2, true);
    struct replaced r = {.L = L};
    luaL_buffinit(L, &r.out);
    size_t at = 0;
    int count = 0;
    struct pattern_match match;
    while (count < most &&
           pattern_find(pattern, subject.text, subject.len, at, &match, charge, L)) {
        count++;
        add(&r, subject.text + at, match.start - at);
        add_replacement(&r, &subject, &match);
        at = match.end;
        if (match.end == match.start) { /* go on by a byte at least */
            if (at >= subject.len) {
                at = subject.len;
                break;
            }
            add(&r, subject.text + at++, 1);
        }
        if (pattern_anchored(pattern))
            break;
    }
    add(&r, subject.text + at, subject.len - at);
    luaL_pushresult(&r.out);
    lua_pushinteger(L, count);
    return 2;
}

void sandbox_add_patterns(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_pushcfunction(L, l_index);
    lua_pushcclosure(L, l_gsub, 1);
    lua_setfield(L, -2, "gsub");
}
