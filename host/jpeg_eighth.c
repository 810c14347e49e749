/* libjpeg reads what comes before the scan, tables included. The scan is one block after
 * the other: a code for how many bits of difference to the block before follow, that is
 * the first coefficient; then codes for how many zeros, and how many bits of a
 * coefficient, follow (ITU-T T.81, F.2.2). Every code is checked to be in its table, every
 * block to end where a block ends, and every bit to be there. */
#include "jpeg_eighth.h"
#include "mem.h"
#include <endian.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h> /* for jpeglib.h */
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include <jpeglib.h>

enum {
    LOOK = 11, /* bits that are looked at at once */
    CODE_MAX = 16,
    SIZE_MAX_OF_VALUE = 15, /* bits of a coefficient */
    BLOCK_MAX = 272, /* bytes: 64 times a code of 16 bits and a coefficient of 15; and
                        what is read ahead, twice */
    WINDOW = 8192,
    COMPONENTS = 3,
    STEP_BITS = 25,           /* at most; with CODE_MAX and SIZE_MAX_OF_VALUE 56 */
    STEP_NONE = 2 * DCTSIZE2, /* the bits are no code */
    STEP_LAST = 4 * DCTSIZE2, /* the block ends */
    MIDDLE = 128,
    FEW = 5,         /* coefficients that tell halves and quarters apart: 0, 1, 2 and 4 */
    LEVEL_MAX = 512, /* what is further from the middle is damage */
};

/* What some bits of a scan say of the coefficients after the first. */
struct step {
    uint16_t bits;
    uint16_t reach; /* coefficients told of, or STEP_NONE; and STEP_LAST */
};

/* Codes of one length are numbers in a row, and so are their symbols. */
struct codes {
    bool made;
    int32_t end[CODE_MAX + 1];   /* by length: the code after the last */
    int32_t shift[CODE_MAX + 1]; /* from a code to the place of its symbol */
    uint8_t symbols[256];
    uint16_t found[1 << LOOK];    /* length << 8 | symbol; 0: longer than LOOK, or none */
    struct step steps[1 << LOOK]; /* of as many codes as are whole in these bits */
};

struct component {
    struct codes *first, *others;
    const UINT16 *quanta; /* by row and column of a block's coefficients */
    int16_t value;        /* of the block before; wraps as libjpeg's does */
    int wide, high;       /* pixels of a block: 1, or 2 where this is sampled at half */
    size_t stride;
    uint8_t *pixels; /* of all blocks */
};

/* Small, and copied to where it is used much, so that it stays in registers. */
struct reader {
    const uint8_t *next; /* byte of the window */
    uint64_t bits;       /* the next ones on top */
    unsigned have;
};

struct decoder {
    struct jpeg_decompress_struct header;
    struct jpeg_error_mgr errors;
    jmp_buf broken;
    struct codes codes[2][NUM_HUFF_TBLS]; /* of first coefficients, of the others */
    struct component components[COMPONENTS];
    int count;               /* of components */
    int across, down;        /* an MCU, in blocks of what is sampled most */
    int columns, rows;       /* of MCUs */
    const uint8_t *at, *end; /* what is left of the scan */
    uint8_t window[WINDOW + BLOCK_MAX];
    uint8_t *last; /* the end of what is in the window */
    bool whole;    /* it goes as far as the next marker */
    struct reader reader;
};

static uint8_t clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static int round_up(int sum, int part)
{
    return (sum + part - 1) / part;
}

/* ---- codes ---- */

static unsigned look(uint64_t bits)
{
    return (unsigned)(bits >> (64 - LOOK));
}

/* The code that the bits begin with: its length << 8 | symbol, 0 for none. */
static unsigned find(const struct codes *codes, uint64_t bits)
{
    unsigned found = codes->found[look(bits)];
    for (int length = LOOK + 1; !found && length <= CODE_MAX; length++) {
        int32_t code = (int32_t)(bits >> (64 - length));
        if (code < codes->end[length])
            found = (unsigned)length << 8 | codes->symbols[codes->shift[length] + code];
    }
    return found;
}

static struct step step_of(unsigned found)
{
    unsigned length = found >> 8, zeros = found >> 4 & 15, size = found & 15;
    unsigned reach = !length ? STEP_NONE : !size && zeros < 15 ? STEP_LAST : zeros + 1;
    return (struct step){(uint16_t)(length + size), (uint16_t)reach};
}

/* Takes code after code, as long as all bits of the code itself are known. */
static struct step steps_of(const struct codes *codes, unsigned bits)
{
    struct step all = {0};
    while (all.bits < LOOK && all.reach < DCTSIZE2) {
        unsigned found = codes->found[bits << all.bits & ((1 << LOOK) - 1)];
        struct step next = step_of(found);
        if (!found || all.bits + (found >> 8) > LOOK || all.bits + next.bits > STEP_BITS)
            break;
        all.bits += next.bits;
        all.reach += next.reach;
    }
    return all.bits ? all : (struct step){.reach = STEP_NONE};
}

