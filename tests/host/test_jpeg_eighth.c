/* Pictures written and read by libjpeg say what is right. */
#include "check.h"
#include "jpeg_test.h"

struct kind {
    const char *name;
    int width, height;
    J_COLOR_SPACE space; /* in the file */
    int across, down;    /* samples of brightness to one of colour */
    int quality;
    unsigned restart; /* MCUs */
    bool progressive, noisy;
    int off; /* from libjpeg's; more: from the means of its whole picture; -1: is refused */
};

static const struct kind kinds[] = {
    {.name = "grey", 200, 120, JCS_GRAYSCALE, 1, 1, 85},
    {.name = "grey, of one block", 3, 5, JCS_GRAYSCALE, 1, 1, 85},
    {.name = "grey, said to be sampled", 75, 41, JCS_GRAYSCALE, 2, 2, 85},
    {.name = "noise", 203, 77, JCS_GRAYSCALE, 1, 1, 100, .noisy = true},
    {.name = "noise, coarse", 203, 77, JCS_GRAYSCALE, 1, 1, 5, .noisy = true},
    {.name = "restarts", 203, 77, JCS_GRAYSCALE, 1, 1, 95, .restart = 3, .noisy = true},
    {.name = "restarts all the time", 99, 99, JCS_YCbCr, 1, 1, 95, 1, .noisy = true},
    {.name = "4:4:4", 131, 67, JCS_YCbCr, 1, 1, 90, .noisy = true},
    {.name = "4:2:0", 128, 64, JCS_YCbCr, 2, 2, 90, .off = 6},
    {.name = "4:2:0 with restarts", 128, 64, JCS_YCbCr, 2, 2, 90, .restart = 5, .off = 6},
    {.name = "4:2:2", 128, 64, JCS_YCbCr, 2, 1, 90, .off = 6},
    {.name = "4:4:0", 128, 64, JCS_YCbCr, 1, 2, 90, .off = 6},
    {.name = "4:1:1", 131, 67, JCS_YCbCr, 4, 1, 90, .off = -1},
    {.name = "RGB", 64, 64, JCS_RGB, 1, 1, 90, .off = -1},
    {.name = "CMYK", 64, 64, JCS_CMYK, 1, 1, 90, .off = -1},
    {.name = "progressive", 64, 64, JCS_YCbCr, 2, 2, 90, .progressive = true, .off = -1},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), FLIPS = 100 };

struct file {
    unsigned char *data;
    unsigned long len;
};

static unsigned sample(const struct kind *kind, int x, int y, int band)
{
    static unsigned random = 1;
    random = random * 1103515245 + 12345;
    if (kind->noisy)
        return random >> 16 & 255;
    static const int slopes[4][2] = {{8, 2}, {-8, 9}, {3, -9}, {0, 1}}; /* of eighths */
    int value = 128 + (slopes[band][0] * (x - 64) + slopes[band][1] * (y - 32)) / 8;
    return (unsigned)(x / 24 == 2 ? 250 : value < 0 ? 0 : value > 255 ? 255 : value);
}

static void write_lines(struct jpeg_compress_struct *cinfo, const struct kind *kind)
{
    unsigned char *line = malloc((size_t)kind->width * (size_t)cinfo->input_components);
    while (cinfo->next_scanline < cinfo->image_height) {
        int y = (int)cinfo->next_scanline, bands = cinfo->input_components;
        for (int i = 0; i < kind->width * bands; i++)
            line[i] = (unsigned char)sample(kind, i / bands, y, i % bands);
        jpeg_write_scanlines(cinfo, &line, 1);
    }
    free(line);
}

static struct file write_file(const struct kind *kind)
{
    struct file file = {0};
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &file.data, &file.len);
    cinfo.image_width = (JDIMENSION)kind->width;
    cinfo.image_height = (JDIMENSION)kind->height;
    cinfo.in_color_space = kind->space == JCS_YCbCr ? JCS_RGB : kind->space;
    cinfo.input_components = kind->space == JCS_GRAYSCALE ? 1
                             : kind->space == JCS_CMYK    ? 4
                                                          : 3;
    jpeg_set_defaults(&cinfo);
    jpeg_set_colorspace(&cinfo, kind->space);
    jpeg_set_quality(&cinfo, kind->quality, TRUE);
    cinfo.comp_info[0].h_samp_factor = kind->across;
    cinfo.comp_info[0].v_samp_factor = kind->down;
    cinfo.restart_interval = kind->restart;
    cinfo.optimize_coding = kind->noisy;
    if (kind->progressive)
        jpeg_simple_progression(&cinfo);
    jpeg_start_compress(&cinfo, TRUE);
    write_lines(&cinfo, kind);
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    return file;
}

/* In memory of exactly that size: a byte too far is found. */
static bool read_copy(const void *data, size_t len, struct jpeg_eighth *small)
{
    void *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    bool done = jpeg_eighth(copy, len, small);
    free(copy);
    return done;
}

