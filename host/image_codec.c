/* Order of trust: the magic number chooses the loader, the loader reads the header only,
 * the pixel count is checked, and then the pixels are decoded. vips decodes while it
 * saves, so a damaged picture fails in the last step. fail_on=error makes a truncated one
 * fail too.
 *
 * vips sees memory only: no file name and no descriptor is ever handed to it. Its errors
 * gather in one text of the process, which is taken and cleared after each request. */
#include "image_codec.h"
#include "jpeg_eighth.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

enum { PAGES_MAX = 1000, GIF_LEVELS = 8, AVIF_EFFORT = 2 };

/* The first line of what vips says, for the reply. */
static void take_error(struct image_reply *reply, enum image_status status)
{
    const char *text = vips_error_buffer();
    size_t len = strcspn(text, "\n");
    reply->status = status;
    snprintf(reply->message, sizeof(reply->message), "%.*s", (int)len,
             len ? text : "the picture cannot be read");
    vips_error_clear();
}

static void refuse(struct image_reply *reply, enum image_status status,
                   const char *message)
{
    reply->status = status;
    snprintf(reply->message, sizeof(reply->message), "%s", message);
}

/* How much of a file is to be decoded. */
struct extent {
    int pages;  /* 1: the first only, -1: all; formats without pages ignore it */
    int shrink; /* JPEG decodes at a half, quarter or eighth for little: 1, 2, 4, 8 */
};

/* Reads the header. */
static VipsImage *open_image(enum image_format format, const void *data, size_t len,
                             struct extent extent)
{
    VipsImage *image = NULL;
    void *bytes = (void *)data; /* vips does not write to it */
    const int fail_on = VIPS_FAIL_ON_ERROR, access = VIPS_ACCESS_SEQUENTIAL;
    switch (format) {
    case IMAGE_JPEG:
        vips_jpegload_buffer(bytes, len, &image, "fail_on", fail_on, "access", access,
                             "shrink", extent.shrink, NULL);
        break;
    case IMAGE_PNG:
        vips_pngload_buffer(bytes, len, &image, "fail_on", fail_on, "access", access,
                            NULL);
        break;
    case IMAGE_WEBP:
        vips_webpload_buffer(bytes, len, &image, "fail_on", fail_on, "access", access,
                             "n", extent.pages, NULL);
        break;
    case IMAGE_GIF:
        vips_gifload_buffer(bytes, len, &image, "fail_on", fail_on, "access", access, "n",
                            extent.pages, NULL);
        break;
    case IMAGE_HEIC:
    case IMAGE_AVIF:
        vips_heifload_buffer(bytes, len, &image, "fail_on", fail_on, "access", access,
                             NULL);
        break;
    default:
        break;
    }
    return image;
}

/* The pixels in memory; NULL when any of them cannot be had. */
static VipsImage *decode(enum image_format format, const void *data, size_t len,
                         struct extent extent)
{
    VipsImage *image = open_image(format, data, len, extent);
    VipsImage *memory = image ? vips_image_copy_memory(image) : NULL;
    g_clear_object(&image);
    return memory;
}

/* Three rationals "51/1 30/1 0/1 (...)": degrees, minutes, seconds. False when it is
 * none. */
static bool parse_angle(const char *text, double max, double *angle)
{
    double sum = 0, unit = 1;
    for (int i = 0; i < 3; i++, unit *= 60) {
        char *end;
        double numerator = strtod(text, &end);
        if (end == text || *end != '/')
            return false;
        text = end + 1;
        double denominator = strtod(text, &end);
        if (end == text || !(denominator > 0) || !(numerator >= 0))
            return false;
        sum += numerator / denominator / unit;
        text = end;
    }
    *angle = sum;
    return isfinite(sum) && sum <= max;
}

static bool gps_angle(VipsImage *image, const char *field, const char *ref_field,
                      double max, char negative, double *angle)
{
    const char *text, *ref;
    if (!vips_image_get_typeof(image, field) ||
        !vips_image_get_typeof(image, ref_field) ||
        vips_image_get_string(image, field, &text) != 0 ||
        vips_image_get_string(image, ref_field, &ref) != 0 ||
        !parse_angle(text, max, angle))
        return false;
    if (ref[0] == negative)
        *angle = -*angle;
    return true;
}