/* False when the table is none, or has a code of all ones or more. */
static bool make_codes(struct codes *codes, const JHUFF_TBL *table)
{
    int32_t code = 0, symbol = 0;
    for (int length = 1; length <= CODE_MAX; length++, code <<= 1) {
        int count = table->bits[length];
        if (symbol + count > 256 || code + count >= 1 << length)
            return false;
        codes->shift[length] = symbol - code;
        for (int end = symbol + count; symbol < end; symbol++, code++) {
            codes->symbols[symbol] = table->huffval[symbol];
            for (int rest = 0; length <= LOOK && rest < 1 << (LOOK - length); rest++)
                codes->found[(code << (LOOK - length)) + rest] =
                    (uint16_t)(length << 8 | table->huffval[symbol]);
        }
        codes->end[length] = code;
    }
    for (unsigned bits = 0; bits < 1 << LOOK; bits++)
        codes->steps[bits] = steps_of(codes, bits);
    codes->made = true;
    return true;
}

/* NULL when there is no such table, or it makes no sense. */
static struct codes *codes_of(struct decoder *d, int kind, int number)
{
    JHUFF_TBL *const *tables =
        kind == 0 ? d->header.dc_huff_tbl_ptrs : d->header.ac_huff_tbl_ptrs;
    if (number < 0 || number >= NUM_HUFF_TBLS || !tables[number])
        return NULL;
    struct codes *codes = &d->codes[kind][number];
    return codes->made || make_codes(codes, tables[number]) ? codes : NULL;
}

/* ---- the scan ---- */

/* So that a block's bits are in the window, unless a marker comes sooner: zeros stand in
 * for what would follow. In a scan a byte of ones is followed by one of zeros, which is
 * none of it. */
static void fill_window(struct decoder *d)
{
    if (d->last - d->reader.next >= BLOCK_MAX || d->whole)
        return;
    size_t room = WINDOW - (size_t)(d->last - d->reader.next);
    memmove(d->window, d->reader.next, WINDOW - room);
    d->reader.next = d->window;
    d->last = d->window + WINDOW - room;
    while (room > 0 && !d->whole) {
        size_t most = MIN(room, (size_t)(d->end - d->at));
        const uint8_t *ones = memchr(d->at, 0xff, most);
        size_t plain = ones ? (size_t)(ones - d->at) : most;
        memcpy(d->last, d->at, plain);
        d->last += plain;
        d->at += plain;
        room -= plain;
        d->whole = d->at == d->end || (ones && (d->end - d->at < 2 || d->at[1] != 0));
        if (ones && !d->whole) {
            *d->last++ = 0xff;
            d->at += 2;
            room--;
        }
    }
    memset(d->last, 0, BLOCK_MAX);
}

/* At least 56. Those of a byte that did not fit whole are there already, and
 * come to the same place again. */
static inline void fill_bits(struct reader *r)
{
    uint64_t eight;
    memcpy(&eight, r->next, sizeof(eight));
    r->bits |= be64toh(eight) >> r->have;
    r->next += (63 - r->have) / 8;
    r->have |= 56;
}

static inline void drop_bits(struct reader *r, unsigned bits)
{
    r->bits <<= bits;
    r->have -= bits;
}

/* The bits after a code. The first is 0 for what is less than none. */
static inline int value_of(uint64_t bits, unsigned length, unsigned size)
{
    int value = size ? (int)(bits << length >> (64 - size)) : 0;
    return size && value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
}

/* The first coefficient of a block, as the difference to the one before. */
static bool read_first(struct reader *r, struct component *c)
{
    fill_bits(r);
    unsigned found = find(c->first, r->bits);
    unsigned length = found >> 8, size = found & 0xff;
    if (!found || size > SIZE_MAX_OF_VALUE)
        return false;
    c->value += value_of(r->bits, length, size);
    drop_bits(r, length + size);
    return true;
}

/* The next ones, to be found at their number; how far that was. */
static unsigned read_few(struct reader *r, const struct codes *codes, int few[FEW])
{
    unsigned reach = 1;
    while (reach < FEW) {
        fill_bits(r);
        unsigned found = find(codes, r->bits), size = found & 15;
        struct step step = step_of(found);
        reach += step.reach;
        if (size && reach <= FEW)
            few[reach - 1] = value_of(r->bits, found >> 8, size);
        drop_bits(r, step.bits);
    }
    return reach;
}

/* Whether a block can end with as many coefficients: when all are told of, or some are not
 * and the end was. */
