/* Version 7: 48 bits of Unix ms, 12 bits of counter, 62 random bits.
 *
 * The counter is the "fixed bit-length dedicated counter" of RFC 9562 section 6.2: each
 * ms it starts at a random number below 2048, which leaves at least 2048 steps; when they
 * are used up the time is set one ms ahead. `clock.ms` therefore never goes back and may
 * lead by a little.
 *
 * The random bits are read anew for each one: a buffer of them would be shared by forked
 * processes. */
#include "uuid.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum {
    COUNTER_START = 2048,
    COUNTER_END = 4096,
};

/* What the latest one was made of. */
static struct {
    pthread_mutex_t lock;
    uint64_t ms;
    unsigned counter;
} clock_state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static unsigned next_tick(unsigned start, uint64_t *ms)
{
    uint64_t now = now_ms();
    pthread_mutex_lock(&clock_state.lock);
    if (now > clock_state.ms) {
        clock_state.ms = now;
        clock_state.counter = start;
    } else if (++clock_state.counter == COUNTER_END) {
        clock_state.ms++;
        clock_state.counter = start;
    }
    *ms = clock_state.ms;
    unsigned counter = clock_state.counter;
    pthread_mutex_unlock(&clock_state.lock);
    return counter;
}

static bool is_dash(size_t position)
{
    return position == 8 || position == 13 || position == 18 || position == 23;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

void uuid_v7(char out[UUID_TEXT + 1])
{
    unsigned char random[10];
    if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
        perror("fixxit: getrandom");
        abort();
    }
    uint64_t ms;
    unsigned counter = next_tick((random[8] << 8 | random[9]) % COUNTER_START, &ms);
    unsigned char bytes[16];
    for (int i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
    bytes[6] = (unsigned char)(0x70 | counter >> 8);
    bytes[7] = (unsigned char)counter;
    bytes[8] = 0x80 | (random[0] & 0x3f);
    for (int i = 1; i < 8; i++)
        bytes[8 + i] = random[i];

    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (is_dash(at))
            out[at++] = '-';
        out[at++] = digits[bytes[i] >> 4];
        out[at++] = digits[bytes[i] & 15];
    }
    out[at] = '\0';
}

bool uuid_is(const char *text, size_t len)
{
    if (len != UUID_TEXT)
        return false;
    for (size_t i = 0; i < len; i++)
        if (is_dash(i) ? text[i] != '-' : hex_value(text[i]) < 0)
            return false;
    return true;
}

bool uuid_time_ms(const char *text, size_t len, int64_t *ms)
{
    if (!uuid_is(text, len) || text[14] != '7')
        return false;
    *ms = 0;
    for (size_t i = 0; i < 13; i++) /* 8 digits, a dash, 4 digits */
        if (!is_dash(i))
            *ms = *ms << 4 | hex_value(text[i]);
    return true;
}
