/* The matcher, held against LuaJIT's own, and what it refuses and costs. */
#include "check.h"
#include "pattern.h"
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>

static unsigned long steps;

static void count(void *arg, unsigned more)
{
    (void)arg;
    steps += more;
}

static struct pattern *compile(const char *text, size_t len, const char **problem)
{
    struct pattern *pattern = malloc(pattern_size(len));
    *problem = pattern_compile(pattern, text, len, true);
    return pattern;
}

/* What string.find gives, as text: "1 3 (1,1)@2", "nil" or "error". */
static void ours(const char *subject, size_t len, const char *text, size_t size,
                 char *out)
{
    const char *problem;
    struct pattern_match match;
    struct pattern *pattern = compile(text, size, &problem);
    if (problem) {
        strcpy(out, "error");
    } else if (!pattern_find(pattern, subject, len, 0, &match, count, NULL)) {
        strcpy(out, "nil");
    } else {
        out += sprintf(out, "%zu %zu", match.start + 1, match.end);
        for (int i = 0; i < match.captures; i++)
            if (match.capture[i].len == PATTERN_POSITION)
                out += sprintf(out, " @%zu", match.capture[i].start + 1);
            else
                out += sprintf(out, " (%.*s)", (int)match.capture[i].len,
                               subject + match.capture[i].start);
    }
    free(pattern);
}

static void theirs(lua_State *L, const char *subject, size_t len, const char *text,
                   size_t size, char *out)
{
    lua_settop(L, 0);
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "find");
    lua_pushlstring(L, subject, len);
    lua_pushlstring(L, text, size);
    if (lua_pcall(L, 2, LUA_MULTRET, 0) != 0) {
        strcpy(out, "error");
    } else if (lua_isnil(L, 2)) {
        strcpy(out, "nil");
    } else {
        out += sprintf(out, "%d %d", (int)lua_tointeger(L, 2), (int)lua_tointeger(L, 3));
        for (int i = 4; i <= lua_gettop(L); i++)
            out += lua_type(L, i) == LUA_TNUMBER
                       ? sprintf(out, " @%d", (int)lua_tointeger(L, i))
                       : sprintf(out, " (%s)", lua_tostring(L, i));
    }
}

static uint32_t seed = 1;

static uint32_t roll(uint32_t sides)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % sides;
}

static const char *const pieces[] = {
    "a",  "b",    "c",     ".",   "%a",    "%d",    "[ab]", "[^a]", "[a-c]",    "[%d_]",
    "a*", "b+",   ".-",    "%w?", "[ab]*", "[^b]-", "(a)",  "(.-)", "(b*)",     "()",
    "%1", "%b()", "%f[a]", "%s*", "x",     "(",     ")",    "1",    "%%",       "%.",
    "$",  "^",    "-",     "*",   "]",     "%A+",   "[]]",  "[a-]", "(%a)(%d)", "%2",
};

/* LuaJIT finds mistakes only when a match gets there: then ours alone is an error. */
static void matches_as_luajit_does(void)
{
    static const char alphabet[] = "aabbc12 _()x.";
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    int same = 0, matched = 0, stricter = 0;
    for (int round = 0; round < 60000; round++) {
        char pattern[128] = "", subject[32], expected[256], actual[256];
        int count_pieces = 1 + (int)roll(6);
        if (roll(6) == 0)
            strcat(pattern, "^");
        for (int i = 0; i < count_pieces; i++)
            strcat(pattern, pieces[roll(sizeof(pieces) / sizeof(pieces[0]))]);
        if (roll(6) == 0)
            strcat(pattern, "$");
        size_t len = roll(12);
        for (size_t i = 0; i < len; i++)
            subject[i] = alphabet[roll(sizeof(alphabet) - 1)];
        theirs(L, subject, len, pattern, strlen(pattern), expected);
        ours(subject, len, pattern, strlen(pattern), actual);
        if (strcmp(actual, "error") == 0 && strcmp(expected, "error") != 0) {
            stricter++;
            continue;
        }
        if (strcmp(actual, expected) != 0) {
            check_failures++;
            fprintf(stderr, "find('%.*s', '%s'): %s, expected %s\n", (int)len, subject,
                    pattern, actual, expected);
        }
        same++;
        matched += *expected != 'n' && *expected != 'e';
    }
    CHECK(same > 25000 && matched > 4000);
    CHECK(stricter < 30000);
    lua_close(L);
}

static void says_what_is_wrong_with_a_pattern(void)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"%", "malformed pattern (ends with '%')"},
        {"[a", "malformed pattern (missing ']')"},
        {"[", "malformed pattern (missing ']')"},
        {"[]", "malformed pattern (missing ']')"},
        {"[^]", "malformed pattern (missing ']')"},
        {"[%", "malformed pattern (missing ']')"},
        {"[a-", "malformed pattern (missing ']')"},
        {"(a", "unfinished capture"},
        {"a)", "invalid pattern capture"},
        {"%1", "invalid capture index"},
        {"%0", "invalid capture index"},
        {"(%1)", "invalid capture index"},
        {"(a)%2", "invalid capture index"},
        {"%b", "malformed pattern (missing arguments to '%b')"},
        {"%bx", "malformed pattern (missing arguments to '%b')"},
        {"%f", "missing '[' after '%f' in pattern"},
        {"%fa", "missing '[' after '%f' in pattern"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *problem;
        free(compile(cases[i].text, strlen(cases[i].text), &problem));
        CHECK_STR(problem, cases[i].problem);
    }
}

static void takes_every_byte(void)
{
    char out[256], subject[256], text[2] = "";
    for (int byte = 0; byte < 256; byte++)
        subject[byte] = (char)byte;
    for (int byte = 128; byte < 256; byte++) {
        char expected[32];
        text[0] = (char)byte;
        ours(subject, 256, text, 1, out);
        snprintf(expected, sizeof(expected), "%d %d", byte + 1, byte + 1);
        CHECK_STR(out, expected);
    }
    ours("a\0b", 3, "%z", 2, out);
    CHECK_STR(out, "2 2");
    ours("a\0b", 3, "\0", 1, out);
    CHECK_STR(out, "2 2");
    ours("a\0b", 3, "^a.b$", 5, out);
    CHECK_STR(out, "1 3");
}

static void the_longest_pattern_fits(void)
{
    static const char *const units[] = {"a?", "%a", ".-", "()", "[a]", "%1", "(", "%ba"};
    char subject[2000];
    memset(subject, 'a', sizeof(subject));
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        char text[PATTERN_MAX + 8] = "", out[4096];
        while (strlen(text) + strlen(units[i]) <= PATTERN_MAX)
            strcat(text, units[i]);
        ours(subject, 1100, text, strlen(text), out);
        CHECK(*out);
    }
}

static void tells_what_it_costs(void)
{
    char subject[10000], out[256];
    memset(subject, 'a', sizeof(subject));
    steps = 0;
    ours(subject, sizeof(subject), "a*$", 3, out);
    CHECK(steps > 300 && steps < 1000);
    steps = 0;
    ours(subject, 100, ".-.-.-b", 7, out);
    CHECK(steps > 100000);
    steps = 0;
    ours("abc", 3, "c", 1, out);
    CHECK(steps > 0);
}

int main(void)
{
    RUN(matches_as_luajit_does);
    RUN(says_what_is_wrong_with_a_pattern);
    RUN(takes_every_byte);
    RUN(the_longest_pattern_fits);
    RUN(tells_what_it_costs);
    return check_result("pattern");
}
