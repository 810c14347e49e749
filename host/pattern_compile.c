/* From the text of a pattern to items and sets. */
#include "pattern_items.h"
#include <ctype.h>

struct compiler {
    struct pattern *pattern;
    const char *at, *end;
    uint16_t items, sets;
    uint8_t open[PATTERN_CAPTURES]; /* those not closed yet, innermost last */
    int depth;
    bool closed[PATTERN_CAPTURES];
};

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/* The shortest set is a class, of two bytes; every item takes a byte, and one is the end. */
static size_t sets_of(size_t len)
{
    return len / 2 + 1;
}

size_t pattern_size(size_t len)
{
    return aligned(sizeof(struct pattern)) + sets_of(len) * sizeof(struct set) +
           aligned((len + 1) * sizeof(struct item)) + (len + 1) * sizeof(struct choice);
}

static void add(struct set *set, unsigned char byte)
{
    set->bits[byte >> 5] |= 1u << (byte & 31);
}

static int is_zero(int byte)
{
    return byte == 0;
}

/* What `%letter` stands for: a class, or the byte itself. */
static struct set class_of(unsigned char letter)
{
    static int (*const classes[256])(int) = {
        ['a'] = isalpha,  ['c'] = iscntrl, ['d'] = isdigit, ['l'] = islower,
        ['p'] = ispunct,  ['s'] = isspace, ['u'] = isupper, ['w'] = isalnum,
        ['x'] = isxdigit, ['z'] = is_zero,
    };
    int (*class)(int) = classes[tolower(letter)];
    struct set set = {{0}};
    if (!class)
        add(&set, letter);
    for (int byte = 0; class && byte < 256; byte++)
        if ((class(byte) != 0) == (islower(letter) != 0))
            add(&set, (unsigned char)byte);
    return set;
}

/* Each is made once: that takes longer than most matches. */
static void add_class(struct set *set, unsigned char letter)
{
    static struct set made[256];
    static bool known[256];
    if (!known[letter])
        made[letter] = class_of(letter);
    known[letter] = true;
    for (int i = 0; i < 8; i++)
        set->bits[i] |= made[letter].bits[i];
}

static struct set *new_set(struct compiler *c)
{
    struct set *set = &c->pattern->sets[c->sets++];
    *set = (struct set){{0}};
    return set;
}

/* Behind "[": up to its "]", which is a byte of the set when it comes first. */
static const char *read_set(struct compiler *c, struct set *set)
{
    static const char unfinished[] = "malformed pattern (missing ']')";
    bool negated = c->at < c->end && *c->at == '^';
    if (negated)
        c->at++;
    bool first = true;
    for (;; first = false) {
        if (c->at == c->end)
            return unfinished;
        unsigned char byte = (unsigned char)*c->at++;
        if (byte == ']' && !first)
            break;
        if (byte == '%') {
            if (c->at == c->end)
                return unfinished;
            add_class(set, (unsigned char)*c->at++);
        } else if (c->end - c->at >= 2 && c->at[0] == '-' && c->at[1] != ']') {
            unsigned char last = (unsigned char)c->at[1];
            for (unsigned in = byte; in <= last; in++)
                add(set, (unsigned char)in);
            c->at += 2;
        } else {
            add(set, byte);
        }
    }
    for (int i = 0; negated && i < 8; i++)
        set->bits[i] = ~set->bits[i];
    return NULL;
}

static struct item *new_item(struct compiler *c, enum pattern_kind kind)
{
    struct item *item = &c->pattern->items[c->items++];
    *item = (struct item){.kind = (uint8_t)kind};
    return item;
}

static const char *read_open(struct compiler *c)
{
    struct pattern *p = c->pattern;
    if (p->captures == PATTERN_CAPTURES)
        return "too many captures";
    uint8_t capture = (uint8_t)p->captures++;
    if (c->at < c->end && *c->at == ')') {
        c->at++;
        c->closed[capture] = true;
        new_item(c, POSITION)->a = capture;
    } else {
        c->open[c->depth++] = capture;
        new_item(c, OPEN)->a = capture;
    }
    return NULL;
}

