#include "sandbox_tokens.h"
#include <ctype.h>
#include <string.h>

static void next(struct sandbox_tokens *s)
{
    if (*s->at == '\n')
        s->line++;
    s->at++;
}

/* At "[": the number of "=" of a long bracket, -1 when it is none. */
static int long_bracket(const struct sandbox_tokens *s)
{
    const char *p = s->at + 1;
    while (p < s->end && *p == '=')
        p++;
    return p < s->end && *p == '[' ? (int)(p - s->at - 1) : -1;
}

static bool closes(const struct sandbox_tokens *s, int level)
{
    if (s->end - s->at < level + 2 || s->at[0] != ']' || s->at[level + 1] != ']')
        return false;
    for (int i = 1; i <= level; i++)
        if (s->at[i] != '=')
            return false;
    return true;
}

static void skip_long(struct sandbox_tokens *s, int level)
{
    s->at += level + 2;
    while (s->at < s->end && !closes(s, level))
        next(s);
    s->at = s->end - s->at < level + 2 ? s->end : s->at + level + 2;
}

static void skip_comment(struct sandbox_tokens *s)
{
    s->at += 2;
    int level = s->at < s->end && *s->at == '[' ? long_bracket(s) : -1;
    if (level >= 0)
        skip_long(s, level);
    else
        while (s->at < s->end && *s->at != '\n')
            s->at++;
}

/* `\z` and a backslash before a line's end need no care here: both leave the quote open. */
static void skip_string(struct sandbox_tokens *s)
{
    char quote = *s->at++;
    while (s->at < s->end && *s->at != quote) {
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
        next(s);
    }
    if (s->at < s->end)
        s->at++;
}

static bool is_name(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_' || (byte & 0x80);
}

/* As the compiler reads one: names, dots, and a sign behind the letter of an exponent. */
static void skip_number(struct sandbox_tokens *s)
{
    const char *start = s->at;
    bool hex = s->end - start > 1 && start[0] == '0' && (start[1] | 0x20) == 'x';
    for (; s->at < s->end; s->at++) {
        char before = s->at > start ? (char)(s->at[-1] | 0x20) : 0;
        bool sign = (*s->at == '+' || *s->at == '-') && before == (hex ? 'p' : 'e');
        if (!sign && !is_name(*s->at) && *s->at != '.')
            return;
    }
}

static bool at_number(const struct sandbox_tokens *s)
{
    return isdigit((unsigned char)*s->at) ||
           (*s->at == '.' && s->end - s->at > 1 && isdigit((unsigned char)s->at[1]));
}

static void skip_blank(struct sandbox_tokens *s)
{
    while (s->at < s->end) {
        if (isspace((unsigned char)*s->at))
            next(s);
        else if (*s->at == '-' && s->end - s->at > 1 && s->at[1] == '-')
            skip_comment(s);
        else
            return;
    }
}

struct sandbox_token sandbox_token_next(struct sandbox_tokens *s)
{
    skip_blank(s);
    struct sandbox_token token = {.kind = TOKEN_END, .text = s->at, .line = s->line};
    if (s->at == s->end)
        return token;
    int level = *s->at == '[' ? long_bracket(s) : -1;
    if (level >= 0) {
        token.kind = TOKEN_STRING;
        skip_long(s, level);
    } else if (*s->at == '"' || *s->at == '\'') {
        token.kind = TOKEN_STRING;
        skip_string(s);
    } else if (at_number(s)) {
        token.kind = TOKEN_NUMBER;
        skip_number(s);
    } else if (is_name(*s->at)) {
        token.kind = TOKEN_NAME;
        while (s->at < s->end && is_name(*s->at))
            s->at++;
    } else {
        token.kind = TOKEN_SYMBOL;
        s->at++;
    }
    token.len = (size_t)(s->at - token.text);
    return token;
}

bool sandbox_token_is(const struct sandbox_token *token, const char *text)
{
    return token->kind != TOKEN_STRING && token->len == strlen(text) &&
           memcmp(token->text, text, token->len) == 0;
}
