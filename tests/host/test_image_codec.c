/* The decoders and encoders without process and jail, so that valgrind and ASan's leak
 * check see them too. What comes out of them is test_image.c's to look at. */
#include "check.h"
#include "image_codec.h"
#include <vips/vips.h>

enum { SIDE = 40, CUTS = 24, FLIPS = 48 };

static const struct image_limits limits = {.pixels = 1000000, .heic = true};
static const enum image_format formats[] = {IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP, IMAGE_GIF,
                                            IMAGE_AVIF};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };
static struct buf pictures[FORMATS];

static struct image_reply run(enum image_op op, const char *data, size_t len,
                              struct buf *output)
{
    struct image_request request = {
        .op = op, .quality = 80, .fit = IMAGE_COVER, .width = 16, .height = 12};
    struct image_reply reply = {0};
    image_codec_run(&request, data, len, &limits, &reply, output);
    return reply;
}

static void make_pictures(void)
{
    static const char *const endings[FORMATS] = {".jpg[Q=90]", ".png", ".webp", ".gif",
                                                 ".avif[effort=0]"};
    VipsImage *noise = NULL, *grey = NULL, *colour = NULL;
    vips_gaussnoise(&noise, SIDE, SIDE, "seed", 1, NULL);
    vips_cast_uchar(noise, &grey, NULL);
    vips_colourspace(grey, &colour, VIPS_INTERPRETATION_sRGB, NULL);
    for (int i = 0; i < FORMATS; i++) {
        void *data = NULL;
        size_t len = 0;
        CHECK(vips_image_write_to_buffer(colour, endings[i], &data, &len, NULL) == 0);
        buf_append(&pictures[i], data, len);
        g_free(data);
    }
    g_object_unref(noise);
    g_object_unref(grey);
    g_object_unref(colour);
}

static void does_each_operation_on_each_format(void)
{
    for (int i = 0; i < FORMATS; i++) {
        struct buf clean = {0}, small = {0}, none = {0};
        struct image_reply reply =
            run(IMAGE_INSPECT, pictures[i].data, pictures[i].len, &none);
        CHECK(reply.status == IMAGE_OK && reply.format == formats[i]);
        CHECK(reply.width == SIDE && reply.height == SIDE && !none.len);
        reply = run(IMAGE_CLEAN, pictures[i].data, pictures[i].len, &clean);
        CHECK(reply.status == IMAGE_OK && reply.width == SIDE);
        CHECK(image_sniff(clean.data, clean.len) == formats[i]);
        reply = run(IMAGE_THUMBNAIL, pictures[i].data, pictures[i].len, &small);
        CHECK(reply.status == IMAGE_OK && reply.width == 16 && reply.height == 12);
        CHECK(image_sniff(small.data, small.len) == formats[i]);
        buf_free(&clean);
        buf_free(&small);
    }
}

/* Stripes of colours that wide-gamut profiles have, lying on its side. */
static VipsImage *draw_photograph(void)
{
    VipsImage *places = NULL, *sum = NULL, *colours = NULL, *photograph = NULL;
    VipsBlob *profile = NULL;
    double slopes[] = {0.4, 0.7, 0.1}, shifts[] = {90, 10, 0};
    vips_xyz(&places, 400, 248, NULL);
    vips_bandmean(places, &sum, NULL);
    vips_linear(sum, &colours, slopes, shifts, 3, NULL);
    vips_cast_uchar(colours, &photograph, NULL);
    CHECK(vips_profile_load("p3", &profile, NULL) == 0);
    size_t len;
    const void *data = vips_blob_get(profile, &len);
    vips_image_set_blob_copy(photograph, VIPS_META_ICC_NAME, data, len);
    vips_image_set_int(photograph, VIPS_META_ORIENTATION, 6);
    photograph->Type = VIPS_INTERPRETATION_sRGB;
    vips_area_unref(VIPS_AREA(profile));
    g_object_unref(places);
    g_object_unref(sum);
    g_object_unref(colours);
    return photograph;
}