static void describe(VipsImage *image, struct image_reply *reply)
{
    reply->width = (uint32_t)vips_image_get_width(image);
    reply->height = (uint32_t)vips_image_get_page_height(image);
    reply->pages = (uint32_t)vips_image_get_n_pages(image);
    reply->orientation = (uint32_t)vips_image_get_orientation(image);
    reply->has_gps = gps_angle(image, "exif-ifd3-GPSLatitude", "exif-ifd3-GPSLatitudeRef",
                               90, 'S', &reply->latitude) &&
                     gps_angle(image, "exif-ifd3-GPSLongitude",
                               "exif-ifd3-GPSLongitudeRef", 180, 'W', &reply->longitude);
}

/* Replaces *image by *next, the result of an operation that returned `rc`. */
static int step(VipsImage **image, int rc, VipsImage **next)
{
    if (rc != 0)
        return -1;
    g_object_unref(*image);
    *image = *next;
    return 0;
}

/* 8 bit sRGB, or 8 bit grey, with or without alpha. */
static int make_srgb(VipsImage **image)
{
    VipsImage *next = NULL;
    if (vips_image_get_typeof(*image, VIPS_META_ICC_NAME)) {
        /* A profile that makes no sense is no reason to refuse the picture. */
        if (vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, NULL) == 0)
            step(image, 0, &next);
        else
            vips_error_clear();
    }
    VipsInterpretation target = vips_image_get_bands(*image) < 3
                                    ? VIPS_INTERPRETATION_B_W
                                    : VIPS_INTERPRETATION_sRGB;
    if (vips_image_get_interpretation(*image) != target)
        if (step(image, vips_colourspace(*image, &next, target, NULL), &next) < 0)
            return -1;
    if (vips_image_get_format(*image) != VIPS_FORMAT_UCHAR)
        return step(image, vips_cast_uchar(*image, &next, NULL), &next);
    return 0;
}

static int save(VipsImage *image, enum image_format format, int quality,
                struct buf *output)
{
    void *data = NULL;
    size_t len = 0;
    int rc = -1;
    VipsArrayDouble *white =
        vips_array_double_newv(1, 255.0); /* below what is transparent */
    switch (format) {
    case IMAGE_JPEG:
        rc = vips_jpegsave_buffer(image, &data, &len, "Q", quality, "strip", TRUE,
                                  "optimize_coding", TRUE, "background", white, NULL);
        break;
    case IMAGE_PNG:
        rc = vips_pngsave_buffer(image, &data, &len, "strip", TRUE, NULL);
        break;
    case IMAGE_WEBP:
        rc = vips_webpsave_buffer(image, &data, &len, "Q", quality, "strip", TRUE, NULL);
        break;
    case IMAGE_GIF:
        rc = vips_gifsave_buffer(image, &data, &len, "strip", TRUE, "bitdepth",
                                 GIF_LEVELS, NULL);
        break;
    case IMAGE_AVIF:
        rc = vips_heifsave_buffer(image, &data, &len, "Q", quality, "strip", TRUE,
                                  "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1,
                                  "effort", AVIF_EFFORT, NULL);
        break;
    default:
        vips_error("save", "this format cannot be written");
    }
    vips_area_unref(VIPS_AREA(white));
    if (rc == 0)
        buf_append(output, data, len);
    g_free(data);
    return rc;
}

/* Takes off everything but the pixels and what makes an animation. Not left to the
 * savers: the one for WebP writes EXIF although told to strip. */
static int drop_metadata(VipsImage **image)
{
    static const char *const kept[] = {VIPS_META_PAGE_HEIGHT, VIPS_META_N_PAGES, "delay",
                                       "loop", NULL};
    VipsImage *next = NULL;
    if (step(image, vips_copy(*image, &next, NULL), &next) <
        0) /* the fields may be shared */
        return -1;
    gchar **fields = vips_image_get_fields(*image);
    for (gchar **field = fields; *field; field++)
        if (!g_strv_contains(kept, *field))
            vips_image_remove(*image, *field); /* width and the like cannot be removed */
    g_strfreev(fields);
    return 0;
}

static void finish(VipsImage **image, const struct image_request *request,
                   enum image_format format, struct image_reply *reply,
                   struct buf *output)
{
    if (make_srgb(image) < 0 || drop_metadata(image) < 0 ||
        save(*image, format, (int)request->quality, output) != 0) {
        take_error(reply, IMAGE_INVALID);
        return;
    }
    reply->status = IMAGE_OK;
    reply->format = format;
    reply->width = (uint32_t)vips_image_get_width(*image);
    reply->height = (uint32_t)vips_image_get_page_height(*image);
}

