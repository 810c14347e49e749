/* sandbox_tokens.h - Lua text as tokens: just enough to tell names and numbers from what stands
 * in texts and comments. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum sandbox_token_kind {
    TOKEN_END,
    TOKEN_NAME, /* or keyword */
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_SYMBOL, /* one byte of it: ".." are two */
};

struct sandbox_token {
    enum sandbox_token_kind kind;
    const char *text;
    size_t len;
    int line;
};

struct sandbox_tokens {
    const char *at, *end;
    int line; /* from 1; the caller sets all three */
};

/* The next token, at the end TOKEN_END again and again. What is not closed ends there. */
struct sandbox_token sandbox_token_next(struct sandbox_tokens *tokens);

bool sandbox_token_is(const struct sandbox_token *token, const char *text);