static const char *read_close(struct compiler *c)
{
    if (!c->depth)
        return "invalid pattern capture";
    uint8_t capture = c->open[--c->depth];
    c->closed[capture] = true;
    new_item(c, CLOSE)->a = capture;
    return NULL;
}

static const char *read_same(struct compiler *c, char digit)
{
    int capture = digit - '1';
    if (capture < 0 || capture >= c->pattern->captures || !c->closed[capture])
        return "invalid capture index";
    new_item(c, SAME)->a = (uint8_t)capture;
    return NULL;
}

static const char *read_balance(struct compiler *c)
{
    if (c->end - c->at < 2)
        return "malformed pattern (missing arguments to '%b')";
    struct item *item = new_item(c, BALANCE);
    item->a = (uint8_t)*c->at++;
    item->b = (uint8_t)*c->at++;
    return NULL;
}

static const char *read_frontier(struct compiler *c)
{
    if (c->at == c->end || *c->at != '[')
        return "missing '[' after '%f' in pattern";
    c->at++;
    struct item *item = new_item(c, FRONTIER);
    item->set = c->sets;
    return read_set(c, new_set(c));
}

static void read_repeat(struct compiler *c, struct item *item)
{
    static const uint8_t repeats[256] = {
        ['?'] = MAYBE, ['*'] = GREEDY, ['+'] = GREEDY_SOME, ['-'] = LAZY};
    if (c->at < c->end)
        item->repeat = repeats[(unsigned char)*c->at];
    if (item->repeat != ONCE)
        c->at++;
}

/* A single byte of some kind, which may repeat. */
static const char *read_single(struct compiler *c, unsigned char byte)
{
    struct item *item = new_item(c, byte == '.' ? ANY : byte == '[' ? SET : BYTE);
    item->a = byte;
    if (byte == '[') {
        item->set = c->sets;
        const char *problem = read_set(c, new_set(c));
        if (problem)
            return problem;
    }
    read_repeat(c, item);
    return NULL;
}

static const char *read_escape(struct compiler *c)
{
    if (c->at == c->end)
        return "malformed pattern (ends with '%')";
    unsigned char letter = (unsigned char)*c->at++;
    if (letter == 'b')
        return read_balance(c);
    if (letter == 'f')
        return read_frontier(c);
    if (isdigit(letter))
        return read_same(c, (char)letter);
    struct item *item = new_item(c, isalpha(letter) ? SET : BYTE);
    item->a = letter;
    if (item->kind == SET) {
        item->set = c->sets;
        add_class(new_set(c), letter);
    }
    read_repeat(c, item);
    return NULL;
}

static const char *read_item(struct compiler *c)
{
    unsigned char byte = (unsigned char)*c->at++;
    switch (byte) {
    case '(':
        return read_open(c);
    case ')':
        return read_close(c);
    case '%':
        return read_escape(c);
    case '$':
        if (c->at == c->end) {
            new_item(c, SUBJECT_END);
            return NULL;
        }
        /* fall through */
    default:
        return read_single(c, byte);
    }
}

const char *pattern_compile(struct pattern *pattern, const char *text, size_t len,
                            bool anchors)
{
    char *memory = (char *)pattern + aligned(sizeof(*pattern));
    *pattern = (struct pattern){.sets = (struct set *)memory};
    memory += sets_of(len) * sizeof(struct set);
    pattern->items = (struct item *)memory;
    pattern->choices =
        (struct choice *)(memory + aligned((len + 1) * sizeof(struct item)));
    pattern->anchored = anchors && len && *text == '^';
    struct compiler c = {
        .pattern = pattern, .at = text + pattern->anchored, .end = text + len};
    while (c.at < c.end) {
        const char *problem = read_item(&c);
        if (problem)
            return problem;
    }
    new_item(&c, END);
    return c.depth ? "unfinished capture" : NULL;
}

bool pattern_anchored(const struct pattern *pattern)
{
    return pattern->anchored;
}