/* Each pixel the mean of 8 x 8. */
static struct jpeg_eighth means_of(const struct jpeg_eighth *whole)
{
    struct jpeg_eighth small = {whole->width / 8, whole->height / 8, whole->bands, NULL};
    small.pixels = malloc((size_t)(small.width * small.height * small.bands));
    for (int i = 0; i < small.width * small.height * small.bands; i++) {
        int band = i % small.bands, x = i / small.bands % small.width;
        int y = i / small.bands / small.width, sum = 32;
        for (int at = 0; at < 64; at++)
            sum += whole->pixels[((y * 8 + at / 8) * whole->width + x * 8 + at % 8) *
                                     whole->bands +
                                 band];
        small.pixels[i] = (unsigned char)(sum / 64);
    }
    return small;
}

static struct jpeg_eighth expected_of(const struct kind *kind, const struct file *file)
{
    struct jpeg_eighth expected = {0}, whole = {0};
    CHECK(jpeg_reference(file->data, file->len, 8, &expected));
    if (kind->off > 0) {
        free(expected.pixels);
        CHECK(jpeg_reference(file->data, file->len, 1, &whole));
        expected = means_of(&whole);
        free(whole.pixels);
    }
    return expected;
}

static void makes_what_libjpeg_makes(void)
{
    for (int i = 0; i < KINDS; i++) {
        struct file file = write_file(&kinds[i]);
        struct jpeg_eighth small = {0}, expected = expected_of(&kinds[i], &file);
        bool done = read_copy(file.data, file.len, &small);
        bool right = done == (kinds[i].off >= 0) &&
                     (!done || jpeg_difference(&small, &expected) <= kinds[i].off);
        if (!right)
            fprintf(stderr, "%s: %s, off by %d\n", kinds[i].name,
                    done ? "taken" : "refused",
                    done ? jpeg_difference(&small, &expected) : 0);
        CHECK(right);
        free(small.pixels);
        free(expected.pixels);
        free(file.data);
    }
}

/* Wherever it is cut off, up to its last two bytes, which are the marker of the end: at
 * each of the bytes before those, and now and then before. */
static void refuses_what_is_cut_off(void)
{
    for (int i = 0; i < KINDS; i++) {
        struct file file = write_file(&kinds[i]);
        size_t end = kinds[i].off < 0 ? 0 : file.len - 2;
        for (size_t len = 0; len<end; len += end - len> 40 ? 29 : 1) {
            struct jpeg_eighth small;
            bool done = read_copy(file.data, len, &small);
            CHECK(!done);
            if (done)
                free(small.pixels);
        }
        free(file.data);
    }
}

/* No code is all ones: where there are 32 of them, one of them begins a code. A restart
 * with a byte too many before it is none either. */
static void refuses_what_no_codes_say(void)
{
    for (int i = 0; i < KINDS; i++) {
        struct file file = write_file(&kinds[i]);
        struct jpeg_eighth small;
        unsigned char *at = file.data + file.len * 3 / 4;
        if (kinds[i].restart)
            while (at[0] != 0xff || (at[1] & 0xf8) != 0xd0)
                at++;
        memmove(at + 1, at, (size_t)(file.data + file.len - at) - 1);
        if (!kinds[i].restart)
            memcpy(at, "\xff\0\xff\0\xff\0\xff", 8);
        else
            *at = 0x55;
        CHECK(file.len < 1200 || !read_copy(file.data, file.len, &small));
        free(file.data);
    }
}

static void survives_what_is_damaged(void)
{
    unsigned random = 1;
    for (int i = 0; i < KINDS; i++) {
        struct file file = write_file(&kinds[i]);
        for (int flip = 0; flip < FLIPS; flip++) {
            random = random * 1103515245 + 12345;
            size_t at = (random >> 8) % file.len;
            unsigned char before = file.data[at];
            file.data[at] ^= (unsigned char)(1 << flip % 8);
            struct jpeg_eighth small, expected = {0};
            if (read_copy(file.data, file.len, &small)) {
                if (jpeg_reference(file.data, file.len, 8, &expected) &&
                    kinds[i].off == 0)
                    CHECK(jpeg_difference(&small, &expected) == 0);
                free(small.pixels);
                free(expected.pixels);
            }
            file.data[at] = before;
        }
        free(file.data);
    }
}

/* A scan of a few bytes under a header that claims 65 000 x 65 000 pixels. */
static void takes_no_memory_for_what_is_not_there(void)
{
    struct file file = write_file(&kinds[0]);
    unsigned char *size = NULL;
    for (unsigned char *at = file.data; !size; at++)
        if (at[0] == 0xff && at[1] == 0xc0)
            size = at + 5;
    memcpy(size, "\xfd\xe8\xfd\xe8", 4);
    struct jpeg_eighth small;
    CHECK(!read_copy(file.data, file.len, &small));
    free(file.data);
}

int main(void)
{
    RUN(makes_what_libjpeg_makes);
    RUN(refuses_what_is_cut_off);
    RUN(refuses_what_no_codes_say);
    RUN(survives_what_is_damaged);
    RUN(takes_no_memory_for_what_is_not_there);
    return check_result("jpeg_eighth");
}