static bool is_end(unsigned reach)
{
    return reach == DCTSIZE2 || (reach >= STEP_LAST && reach < STEP_LAST + DCTSIZE2);
}

/* The rest of those from `reach` on; false when the block does not end as one does. */
static bool skip_rest(struct reader *reader, const struct codes *codes, unsigned reach)
{
    struct reader r = *reader;
    while (reach < DCTSIZE2) {
        fill_bits(&r);
        struct step step = codes->steps[look(r.bits)];
        if (reach + step.reach >= DCTSIZE2 && !is_end(reach + step.reach))
            step = step_of(find(codes, r.bits));
        drop_bits(&r, step.bits);
        reach += step.reach;
        step = codes->steps[look(r.bits)]; /* one more, for which there are bits enough */
        if (reach + step.reach < DCTSIZE2) {
            drop_bits(&r, step.bits);
            reach += step.reach;
        }
    }
    *reader = r;
    return is_end(reach);
}

/* How many bits there are before the next marker, less than none when more were used. */
static ptrdiff_t bits_left(const struct decoder *d)
{
    return (d->last - d->reader.next) * 8 + (ptrdiff_t)d->reader.have;
}

/* The means of halves or quarters of a block. They differ from its own by the first waves
 * in each direction and in both: half a wave's mean is 0.906, a quarter's of both 0.821. */
static void put_parts(const struct component *c, const int few[FEW], uint8_t *pixels)
{
    const UINT16 *quanta = c->quanta;
    float all = (float)(few[0] * quanta[0]) / 8 + MIDDLE + 0.5F;
    float right = (float)(few[1] * quanta[1]) * (0.906F / 8);
    float down = (float)(few[2] * quanta[DCTSIZE]) * (0.906F / 8);
    float both = (float)(few[4] * quanta[DCTSIZE + 1]) * (0.821F / 8);
    if (c->wide == 1)
        right = both = 0;
    if (c->high == 1)
        down = both = 0;
    for (int y = 0; y < c->high; y++, down = -down, both = -both) {
        pixels[(size_t)y * c->stride] = clamp((int)(all + right + down + both));
        if (c->wide > 1)
            pixels[(size_t)y * c->stride + 1] = clamp((int)(all - right + down - both));
    }
}

/* The mean of a block is its first coefficient through 8, rounded as libjpeg does. */
static bool read_block(struct decoder *d, struct component *c, uint8_t *pixels)
{
    int few[FEW] = {0};
    bool has_parts = c->wide * c->high > 1;
    fill_window(d);
    if (!read_first(&d->reader, c))
        return false;
    unsigned reach = has_parts ? read_few(&d->reader, c->others, few) : 1;
    if (!skip_rest(&d->reader, c->others, reach) || bits_left(d) < 0)
        return false;
    few[0] = c->value;
    int level = (c->value * c->quanta[0] + 4) >> 3;
    if (has_parts)
        put_parts(c, few, pixels);
    else
        *pixels = clamp(level + MIDDLE);
    return level >= -LEVEL_MAX && level < LEVEL_MAX;
}

static bool read_mcu(struct decoder *d, int column, int row)
{
    for (struct component *c = d->components; c < d->components + d->count; c++) {
        uint8_t *line = c->pixels + (size_t)(row * d->down) * c->stride +
                        (size_t)(column * d->across);
        for (int y = 0; y < d->down; y += c->high, line += (size_t)c->high * c->stride)
            for (int x = 0; x < d->across; x += c->wide)
                if (!read_block(d, c, line + x))
                    return false;
    }
    return true;
}

/* Markers count from 0 to 7 and on from 0; the bits before one fill up a byte. */
static bool restart(struct decoder *d, unsigned number)
{
    fill_window(d);
    if (bits_left(d) >= 8 || d->end - d->at < 2 || d->at[0] != 0xff ||
        d->at[1] != JPEG_RST0 + (number & 7))
        return false;
    d->at += 2;
    d->reader = (struct reader){.next = d->last};
    d->whole = false;
    for (int i = 0; i < d->count; i++)
        d->components[i].value = 0;
    return true;
}

static bool read_scan(struct decoder *d)
{
    unsigned interval = d->header.restart_interval, done = 0;
    for (int row = 0; row < d->rows; row++)
        for (int column = 0; column < d->columns; column++, done++) {
            if (interval && done && done % interval == 0 &&
                !restart(d, done / interval - 1))
                return false;
            if (!read_mcu(d, column, row))
                return false;
        }
    return true;
}

/* ---- the picture ---- */

