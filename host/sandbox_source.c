#include "sandbox_source.h"
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

struct scanner {
    const char *at, *end;
    int line;
};

static void next(struct scanner *s)
{
    if (*s->at == '\n')
        s->line++;
    s->at++;
}

/* At "[": the number of "=" of a long bracket, -1 when it is none. */
static int long_bracket(const struct scanner *s)
{
    const char *p = s->at + 1;
    while (p < s->end && *p == '=')
        p++;
    return p < s->end && *p == '[' ? (int)(p - s->at - 1) : -1;
}

static void skip_long(struct scanner *s, int level)
{
    s->at += level + 2;
    for (; s->at < s->end; next(s)) {
        if (*s->at != ']' || s->end - s->at < level + 2 || s->at[level + 1] != ']')
            continue;
        int equals = 0;
        while (equals < level && s->at[1 + equals] == '=')
            equals++;
        if (equals == level) {
            s->at += level + 2;
            return;
        }
    }
}

static void skip_comment(struct scanner *s)
{
    s->at += 2;
    int level = s->at < s->end && *s->at == '[' ? long_bracket(s) : -1;
    if (level >= 0)
        skip_long(s, level);
    else
        while (s->at < s->end && *s->at != '\n')
            s->at++;
}

static void skip_string(struct scanner *s)
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

/* As the compiler reads one: letters, digits, dots, and a sign behind an exponent's letter. */
static bool number_is_foreign(struct scanner *s)
{
    const char *start = s->at;
    bool hex = s->end - start > 1 && start[0] == '0' && (start[1] | 0x20) == 'x';
    bool foreign = false;
    for (; s->at < s->end; s->at++) {
        char byte = *s->at, before = s->at > start ? (char)(s->at[-1] | 0x20) : 0;
        bool sign = (byte == '+' || byte == '-') && before == (hex ? 'p' : 'e');
        if (!sign && !is_name(byte) && byte != '.')
            break;
        foreign = foreign || strchr("iIlLuU", byte);
    }
    return foreign;
}

static bool at_number(const struct scanner *s)
{
    return isdigit((unsigned char)*s->at) ||
           (*s->at == '.' && s->end - s->at > 1 && isdigit((unsigned char)s->at[1]));
}

int sandbox_source_foreign_number(const char *text, size_t len)
{
    struct scanner s = {text, text + len, 1};
    while (s.at < s.end) {
        int level = *s.at == '[' ? long_bracket(&s) : -1;
        if (level >= 0) {
            skip_long(&s, level);
        } else if (*s.at == '-' && s.end - s.at > 1 && s.at[1] == '-') {
            skip_comment(&s);
        } else if (*s.at == '"' || *s.at == '\'') {
            skip_string(&s);
        } else if (at_number(&s)) {
            if (number_is_foreign(&s))
                return s.line;
        } else if (is_name(*s.at)) {
            while (s.at < s.end && is_name(*s.at))
                s.at++;
        } else {
            next(&s);
        }
    }
    return 0;
}
