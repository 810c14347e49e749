#include "sandbox_source.h"
#include "sandbox_tokens.h"
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 400 }; /* of blocks, brackets and returns: the compiler allows 200 */

enum open { BLOCK, BRACKET, RETURN };

/* What is open where a token stands. Of a return: where its values begin and end so far. */
struct level {
    enum open open;
    const char *start, *end;
    int tokens;
    bool list, table; /* several values; nothing but a table */
    char last;        /* the last token's first byte, '"' for a string */
};

struct insertion {
    const char *at;
    bool begin;
};

struct rewriter {
    struct sandbox_tokens tokens;
    struct level levels[DEPTH_MAX];
    int depth;
    struct buf insertions; /* struct insertion, in the order in which returns end */
};

/* A first line that begins with "#" is none of Lua's, whatever quotes are in it. */
static struct sandbox_tokens tokens_of(const char *text, size_t len)
{
    struct sandbox_tokens tokens = {text, text + len, 1};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        tokens.at += 3;
    if (tokens.at < tokens.end && *tokens.at == '#')
        while (tokens.at < tokens.end && *tokens.at != '\n')
            tokens.at++;
    return tokens;
}

int sandbox_source_foreign_number(const char *text, size_t len)
{
    struct sandbox_tokens tokens = tokens_of(text, len);
    for (;;) {
        struct sandbox_token token = sandbox_token_next(&tokens);
        if (token.kind == TOKEN_END)
            return 0;
        for (size_t i = 0; token.kind == TOKEN_NUMBER && i < token.len; i++)
            if (strchr("iIlLuU", token.text[i]))
                return token.line;
    }
}

static struct level *top(struct rewriter *r)
{
    return r->depth ? &r->levels[r->depth - 1] : NULL;
}

static bool push(struct rewriter *r, enum open open)
{
    if (r->depth == DEPTH_MAX)
        return false;
    r->levels[r->depth++] = (struct level){.open = open};
    return true;
}

static bool pop(struct rewriter *r, enum open open)
{
    if (!r->depth || top(r)->open != open)
        return false;
    r->depth--;
    return true;
}

static bool is_any(const struct sandbox_token *token, const char *const *texts)
{
    for (; *texts; texts++)
        if (sandbox_token_is(token, *texts))
            return true;
    return false;
}

/* A call ends in ")", a string or a table. What else does is wrapped without need. */
static void end_return(struct rewriter *r)
{
    struct level *level = top(r);
    bool call = level->tokens > 1 && strchr(")\"}", level->last) && !level->table;
    if (call && !level->list) {
        struct insertion both[] = {{level->start, true}, {level->end, false}};
        buf_append(&r->insertions, both, sizeof(both));
    }
    r->depth--;
}

/* The token belongs to the values of the return on top, perhaps as the end of what was open. */
static void note_value(struct rewriter *r, const struct sandbox_token *token)
{
    struct level *level = top(r);
    if (!level || level->open != RETURN)
        return;
    if (++level->tokens == 1)
        level->start = token->text;
    level->table = level->tokens == 1 ? sandbox_token_is(token, "{")
                                      : level->table && level->tokens == 2;
    level->list = level->list || sandbox_token_is(token, ",");
    level->end = token->text + token->len;
    level->last = token->kind == TOKEN_STRING ? '"' : *token->text;
}

/* False when the text is no Lua. */
static bool take(struct rewriter *r, const struct sandbox_token *token)
{
    static const char *const ends[] = {"end", "else", "elseif", "until", ";", NULL};
    static const char *const begins[] = {"function", "if", "do", "repeat", NULL};
    static const char *const opens[] = {"(", "{", "[", NULL};
    static const char *const closes[] = {")", "}", "]", NULL};
    if (top(r) && top(r)->open == RETURN &&
        (token->kind == TOKEN_END || is_any(token, ends)))
        end_return(r);
    if (token->kind == TOKEN_END)
        return true;
    if ((sandbox_token_is(token, "end") || sandbox_token_is(token, "until")) &&
        !pop(r, BLOCK))
        return false;
    if (is_any(token, closes) && !pop(r, BRACKET))
        return false;
    note_value(r, token);
    if (is_any(token, begins))
        return push(r, BLOCK);
    if (is_any(token, opens))
        return push(r, BRACKET);
    if (sandbox_token_is(token, "return"))
        return push(r, RETURN);
    return true;
}

/* Returns end from the inside out, so their insertions are not in the order of the text. */
static int compare(const void *a, const void *b)
{
    const struct insertion *left = a, *right = b;
    if (left->at != right->at)
        return left->at < right->at ? -1 : 1;
    return (int)left->begin - (int)right->begin;
}

static void write_out(struct rewriter *r, const char *text, size_t len, const char *name,
                      struct buf *out)
{
    struct insertion *list = (struct insertion *)(void *)r->insertions.data;
    size_t count = r->insertions.len / sizeof(*list);
    const char *from = text;
    qsort(list, count, sizeof(*list), compare);
    for (size_t i = 0; i < count; i++) {
        buf_append(out, from, (size_t)(list[i].at - from));
        from = list[i].at;
        if (list[i].begin)
            buf_printf(out, " %s(", name);
        else
            buf_putc(out, ')');
    }
    buf_append(out, from, (size_t)(text + len - from));
}

bool sandbox_source_keep_frames(const char *text, size_t len, const char *name,
                                struct buf *out)
{
    struct rewriter r = {.tokens = tokens_of(text, len)};
    struct sandbox_token token;
    bool good = true;
    do {
        token = sandbox_token_next(&r.tokens);
        good = take(&r, &token);
    } while (good && token.kind != TOKEN_END);
    good = good && r.depth == 0 && r.insertions.len;
    if (good)
        write_out(&r, text, len, name, out);
    buf_free(&r.insertions);
    return good;
}