/* As libjpeg reckons, in 65536ths. */
static void make_rgb(uint8_t *pixel)
{
    int y = pixel[0] * 65536 + 32768, cb = pixel[1] - MIDDLE, cr = pixel[2] - MIDDLE;
    pixel[0] = clamp((y + 91881 * cr) >> 16);
    pixel[1] = clamp((y - 22554 * cb - 46802 * cr) >> 16);
    pixel[2] = clamp((y + 116130 * cb) >> 16);
}

static void put_together(const struct decoder *d, struct jpeg_eighth *small)
{
    small->width = round_up((int)d->header.image_width, DCTSIZE);
    small->height = round_up((int)d->header.image_height, DCTSIZE);
    small->bands = d->count;
    small->pixels = mem_new((size_t)(small->width * small->height * small->bands));
    uint8_t *pixel = small->pixels;
    for (int y = 0; y < small->height; y++)
        for (int x = 0; x < small->width; x++, pixel += small->bands) {
            for (int i = 0; i < d->count; i++) {
                const struct component *c = &d->components[i];
                pixel[i] = c->pixels[(size_t)y * c->stride + (size_t)x];
            }
            if (d->count > 1)
                make_rgb(pixel);
        }
}

/* ---- what comes before the scan ---- */

_Noreturn static void on_error(j_common_ptr header)
{
    longjmp(((struct decoder *)header)->broken, 1);
}

static void on_message(j_common_ptr header, int level)
{
    if (level < 0) /* a warning */
        on_error(header);
}

static bool read_header(struct decoder *d, const void *data, size_t len)
{
    d->header.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    if (setjmp(d->broken))
        return false;
    jpeg_create_decompress(&d->header);
    jpeg_mem_src(&d->header, data, len);
    return jpeg_read_header(&d->header, TRUE) == JPEG_HEADER_OK;
}

static bool is_plain(const struct jpeg_decompress_struct *h)
{
    return !h->progressive_mode && !h->arith_code && h->data_precision == 8 &&
           h->comps_in_scan == h->num_components && h->Ss == 0 && h->Se == DCTSIZE2 - 1 &&
           h->Ah == 0 && h->Al == 0 &&
           ((h->num_components == 1 && h->jpeg_color_space == JCS_GRAYSCALE) ||
            (h->num_components == COMPONENTS && h->jpeg_color_space == JCS_YCbCr));
}

/* Its tables and its room. One component alone comes block by block, however it is
 * sampled. */
static bool make_component(struct decoder *d, int i)
{
    const jpeg_component_info *info = &d->header.comp_info[i];
    struct component *c = &d->components[i];
    if (d->header.cur_comp_info[i] != info || info->quant_tbl_no < 0 ||
        info->quant_tbl_no >= NUM_QUANT_TBLS ||
        !d->header.quant_tbl_ptrs[info->quant_tbl_no])
        return false;
    c->quanta = d->header.quant_tbl_ptrs[info->quant_tbl_no]->quantval;
    c->first = codes_of(d, 0, info->dc_tbl_no);
    c->others = codes_of(d, 1, info->ac_tbl_no);
    int across = d->count > 1 ? info->h_samp_factor : 1;
    int down = d->count > 1 ? info->v_samp_factor : 1;
    c->wide = d->across / across;
    c->high = d->down / down;
    c->stride = (size_t)(d->columns * d->across);
    c->pixels = mem_new(c->stride * (size_t)(d->rows * d->down));
    return c->first && c->others && c->wide <= 2 && c->high <= 2 &&
           c->wide * across == d->across && c->high * down == d->down;
}

static bool prepare(struct decoder *d)
{
    const struct jpeg_decompress_struct *h = &d->header;
    if (!is_plain(h))
        return false;
    d->at = h->src->next_input_byte;
    d->end = d->at + h->src->bytes_in_buffer;
    d->reader.next = d->last = d->window;
    d->count = h->num_components;
    d->across = d->count > 1 ? h->max_h_samp_factor : 1;
    d->down = d->count > 1 ? h->max_v_samp_factor : 1;
    d->columns = round_up((int)h->image_width, DCTSIZE * d->across);
    d->rows = round_up((int)h->image_height, DCTSIZE * d->down);
    /* A block takes two bits at least. */
    if ((size_t)d->columns * (size_t)d->rows * (size_t)d->count / 4 >
        h->src->bytes_in_buffer)
        return false;
    for (int i = 0; i < d->count; i++)
        if (!make_component(d, i))
            return false;
    return true;
}

bool jpeg_eighth(const void *data, size_t len, struct jpeg_eighth *small)
{
    struct decoder *d = mem_new(sizeof(*d));
    bool done = read_header(d, data, len) && prepare(d) && read_scan(d);
    if (done)
        put_together(d, small);
    jpeg_destroy_decompress(&d->header);
    for (int i = 0; i < COMPONENTS; i++)
        free(d->components[i].pixels);
    free(d);
    return done;
}