static void clean(const struct image_request *request, enum image_format format,
                  const void *data, size_t len, struct image_reply *reply,
                  struct buf *output)
{
    enum image_format target = request->format ? request->format : format;
    bool moves = reply->pages > 1 && target == format; /* an animation stays one */
    VipsImage *next = NULL;
    VipsImage *image = decode(format, data, len, (struct extent){moves ? -1 : 1, 1});
    if (!image || (!moves && step(&image, vips_autorot(image, &next, NULL), &next) < 0))
        take_error(reply, IMAGE_INVALID);
    else
        finish(&image, request, target, reply, output);
    g_clear_object(&image);
}

/* Puts it in the middle of a canvas of the requested size. */
static int pad(VipsImage **image, const struct image_request *request)
{
    VipsImage *next = NULL;
    double around = vips_image_hasalpha(*image) ? 0 : 255;
    VipsArrayDouble *background = vips_array_double_newv(1, around);
    int rc = vips_gravity(*image, &next, VIPS_COMPASS_DIRECTION_CENTRE,
                          (int)request->width, (int)request->height, "extend",
                          VIPS_EXTEND_BACKGROUND, "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
    return step(image, rc, &next);
}

/* Leaves at least the pixels that are asked for, whichever way it is turned and cut: a
 * JPEG at an eighth is the mean of each of its blocks, and good enough to go on from. */
static int choose_shrink(const struct image_request *request,
                         const struct image_reply *header)
{
    uint32_t have = MIN(header->width, header->height);
    uint32_t want = MAX(request->width, request->height);
    int shrink = 8;
    while (shrink > 1 && have / (uint32_t)shrink < want)
        shrink /= 2;
    return shrink;
}

/* What vips needs to know of it besides its pixels. */
static void copy_metadata(VipsImage *from, VipsImage *to)
{
    const void *profile;
    size_t len;
    vips_image_set_int(to, VIPS_META_ORIENTATION, vips_image_get_orientation(from));
    if (vips_image_get_typeof(from, VIPS_META_ICC_NAME) &&
        vips_image_get_blob(from, VIPS_META_ICC_NAME, &profile, &len) == 0)
        vips_image_set_blob_copy(to, VIPS_META_ICC_NAME, profile, len);
}

/* NULL when it is to be decoded by vips. */
static VipsImage *decode_eighth(VipsImage *header, const void *data, size_t len)
{
    struct jpeg_eighth small;
    if (!jpeg_eighth(data, len, &small))
        return NULL;
    size_t size = (size_t)(small.width * small.height * small.bands);
    VipsImage *image = vips_image_new_from_memory_copy(
        small.pixels, size, small.width, small.height, small.bands, VIPS_FORMAT_UCHAR);
    free(small.pixels);
    if (image) {
        image->Type = vips_image_get_interpretation(header);
        copy_metadata(header, image);
    }
    return image;
}

/* vips_thumbnail_buffer() would open the file by itself, but it paints damaged parts
 * black. */
static void thumbnail(const struct image_request *request, enum image_format format,
                      VipsImage *header, const void *data, size_t len,
                      struct image_reply *reply, struct buf *output)
{
    enum image_format target = request->format ? request->format : format;
    int shrink = choose_shrink(request, reply);
    VipsImage *next = NULL, *image = NULL;
    if (format == IMAGE_JPEG && shrink == 8)
        image = decode_eighth(header, data, len);
    if (!image)
        image = decode(format, data, len, (struct extent){1, shrink});
    if (!image ||
        step(&image,
             vips_thumbnail_image(
                 image, &next, (int)request->width, "height", (int)request->height,
                 "size", request->fit == IMAGE_INSIDE ? VIPS_SIZE_DOWN : VIPS_SIZE_BOTH,
                 "crop",
                 request->fit == IMAGE_COVER ? VIPS_INTERESTING_CENTRE
                                             : VIPS_INTERESTING_NONE,
                 NULL),
             &next) < 0 ||
        make_srgb(&image) < 0 ||
        (request->fit == IMAGE_CONTAIN && pad(&image, request) < 0))
        take_error(reply, IMAGE_INVALID);
    else
        finish(&image, request, target, reply, output);
    g_clear_object(&image);
}

/* Whether the picture may be decoded. */
static bool check_header(VipsImage *header, const struct image_limits *limits,
                         struct image_reply *reply)
{
    if (!header) {
        take_error(reply, IMAGE_INVALID);
        return false;
    }
    describe(header, reply);
    int64_t pixels = (int64_t)reply->width * reply->height; /* sides of at most 10^7 */
    if (reply->pages > PAGES_MAX ||
        pixels > limits->pixels / (reply->pages ? reply->pages : 1)) {
        snprintf(reply->message, sizeof(reply->message),
                 "%u x %u pixels x %u pages are too many", reply->width, reply->height,
                 reply->pages);
        reply->status = IMAGE_TOO_LARGE;
        return false;
    }
    return true;
}

static bool may_decode(enum image_format format, const struct image_limits *limits)
{
    if (format == IMAGE_HEIC || format == IMAGE_AVIF)
        return limits->heic;
    return format == IMAGE_JPEG || format == IMAGE_PNG || format == IMAGE_WEBP ||
           format == IMAGE_GIF;
}

void image_codec_run(const struct image_request *request, const void *data, size_t len,
                     const struct image_limits *limits, struct image_reply *reply,
                     struct buf *output)
{
    enum image_format format = image_sniff(data, len);
    reply->status = IMAGE_OK;
    reply->format = format;
    reply->orientation = 1;
    bool decodable = may_decode(format, limits);
    if (!decodable && request->op != IMAGE_INSPECT)
        refuse(reply, IMAGE_INVALID, "this type of file is not allowed as a picture");
    if (!decodable)
        return;
    VipsImage *header = open_image(format, data, len, (struct extent){1, 1});
    if (check_header(header, limits, reply)) {
        if (request->op == IMAGE_CLEAN)
            clean(request, format, data, len, reply, output);
        else if (request->op == IMAGE_THUMBNAIL)
            thumbnail(request, format, header, data, len, reply, output);
    }
    g_clear_object(&header);
    vips_thread_shutdown();
}

/* Writes a small picture in each format and reads it again. */
static int use_each_format(const struct image_limits *limits, struct err *err)
{
    static const enum image_format formats[] = {IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP,
                                                IMAGE_GIF, IMAGE_AVIF};
    VipsImage *image = NULL;
    if (vips_black(&image, 64, 64, "bands", 3, NULL) != 0)
        return err_set(err, ERR_INTERNAL, "vips: %s", vips_error_buffer());
    image->Type = VIPS_INTERPRETATION_sRGB;
    int rc = 0;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) && rc == 0; i++) {
        struct buf file = {0}, small = {0};
        struct image_reply reply = {0};
        struct image_request request = {
            .op = IMAGE_THUMBNAIL, .quality = 80, .width = 32, .height = 32};
        if (save(image, formats[i], 80, &file) != 0) {
            take_error(&reply, IMAGE_FAILED);
            rc = err_set(err, ERR_INTERNAL, "vips cannot write %s: %s",
                         image_format_name(formats[i]), reply.message);
        } else if (may_decode(formats[i], limits)) {
            image_codec_run(&request, file.data, file.len, limits, &reply, &small);
            if (reply.status != IMAGE_OK)
                rc = err_set(err, ERR_INTERNAL, "vips cannot read %s: %s",
                             image_format_name(formats[i]), reply.message);
        }
        buf_free(&file);
        buf_free(&small);
    }
    g_object_unref(image);
    return rc;
}