static VipsImage *make_thumbnail(VipsImage *picture, bool progressive)
{
    VipsImage *thumbnail = NULL, *pixels = NULL;
    struct image_request request = {.op = IMAGE_THUMBNAIL,
                                    .format = IMAGE_PNG,
                                    .quality = 80,
                                    .width = 28,
                                    .height = 31};
    struct image_reply reply = {0};
    struct buf output = {0};
    void *data = NULL;
    size_t len = 0;
    CHECK(vips_jpegsave_buffer(picture, &data, &len, "Q", 95, "interlace", progressive,
                               NULL) == 0);
    image_codec_run(&request, data, len, &limits, &reply, &output);
    CHECK(reply.status == IMAGE_OK && reply.width == 19 && reply.height == 31);
    CHECK(vips_pngload_buffer(output.data, output.len, &thumbnail, NULL) == 0);
    pixels = vips_image_copy_memory(thumbnail);
    g_object_unref(thumbnail);
    g_free(data);
    buf_free(&output);
    return pixels;
}

/* Progressive ones are decoded by vips alone: jpeg_eighth.h must not lose what is known of
 * a picture besides its pixels. */
static void a_photograph_looks_the_same_however_it_is_decoded(void)
{
    VipsImage *photograph = draw_photograph(), *difference = NULL, *size = NULL;
    VipsImage *ours = make_thumbnail(photograph, false);
    VipsImage *others = make_thumbnail(photograph, true);
    double most = 255;
    CHECK(vips_subtract(ours, others, &difference, NULL) == 0);
    CHECK(vips_abs(difference, &size, NULL) == 0);
    CHECK(vips_max(size, &most, NULL) == 0);
    if (most > 3)
        fprintf(stderr, "off by %g\n", most);
    CHECK(most <= 3);
    g_object_unref(photograph);
    g_object_unref(ours);
    g_object_unref(others);
    g_object_unref(difference);
    g_object_unref(size);
}

/* Whatever becomes of it: a sound answer, and an output only when there is one. */
static void use(const char *data, size_t len)
{
    for (int op = IMAGE_INSPECT; op <= IMAGE_THUMBNAIL; op++) {
        struct buf output = {0};
        struct image_reply reply = run((enum image_op)op, data, len, &output);
        CHECK(reply.status > IMAGE_STARTED && reply.status < IMAGE_STATUSES);
        CHECK(memchr(reply.message, '\0', sizeof(reply.message)) != NULL);
        CHECK((reply.status == IMAGE_OK && op != IMAGE_INSPECT) == (output.len > 0));
        buf_free(&output);
    }
}

/* In memory of exactly that size: a byte too far is found. */
static void survives_what_is_cut_off(void)
{
    for (int i = 0; i < FORMATS; i++)
        for (int cut = 0; cut < CUTS; cut++) {
            size_t len = pictures[i].len * (size_t)cut / CUTS;
            char *data = malloc(len ? len : 1);
            memcpy(data, pictures[i].data, len);
            use(data, len);
            free(data);
        }
}

static void survives_what_is_damaged(void)
{
    unsigned random = 1;
    for (int i = 0; i < FORMATS; i++)
        for (int flip = 0; flip < FLIPS; flip++) {
            size_t len = pictures[i].len;
            char *data = malloc(len);
            memcpy(data, pictures[i].data, len);
            for (int bytes = 0; bytes <= flip % 4; bytes++) {
                random = random * 1103515245 + 12345;
                size_t at = flip % 2 ? random / 65536 % 64 : random / 65536 % len;
                data[at] = (char)(random >> 8);
            }
            use(data, len);
            free(data);
        }
}

int main(void)
{
    struct err err;
    bool ready = image_codec_init(&limits, &err) == 0;
    CHECK(ready);
    if (!ready)
        return check_result("image_codec");
    make_pictures();
    RUN(does_each_operation_on_each_format);
    RUN(a_photograph_looks_the_same_however_it_is_decoded);
    RUN(survives_what_is_cut_off);
    RUN(survives_what_is_damaged);
    for (int i = 0; i < FORMATS; i++)
        buf_free(&pictures[i]);
    vips_shutdown();
    return check_result("image_codec");
}
