/* Matching: one loop over the items, a stack of the choices that are open. */
#include "pattern_items.h"
#include <string.h>

enum {
    STEPS_AT_ONCE = 256, /* told together */
    BYTES_PER_STEP = 32, /* of loops that do nothing but compare */
};

struct matcher {
    const struct pattern *pattern;
    const char *subject;
    size_t len;
    struct pattern_match *match;
    unsigned steps;
    pattern_charge_cb charge;
    void *arg;
};

static void step(struct matcher *m, size_t steps)
{
    m->steps += (unsigned)steps;
    if (m->steps >= STEPS_AT_ONCE) {
        unsigned told = m->steps;
        m->steps = 0;
        m->charge(m->arg, told);
    }
}

static bool accepts(const struct matcher *m, const struct item *item, size_t at)
{
    if (at >= m->len)
        return false;
    unsigned char byte = (unsigned char)m->subject[at];
    return item->kind == ANY ||
           (item->kind == BYTE ? byte == item->a
                               : has(&m->pattern->sets[item->set], byte));
}

/* How many bytes in a row it takes, at most `most`. */
static size_t span(struct matcher *m, const struct item *item, size_t at, size_t most)
{
    size_t count = 0;
    if (item->kind == ANY)
        count = m->len - at < most ? m->len - at : most;
    else
        while (count < most && accepts(m, item, at + count))
            count++;
    step(m, count / BYTES_PER_STEP);
    return count;
}

/* Each of these moves `at` over what the item takes, or says that it does not fit. */
static bool match_same(struct matcher *m, const struct item *item, size_t *at)
{
    ptrdiff_t len = m->match->capture[item->a].len;
    if (len == PATTERN_POSITION || (size_t)len > m->len - *at)
        return false;
    step(m, (size_t)len / BYTES_PER_STEP);
    if (memcmp(m->subject + m->match->capture[item->a].start, m->subject + *at,
               (size_t)len) != 0)
        return false;
    *at += (size_t)len;
    return true;
}

static bool match_balance(struct matcher *m, const struct item *item, size_t *at)
{
    if (*at == m->len || (uint8_t)m->subject[*at] != item->a)
        return false;
    size_t depth = 1, i = *at + 1;
    for (; i < m->len && depth; i++) {
        uint8_t byte = (uint8_t)m->subject[i];
        if (byte == item->b)
            depth--;
        else if (byte == item->a)
            depth++;
    }
    step(m, (i - *at) / BYTES_PER_STEP);
    if (depth)
        return false;
    *at = i;
    return true;
}

static bool match_frontier(const struct matcher *m, const struct item *item, size_t at)
{
    const struct set *set = &m->pattern->sets[item->set];
    unsigned char before = at ? (unsigned char)m->subject[at - 1] : 0;
    unsigned char behind = at < m->len ? (unsigned char)m->subject[at] : 0;
    return !has(set, before) && has(set, behind);
}

static bool match_single(struct matcher *m, uint16_t index, size_t *at,
                         struct choice **open)
{
    const struct item *item = &m->pattern->items[index];
    if (item->repeat == LAZY) {
        *(*open)++ = (struct choice){.item = index, .lazy = 1, .low = (uint32_t)*at};
        return true;
    }
    size_t least = item->repeat == ONCE || item->repeat == GREEDY_SOME;
    size_t most = item->repeat == ONCE || item->repeat == MAYBE ? 1 : SIZE_MAX;
    size_t count = span(m, item, *at, most);
    if (count < least)
        return false;
    if (count > least)
        *(*open)++ = (struct choice){.item = index,
                                     .low = (uint32_t)(*at + least),
                                     .high = (uint32_t)(*at + count)};
    *at += count;
    return true;
}

static bool match_item(struct matcher *m, uint16_t index, size_t *at,
                       struct choice **open)
{
    const struct item *item = &m->pattern->items[index];
    struct pattern_match *match = m->match;
    switch (item->kind) {
    case SUBJECT_END:
        return *at == m->len;
    case OPEN:
        match->capture[item->a].start = *at;
        return true;
    case CLOSE:
        match->capture[item->a].len = (ptrdiff_t)(*at - match->capture[item->a].start);
        return true;
    case POSITION:
        match->capture[item->a].start = *at;
        match->capture[item->a].len = PATTERN_POSITION;
        return true;
    case SAME:
        return match_same(m, item, at);
    case BALANCE:
        return match_balance(m, item, at);
    case FRONTIER:
        return match_frontier(m, item, *at);
    default:
        return match_single(m, index, at, open);
    }
}

/* Takes the newest choice that is left another way: false when there is none. */
static bool go_back(struct matcher *m, uint16_t *index, size_t *at, struct choice **open)
{
    while (*open > m->pattern->choices) {
        struct choice *choice = *open - 1;
        step(m, 1);
        *index = (uint16_t)(choice->item + 1);
        if (choice->lazy) {
            if (accepts(m, &m->pattern->items[choice->item], choice->low)) {
                *at = ++choice->low;
                return true;
            }
            --*open;
        } else {
            *at = --choice->high;
            if (choice->high == choice->low)
                --*open;
            return true;
        }
    }
    return false;
}

static bool match_at(struct matcher *m, size_t at)
{
    struct choice *open = m->pattern->choices;
    uint16_t index = 0;
    m->match->start = at;
    while (m->pattern->items[index].kind != END) {
        step(m, 1);
        if (match_item(m, index, &at, &open))
            index++;
        else if (!go_back(m, &index, &at, &open))
            return false;
    }
    m->match->end = at;
    return true;
}

bool pattern_find(struct pattern *pattern, const char *subject, size_t len, size_t from,
                  struct pattern_match *match, pattern_charge_cb charge, void *arg)
{
    struct matcher m = {.pattern = pattern,
                        .subject = subject,
                        .len = len,
                        .match = match,
                        .charge = charge,
                        .arg = arg};
    match->captures = pattern->captures;
    bool found;
    do {
        step(&m, 1);
        found = match_at(&m, from);
    } while (!found && !pattern->anchored && ++from <= len);
    charge(arg, m.steps);
    return found;
}