/* What vips thinks of a client's file is no matter for the operator's log. */
static void drop_message(const char *domain, GLogLevelFlags level, const char *text,
                         void *arg)
{
    (void)domain;
    (void)level;
    (void)text;
    (void)arg;
}

int image_codec_init(const struct image_limits *limits, struct err *err)
{
    g_log_set_handler("VIPS", G_LOG_LEVEL_MASK, drop_message, NULL);
    /* No code generated at run time: the jail forbids executable memory. No temporary
     * files. */
    setenv("VIPS_NOVECTOR", "1", 1);
    setenv("ORC_CODE", "backup", 1);
    setenv("VIPS_DISC_THRESHOLD", "16g", 1);
    if (VIPS_INIT("image") != 0)
        return err_set(err, ERR_INTERNAL, "vips: %s", vips_error_buffer());
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    vips_operation_block_set("VipsForeignLoad", TRUE);
    vips_operation_block_set("VipsForeignLoadJpeg", FALSE);
    vips_operation_block_set("VipsForeignLoadPng", FALSE);
    vips_operation_block_set("VipsForeignLoadWebp", FALSE);
    vips_operation_block_set("VipsForeignLoadNsgif", FALSE);
    if (limits->heic)
        vips_operation_block_set("VipsForeignLoadHeif", FALSE);
    return use_each_format(limits, err);
}
