/* Version 7: 48 bits of Unix ms, 12 bits of counter, 62 random bits.
 *
 * The counter is the "fixed bit-length dedicated counter" of RFC 9562 section 6.2: each
 * ms it starts at a random number below 2048, which leaves at least 2048 steps; when they
 * are used up the time is set one ms ahead. `clock.ms` therefore never goes back and may
 * lead by a little.
 *
 * Random bytes are fetched for many at a time, since each call costs more than the rest. A child
 * process throws away what its parent fetched. */
#include "uuid.h"
#include "crypto.h"
#include <pthread.h>
#include <string.h>
#include <time.h>

enum {
    UUID_BYTES = UUID_HEX / 2,
    RANDOM = 10, /* bytes of one */
    FETCHED = 64 * RANDOM,
    COUNTER_START = 2048,
    COUNTER_END = 4096,
};

/* What the latest one was made of, and what the next ones will be. */
static struct {
    pthread_mutex_t lock;
    uint64_t ms;
    unsigned counter;
    size_t left; /* random bytes not used yet, at the end */
    unsigned char random[FETCHED];
} clock_state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void forget_random(void)
{
    clock_state.left = 0;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_random);
}

/* With the lock held. */
static void take_random(unsigned char out[RANDOM])
{
    static pthread_once_t watched = PTHREAD_ONCE_INIT;
    pthread_once(&watched, watch_forks);
    if (!clock_state.left) {
        crypto_random(clock_state.random, FETCHED);
        clock_state.left = FETCHED;
    }
    clock_state.left -= RANDOM;
    memcpy(out, clock_state.random + clock_state.left, RANDOM);
}

/* Fills `random`, and *ms and the counter that is returned. */
static unsigned next_tick(unsigned char random[RANDOM], uint64_t *ms)
{
    uint64_t now = now_ms();
    pthread_mutex_lock(&clock_state.lock);
    take_random(random);
    unsigned start = (unsigned)(random[8] << 8 | random[9]) % COUNTER_START;
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

/* Fills the bytes of a new one. */
static void make(unsigned char bytes[UUID_BYTES])
{
    unsigned char random[RANDOM];
    uint64_t ms;
    unsigned counter = next_tick(random, &ms);
    for (int i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
    bytes[6] = (unsigned char)(0x70 | counter >> 8);
    bytes[7] = (unsigned char)counter;
    memcpy(bytes + 8, random, 8);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
}

static char *put_hex(char *out, const unsigned char *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return out;
}

void uuid_v7(char out[UUID_TEXT + 1])
{
    static const unsigned char groups[] = {4, 2, 2, 2, 6};
    unsigned char bytes[UUID_BYTES], *at = bytes;
    make(bytes);
    for (size_t i = 0; i < sizeof(groups); at += groups[i++]) {
        out = put_hex(out, at, groups[i]);
        *out++ = '-';
    }
    out[-1] = '\0';
}

void uuid_hex(char out[UUID_HEX + 1])
{
    unsigned char bytes[UUID_BYTES];
    make(bytes);
    *put_hex(out, bytes, UUID_BYTES) = '\0';
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
