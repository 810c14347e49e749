/* The image process with its jail closed, asked through the client; and the client alone
 * against a process that misbehaves. Pictures are made by libvips here. */
#include "buf.h"
#include "check.h"
#include "conf.h"
#include "host.h"
#include "image_client.h"
#include "image_process.h"
#include "jail.h"
#include "log.h"
#include "mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vips/vips.h>

static char dir[64];
static uv_loop_t loop;
static struct host host;
static struct image_client *client;
static int
    pids[2]; /* a pipe: the supervisor writes the pid of each image process it starts */

static const char *in_dir(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static struct conf *make_conf(const char *socket_path, int timeout_ms, int queue_max)
{
    char text[512];
    int len =
        snprintf(text, sizeof(text),
                 "image.socket%c%s%cimage.max_pixels%c50000000%cimage.timeout_ms%c%d%c"
                 "image.queue_max%c%d%cimage.heic%cfalse%c",
                 0, socket_path, 0, 0, 0, 0, timeout_ms, 0, 0, queue_max, 0, 0, 0);
    return conf_parse(text, (size_t)len);
}

static int listen_at(const char *path, int flags)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 16) < 0)
        abort();
    return fd;
}

/* What the master does: starts the image process again whenever it ends; `tell` its pid.
 */
static pid_t start_supervisor(int listen_fd, const struct conf *conf, bool tell)
{
    pid_t supervisor = fork();
    if (supervisor != 0)
        return supervisor;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(image_process_main(listen_fd, conf));
        if (tell && write(pids[1], &pid, sizeof(pid)) != sizeof(pid))
            _exit(1);
        int status;
        waitpid(pid, &status, 0);
        if (WIFEXITED(status)) /* it could not start: trying for ever helps nobody */
            _exit(1);
    }
}

/* Two processes of one socket. */
static pid_t pair[2];

static void start_pair(int listen_fd, const struct conf *conf)
{
    for (int i = 0; i < 2; i++) {
        pair[i] = fork();
        if (pair[i] == 0)
            _exit(image_process_main(listen_fd, conf));
    }
}

static void end_pair(void)
{
    for (int i = 0; i < 2; i++) {
        kill(pair[i], SIGKILL);
        waitpid(pair[i], NULL, 0);
    }
}

/* The pid of the image process that was started last. */
static pid_t image_pid(void)
{
    static pid_t pid;
    struct pollfd wait = {.fd = pids[0], .events = POLLIN};
    while (poll(&wait, 1, pid ? 0 : 5000) == 1)
        if (read(pids[0], &pid, sizeof(pid)) != sizeof(pid))
            abort();
    return pid;
}

static void put(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "w");
    if (!file || (len && fwrite(data, len, 1, file) != 1) || fclose(file) != 0)
        abort();
}

static char *slurp(const char *path, size_t *len)
{
    FILE *file = fopen(path, "r");
    char *data = mem_new(4 << 20);
    *len = file ? fread(data, 1, 4 << 20, file) : 0;
    if (file)
        fclose(file);
    return data;
}

static bool holds(const char *path, const char *text)
{
    size_t len;
    char *data = slurp(path, &len);
    bool found = memmem(data, len, text, strlen(text)) != NULL;
    free(data);
    return found;
}

/* One call and its outcome. */
struct call {
    int calls;
    struct image_result result;
    const char *code; /* "ok" or the error's */
    char message[256];
};

static void on_done(void *arg, const struct image_result *result, const struct err *err)
{
    struct call *call = arg;
    call->calls++;
    call->code = err ? err->code : "ok";
    snprintf(call->message, sizeof(call->message), "%.255s", err ? err->message : "");
    if (result)
        call->result = *result;
}

#define CHECK_OK(call) CHECK_STR((call).code[0] == 'o' ? "ok" : (call).message, "ok")

static void wait_for(struct call *call)
{
    for (int i = 0; i < 600 && !call->calls; i++)
        uv_run(&loop, UV_RUN_ONCE); /* the client's tick turns the loop every 100 ms */
    if (!call->calls) {
        fprintf(stderr, "an image call hangs\n");
        exit(1);
    }
    CHECK(call->calls == 1);
}

static struct call run(struct image_options options)
{
    struct call call = {0};
    struct err err;
    if (!options.quality)
        options.quality = 80;
    if (!image_start(client, &options, on_done, &call, &err)) {
        call.code = err.code;
        return call;
    }
    wait_for(&call);
    return call;
}

static struct call inspect(const char *path)
{
    return run((struct image_options){.op = IMAGE_INSPECT, .in = path});
}

static struct call clean(const char *path, const char *out, enum image_format format)
{
    return run((struct image_options){
        .op = IMAGE_CLEAN, .in = path, .out = out, .format = format});
}

static struct call thumbnail(const char *path, const char *out, int width, int height,
                             enum image_fit fit, enum image_format format)
{
    return run((struct image_options){.op = IMAGE_THUMBNAIL,
                                      .in = path,
                                      .out = out,
                                      .format = format,
                                      .width = width,
                                      .height = height,
                                      .fit = fit});
}

/* Left half red, right half blue, with some noise so that files have a body. */
static VipsImage *make_image(int width, int height)
{
    VipsImage *red, *blue, *noise, *sum, *joined;
    double red_ink[] = {200, 20, 20}, blue_ink[] = {20, 20, 200}, one[] = {1, 1, 1};
    VipsImage *black;
    vips_black(&black, width / 2, height, "bands", 3, NULL);
    vips_linear(black, &red, one, red_ink, 3, NULL);
    vips_linear(black, &blue, one, blue_ink, 3, NULL);
    vips_join(red, blue, &joined, VIPS_DIRECTION_HORIZONTAL, NULL);
    vips_gaussnoise(&noise, width, height, "sigma", 5.0, "mean", 0.0, NULL);
    vips_add(joined, noise, &sum, NULL);
    VipsImage *image;
    vips_cast_uchar(sum, &image, NULL);
    VipsImage *copy;
    vips_copy(image, &copy, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
    VipsImage *all[] = {black, red, blue, noise, sum, joined, image};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        g_object_unref(all[i]);
    return copy;
}

static void write_image(VipsImage *image, const char *path)
{
    if (vips_image_write_to_file(image, path, NULL) != 0) {
        fprintf(stderr, "%s\n", vips_error_buffer());
        abort();
    }
}

/* 400 x 300 as stored, to be turned by 90 degrees, taken in Sydney. */
static void make_photo(const char *path)
{
    VipsImage *image = make_image(400, 300);
    static const char xmp[] = "<x:xmpmeta>secret-xmp</x:xmpmeta>";
    static const char iptc[] = "Photoshop 3.0\0secret-iptc";
    VipsImage *copy;
    vips_copy(image, &copy, NULL);
    vips_image_set_int(copy, VIPS_META_ORIENTATION, 6);
    vips_image_set_string(copy, "exif-ifd0-Make", "secret-camera");
    vips_image_set_string(copy, "exif-ifd3-GPSLatitudeRef", "S");
    vips_image_set_string(copy, "exif-ifd3-GPSLatitude", "33/1 51/1 3600/100");
    vips_image_set_string(copy, "exif-ifd3-GPSLongitudeRef", "E");
    vips_image_set_string(copy, "exif-ifd3-GPSLongitude", "151/1 12/1 3000/100");
    vips_image_set_blob_copy(copy, VIPS_META_XMP_NAME, xmp, sizeof(xmp));
    vips_image_set_blob_copy(copy, VIPS_META_IPTC_NAME, iptc, sizeof(iptc));
    write_image(copy, path);
    g_object_unref(copy);
    g_object_unref(image);
    /* A comment segment behind the first marker, which vips itself would not write. */
    static const char comment[] = "\xff\xfe\0\x10secret-comment";
    size_t len;
    char *data = slurp(path, &len);
    char *more = mem_new(len + 18);
    memcpy(more, data, 2);
    memcpy(more + 2, comment, 18);
    memcpy(more + 20, data + 2, len - 2);
    put(path, more, len + 18);
    free(more);
    free(data);
}

static void make_pictures(void)
{
    static const char *const names[] = {"a.jpg", "a.png", "a.webp", "a.gif"};
    VipsImage *image = make_image(400, 300);
    for (size_t i = 0; i < 4; i++)
        write_image(image, in_dir(names[i]));
    g_object_unref(image);
    make_photo(in_dir("photo.jpg"));
}

static bool is_near(double a, double b)
{
    return a - b < 0.0001 && b - a < 0.0001;
}

static void inspects_a_photo(void)
{
    CHECK(holds(in_dir("photo.jpg"), "secret-comment") &&
          holds(in_dir("photo.jpg"), "Exif"));
    struct call call = inspect(in_dir("photo.jpg"));
    CHECK_OK(call);
    CHECK_STR(image_format_name(call.result.format), "jpeg");
    CHECK(call.result.width == 400 && call.result.height == 300 &&
          call.result.pages == 1);
    CHECK(call.result.orientation == 6 && call.result.has_gps);
    CHECK(is_near(call.result.latitude, -33.86) &&
          is_near(call.result.longitude, 151.208333));
}

static void inspects_by_content_not_by_name(void)
{
    static const char *const expected[] = {"png", "webp", "gif"};
    static const char *const names[] = {"a.png", "a.webp", "a.gif"};
    for (size_t i = 0; i < 3; i++) {
        rename(in_dir(names[i]), in_dir("x.jpg"));
        struct call call = inspect(in_dir("x.jpg"));
        CHECK_STR(image_format_name(call.result.format), expected[i]);
        CHECK(call.result.width == 400 && call.result.height == 300 &&
              !call.result.has_gps);
        rename(in_dir("x.jpg"), in_dir(names[i]));
    }
    put(in_dir("doc"), "%PDF-1.7\n%junk", 14);
    struct call call = inspect(in_dir("doc"));
    CHECK_OK(call);
    CHECK(call.result.format == IMAGE_PDF && call.result.width == 0);
    put(in_dir("doc"), "plain", 5);
    CHECK(inspect(in_dir("doc")).result.format == IMAGE_UNKNOWN);
}

static void pixel(const char *path, int x, int y, double *rgb)
{
    VipsImage *image = vips_image_new_from_file(path, NULL);
    double *values = NULL;
    int count = 0;
    if (!image || vips_getpoint(image, &values, &count, x, y, NULL) != 0 || count < 3) {
        fprintf(stderr, "%s: %s\n", path, vips_error_buffer());
        abort();
    }
    memcpy(rgb, values, 3 * sizeof(*rgb));
    g_free(values);
    g_object_unref(image);
}

static void cleaning_turns_it_upright_and_leaves_no_metadata(void)
{
    static const enum image_format formats[] = {IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP,
                                                IMAGE_AVIF};
    for (size_t i = 0; i < 4; i++) {
        const char *out = in_dir("clean");
        struct call call = clean(in_dir("photo.jpg"), out, formats[i]);
        CHECK_OK(call);
        CHECK(call.result.format == formats[i]);
        CHECK(call.result.width == 300 && call.result.height == 400);
        CHECK(call.result.has_gps && is_near(call.result.latitude, -33.86));
        CHECK(!holds(out, "secret") && !holds(out, "xmpmeta"));
        /* vips gives every WebP an EXIF block of its own making. */
        CHECK(formats[i] == IMAGE_WEBP || !holds(out, "Exif"));
        struct stat st;
        CHECK(stat(out, &st) == 0 && st.st_size == call.result.size && st.st_size > 500);
        CHECK((st.st_mode & 0777) == 0600 && strlen(call.result.sha256) == 64);
        double rgb[3];
        pixel(out, 150, 20, rgb); /* turned clockwise: left becomes top */
        CHECK(rgb[0] > 150 && rgb[2] < 80);
        pixel(out, 150, 380, rgb);
        CHECK(rgb[0] < 80 && rgb[2] > 150);
    }
    struct call call = clean(in_dir("photo.jpg"), in_dir("clean.jpg"), IMAGE_UNKNOWN);
    CHECK(call.result.format == IMAGE_JPEG);
    call = inspect(in_dir("clean.jpg"));
    CHECK(!call.result.has_gps && call.result.orientation == 1 &&
          call.result.width == 300);
}

static void cleans_each_format(void)
{
    static const char *const names[] = {"a.jpg", "a.png", "a.webp", "a.gif"};
    for (size_t i = 0; i < 4; i++) {
        struct call call = clean(in_dir(names[i]), in_dir("clean"), IMAGE_UNKNOWN);
        CHECK_OK(call);
        struct call again = inspect(in_dir("clean"));
        CHECK(again.result.format == call.result.format && again.result.width == 400);
    }
}

static void an_animation_stays_one(void)
{
    VipsImage *frames[3], *strip, *copy;
    for (int i = 0; i < 3; i++)
        frames[i] = make_image(60, 40);
    vips_arrayjoin(frames, &strip, 3, "across", 1, NULL);
    vips_copy(strip, &copy, NULL);
    vips_image_set_int(copy, "page-height", 40);
    write_image(copy, in_dir("moving.gif"));
    CHECK(inspect(in_dir("moving.gif")).result.pages == 3);
    struct call call = clean(in_dir("moving.gif"), in_dir("clean"), IMAGE_UNKNOWN);
    CHECK(call.result.width == 60 && call.result.height == 40);
    CHECK(inspect(in_dir("clean")).result.pages == 3);
    CHECK_STR(clean(in_dir("moving.gif"), in_dir("clean"), IMAGE_PNG).code, "ok");
    CHECK(inspect(in_dir("clean")).result.height == 40);
    g_object_unref(copy);
    g_object_unref(strip);
    for (int i = 0; i < 3; i++)
        g_object_unref(frames[i]);
}

static void colours_become_srgb_and_eight_bits(void)
{
    VipsImage *image = make_image(64, 64), *wide, *cmyk;
    vips_colourspace(image, &wide, VIPS_INTERPRETATION_RGB16, NULL);
    write_image(wide, in_dir("wide.png"));
    vips_icc_export(image, &cmyk, "output_profile", "cmyk", NULL);
    write_image(cmyk, in_dir("cmyk.jpg"));
    static const char *const names[] = {"wide.png", "cmyk.jpg"};
    for (int i = 0; i < 2; i++) {
        CHECK_STR(clean(in_dir(names[i]), in_dir("clean"), IMAGE_PNG).code, "ok");
        VipsImage *result = vips_image_new_from_file(in_dir("clean"), NULL);
        CHECK(result && vips_image_get_bands(result) == 3 &&
              vips_image_get_format(result) == VIPS_FORMAT_UCHAR &&
              vips_image_get_interpretation(result) == VIPS_INTERPRETATION_sRGB);
        g_object_unref(result);
        double rgb[3];
        pixel(in_dir("clean"), 10, 10, rgb);
        CHECK(rgb[0] > 150 && rgb[2] < 90);
    }
    g_object_unref(cmyk);
    g_object_unref(wide);
    g_object_unref(image);
}

static void thumbnails_fit_as_asked(void)
{
    static const struct {
        enum image_fit fit;
        int width, height, expected_width, expected_height;
    } cases[] = {
        {IMAGE_INSIDE, 100, 100, 75, 100}, {IMAGE_INSIDE, 1280, 1280, 300, 400},
        {IMAGE_COVER, 128, 128, 128, 128}, {IMAGE_COVER, 640, 64, 640, 64},
        {IMAGE_CONTAIN, 128, 64, 128, 64}, {IMAGE_CONTAIN, 640, 1280, 640, 1280},
    };
    static const enum image_format formats[] = {IMAGE_JPEG, IMAGE_WEBP, IMAGE_PNG,
                                                IMAGE_AVIF};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct call call = thumbnail(in_dir("photo.jpg"), in_dir("thumb"), cases[i].width,
                                     cases[i].height, cases[i].fit, formats[i % 4]);
        CHECK_OK(call);
        CHECK(call.result.width == cases[i].expected_width);
        CHECK(call.result.height == cases[i].expected_height);
        CHECK(call.result.format == formats[i % 4] && call.result.size > 0);
        CHECK(!holds(in_dir("thumb"), "secret"));
    }
    double rgb[3];
    thumbnail(in_dir("a.jpg"), in_dir("thumb"), 100, 200, IMAGE_CONTAIN, IMAGE_PNG);
    pixel(in_dir("thumb"), 50, 5, rgb);
    CHECK(rgb[0] == 255 && rgb[1] == 255 && rgb[2] == 255);
    pixel(in_dir("thumb"), 10, 100, rgb);
    CHECK(rgb[0] > 150 && rgb[2] < 80);
}

static void put_bytes_and_clean(const char *name, const void *data, size_t len,
                                const char *expected)
{
    put(in_dir(name), data, len);
    struct call call = clean(in_dir(name), in_dir("out"), IMAGE_JPEG);
    CHECK_STR(call.code, expected);
    CHECK(access(in_dir("out"), F_OK) < 0);
    call = thumbnail(in_dir(name), in_dir("out"), 64, 64, IMAGE_COVER, IMAGE_JPEG);
    CHECK_STR(call.code, expected);
    CHECK(access(in_dir("out"), F_OK) < 0);
}

static void what_is_no_allowed_picture_is_invalid(void)
{
    static const struct {
        const char *name, *text;
    } files[] = {
        {"text.jpg", "I am a picture, believe me"},
        {"empty.png", ""},
        {"doc.pdf", "%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"},
        {"x.svg", "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'></svg>"},
        {"x.xml", "<?xml version='1.0'?><!DOCTYPE a SYSTEM 'file:///etc/passwd'><svg/>"},
        {"x.ppm", "P3\n1 1\n255\n1 2 3\n"},
        {"x.csv", "1,2,3\n4,5,6\n"},
        {"short.jpg", "\xff\xd8\xff"},
        {"short.gif", "GIF89a"},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        put_bytes_and_clean(files[i].name, files[i].text, strlen(files[i].text),
                            ERR_INVALID);
    static const char heic[] = "\0\0\0\x18"
                               "ftypheic\0\0\0\0mif1heic";
    put_bytes_and_clean("x.heic", heic, sizeof(heic), ERR_INVALID);
}

static void a_truncated_picture_is_invalid(void)
{
    static const char *const names[] = {"a.jpg", "a.png", "a.webp", "a.gif", "photo.jpg"};
    for (size_t i = 0; i < 5; i++) {
        size_t len;
        char *data = slurp(in_dir(names[i]), &len);
        put_bytes_and_clean("cut", data, len / 2, ERR_INVALID);
        put_bytes_and_clean("cut", data, len * 9 / 10, ERR_INVALID);
        free(data);
    }
}

static void a_small_file_that_claims_to_be_huge_is_too_large(void)
{
    static const unsigned char png[] = {
        0x89, 'P', 'N', 'G',  '\r', '\n', 0x1a, '\n', 0,    0, 0, 13, 'I', 'H', 'D',
        'R',  0,   0,   0xff, 0xdc, 0,    0,    0xff, 0xdc, 8, 2, 0,  0,   0,
    };
    struct buf file = {0};
    buf_append(&file, png, sizeof(png));
    uint32_t crc = 0xffffffff; /* of the chunk's type and body */
    for (size_t i = 12; i < sizeof(png); i++) {
        crc ^= png[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    crc = __builtin_bswap32(~crc);
    buf_append(&file, &crc, 4);
    static const char rest[] = "\0\0\0\x0cIDAT\x78\x9c\x03\0\0\0\0\x01\0\0\0\0\0\0\0\0"
                               "\0\0\0\0IEND\xae\x42\x60\x82";
    buf_append(&file, rest, sizeof(rest) - 1);
    put_bytes_and_clean("bomb.png", file.data, file.len, ERR_TOO_LARGE);
    CHECK_STR(inspect(in_dir("bomb.png")).code, ERR_TOO_LARGE);
    buf_free(&file);
    int fd = open(in_dir("long"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, IMAGE_FILE_MAX + 1) == 0);
    close(fd);
    CHECK_STR(inspect(in_dir("long")).code, ERR_TOO_LARGE);
    unlink(in_dir("long"));
}

static void files_that_cannot_be_opened_say_so(void)
{
    CHECK_STR(inspect(in_dir("none")).code, ERR_NOT_FOUND);
    CHECK_STR(inspect(dir).code, ERR_INVALID);
    CHECK_STR(clean(in_dir("a.jpg"), in_dir("no/where"), IMAGE_JPEG).code, ERR_NOT_FOUND);
}

static void mutations_never_hang_or_kill_the_client(void)
{
    size_t len;
    char *data = slurp(in_dir("photo.jpg"), &len);
    unsigned seed = 7;
    for (int i = 0; i < 200; i++) {
        char *copy = mem_copy(data, len);
        for (int change = 0; change < 1 + i % 8; change++)
            copy[2 + (size_t)rand_r(&seed) % (i % 2 ? len - 2 : 800)] =
                (char)rand_r(&seed);
        put(in_dir("mutant"), copy, len);
        struct call call = i % 2 ? clean(in_dir("mutant"), in_dir("out"), IMAGE_JPEG)
                                 : thumbnail(in_dir("mutant"), in_dir("out"), 64, 64,
                                             IMAGE_COVER, IMAGE_WEBP);
        bool ok = strcmp(call.code, "ok") == 0;
        CHECK(ok || strcmp(call.code, ERR_INVALID) == 0 ||
              strcmp(call.code, ERR_TOO_LARGE) == 0);
        CHECK((access(in_dir("out"), F_OK) == 0) == ok);
        unlink(in_dir("out"));
        free(copy);
    }
    free(data);
}

static void a_killed_process_is_replaced_and_what_waited_is_done(void)
{
    pid_t before = image_pid();
    CHECK(kill(before, SIGSTOP) == 0);
    struct call waiting = {0};
    CHECK(image_start(
        client, &(struct image_options){.op = IMAGE_INSPECT, .in = in_dir("photo.jpg")},
        on_done, &waiting, NULL));
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_ONCE);
    CHECK(waiting.calls == 0);
    CHECK(kill(before, SIGKILL) == 0);
    wait_for(&waiting);
    CHECK_STR(waiting.code, "ok");
    CHECK(image_pid() != before);
}

static void the_queue_is_bounded(void)
{
    struct call calls[16] = {0}, refused = {0};
    struct err err;
    struct image_options options = {.op = IMAGE_INSPECT, .in = in_dir("photo.jpg")};
    for (int i = 0; i < 16; i++)
        CHECK(image_start(client, &options, on_done, &calls[i], &err));
    CHECK(!image_start(client, &options, on_done, &refused, &err));
    CHECK_STR(err.code, ERR_BUSY);
    for (int i = 0; i < 16; i++) {
        wait_for(&calls[i]);
        CHECK_STR(calls[i].code, "ok");
    }
    CHECK(refused.calls == 0);
}

static void a_cancelled_job_leaves_no_file(void)
{
    struct call cancelled = {0};
    struct image_options options = {.op = IMAGE_CLEAN,
                                    .in = in_dir("photo.jpg"),
                                    .out = in_dir("cancelled"),
                                    .quality = 80};
    for (int turns = 0; turns < 4; turns++) {
        struct image_job *job = image_start(client, &options, on_done, &cancelled, NULL);
        for (int i = 0; i < turns; i++)
            uv_run(&loop, UV_RUN_ONCE);
        image_cancel(job);
        CHECK_STR(inspect(in_dir("photo.jpg")).code, "ok");
        uv_run(&loop, UV_RUN_DEFAULT);
        CHECK(cancelled.calls == 0 && access(in_dir("cancelled"), F_OK) < 0);
    }
}

/* A client of another socket or with another patience, while one case runs. */
static struct image_client *usual_client;
static const struct conf *usual_conf;
static struct conf *own_conf;

static void use_client(const char *socket_path, int timeout_ms)
{
    usual_client = client;
    usual_conf = host.conf;
    own_conf = make_conf(socket_path, timeout_ms, 16);
    host.conf = own_conf;
    client = image_client_new(&host);
}

static void use_usual_client(void)
{
    image_client_close(client);
    uv_run(&loop, UV_RUN_DEFAULT);
    client = usual_client;
    host.conf = usual_conf;
    conf_free(own_conf);
}

/* Writing many pixels as AVIF takes seconds. */
static void make_slow_picture(void)
{
    VipsImage *image = make_image(5000, 5000);
    write_image(image, in_dir("slow.jpg"));
    g_object_unref(image);
}

static void a_job_that_takes_too_long_is_a_timeout(void)
{
    use_client(in_dir("socket"), patiently(400));
    CHECK_STR(clean(in_dir("slow.jpg"), in_dir("out"), IMAGE_AVIF).code, ERR_TIMEOUT);
    use_usual_client();
    CHECK(access(in_dir("out"), F_OK) < 0);
    kill(image_pid(), SIGKILL); /* nobody waits for the rest of that */
    CHECK_STR(inspect(in_dir("photo.jpg")).code, "ok");
}

static void the_alarm_ends_the_process_and_the_job_is_not_tried_again(void)
{
    use_client(in_dir("hasty"), 20000);
    CHECK_STR(clean(in_dir("slow.jpg"), in_dir("out"), IMAGE_AVIF).code, ERR_INVALID);
    CHECK_STR(inspect(in_dir("photo.jpg")).code, "ok");
    use_usual_client();
    CHECK(access(in_dir("out"), F_OK) < 0);
}

/* One that is stopped is as one that is busy. */
static void a_job_goes_to_the_process_that_is_idle(void)
{
    use_client(in_dir("pair"), 10000);
    for (int i = 0; i < 4; i++) {
        kill(pair[i % 2], SIGSTOP);
        CHECK_STR(inspect(in_dir("photo.jpg")).code, "ok");
        kill(pair[i % 2], SIGCONT);
    }
    use_usual_client();
}

/* A script for a process of our own: what it does with each connection in turn. */
enum act {
    HANG_UP,
    START_AND_DIE,
    STRANGE_ID,
    JUNK,
    SHORT,
    BAD_FIELDS,
    START_TWICE,
    ANSWER
};

struct impostor {
    int listen_fd;
    const enum act *acts;
    int count;
};

static void *impostor_main(void *arg)
{
    struct impostor *impostor = arg;
    for (int i = 0; i < impostor->count; i++) {
        struct image_request request;
        int fd = accept(impostor->listen_fd, NULL, NULL);
        enum act act = impostor->acts[i];
        if (fd < 0 || recv(fd, &request, sizeof(request), 0) != sizeof(request))
            abort();
        struct image_reply reply = {.proto = IMAGE_PROTO, .id = request.id};
        if (act != HANG_UP)
            send(fd, &reply, sizeof(reply), MSG_NOSIGNAL);
        if (act == START_TWICE) /* each time more patience? */
            send(fd, &reply, sizeof(reply), MSG_NOSIGNAL);
        reply.status = IMAGE_OK;
        reply.id += act == STRANGE_ID;
        reply.proto += act == JUNK;
        reply.format = act == BAD_FIELDS ? 77 : IMAGE_PNG;
        if (act > START_AND_DIE)
            send(fd, &reply, act == SHORT ? 10 : sizeof(reply), MSG_NOSIGNAL);
        if (act == ANSWER && recv(fd, &request, sizeof(request), 0) != 0)
            abort(); /* the client closes first */
        close(fd);
    }
    return NULL;
}

static void a_process_that_lies_or_dies_costs_one_job_each(void)
{
    static const enum act acts[] = {HANG_UP,    START_AND_DIE, STRANGE_ID, JUNK,  SHORT,
                                    BAD_FIELDS, START_TWICE,   HANG_UP,    ANSWER};
    struct impostor impostor = {listen_at(in_dir("impostor"), 0), acts, 9};
    pthread_t thread;
    pthread_create(&thread, NULL, impostor_main, &impostor);
    use_client(in_dir("impostor"), 10000);
    for (int i = 0; i < 6;
         i++) /* the first connection hangs up before it starts: tried again */
        CHECK_STR(inspect(in_dir("photo.jpg")).code, ERR_INVALID);
    struct call call = inspect(in_dir("photo.jpg"));
    CHECK_OK(call);
    CHECK(call.result.format == IMAGE_PNG);
    use_usual_client();
    pthread_join(thread, NULL);
    close(impostor.listen_fd);
}

static void without_a_process_it_is_unavailable(void)
{
    use_client(in_dir("nobody"), 10000);
    CHECK_STR(inspect(in_dir("photo.jpg")).code, ERR_UNAVAILABLE);
    use_usual_client();
}

static void closing_fails_what_is_under_way(void)
{
    struct call calls[3] = {0};
    struct image_client *own = image_client_new(&host);
    struct image_options options = {.op = IMAGE_CLEAN,
                                    .in = in_dir("photo.jpg"),
                                    .out = in_dir("out"),
                                    .quality = 80};
    for (int i = 0; i < 3; i++)
        image_start(own, &options, on_done, &calls[i], NULL);
    uv_run(&loop, UV_RUN_ONCE);
    image_client_close(own);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 3; i++)
        CHECK(calls[i].calls == 1);
}

/* In a jailed child: the exit code says which attempt succeeded, 0 for none. */
static int try_to_escape(int keep_fd)
{
    struct err err;
    int number = 0;
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const struct jail_limits limits = {
        .files = 64, .written = 1 << 20, .address_space = JAIL_SAME, .data = JAIL_SAME};
    struct jail_filter *filter = jail_filter_new(&jail_image, &err);
    if (other < 0 || !filter || jail_enter(filter, &limits, keep_fd, &err) < 0)
        return 100;
#define TRY(call)                                                                        \
    do {                                                                                 \
        number++;                                                                        \
        errno = 0;                                                                       \
        if ((intptr_t)(call) != -1 || errno != EPERM)                                    \
            return number;                                                               \
    } while (0)
    char *argv[] = {NULL};
    TRY(open("/etc/passwd", O_RDONLY));
    TRY(open("/tmp/escaped", O_WRONLY | O_CREAT, 0600));
    TRY(unlink("/tmp/test"));
    TRY(access("/etc/passwd", F_OK));
    TRY(socket(AF_INET, SOCK_STREAM, 0));
    TRY(socket(AF_UNIX, SOCK_STREAM, 0));
    TRY(execve("/bin/true", argv, argv));
    TRY(fork());
    TRY(syscall(SYS_vfork));
    TRY(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
    TRY(kill(getppid(), 0));
    TRY(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY(mprotect(page, 4096, PROT_READ | PROT_EXEC));
    TRY(connect(keep_fd, NULL, 0));
    TRY(setuid(0));
    TRY(prctl(PR_SET_DUMPABLE, 1));
#undef TRY
    char byte;
    if (read(other, &byte, 1) != -1 || errno != EBADF) /* it should have been closed */
        return 101;
    if (write(keep_fd, "x", 1) != 1) /* and this one not */
        return 102;
    return getuid() == 0 ? 103 : 0;
}

static void nothing_leaves_the_jail(void)
{
    int ends[2], status = -1;
    char byte = 0;
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(try_to_escape(ends[1]));
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    if (WEXITSTATUS(status) != 0)
        fprintf(stderr, "attempt %d\n", WEXITSTATUS(status));
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
    close(ends[0]);
    close(ends[1]);
}

static void remove_dir(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (system(command) != 0)
        abort();
}

int main(void)
{
    strcpy(dir, "/tmp/test_image.XXXXXX");
    if (!mkdtemp(dir) || pipe2(pids, O_CLOEXEC) < 0)
        return 1;
    log_init(LOG_ERROR, false, "test");
    RUN(nothing_leaves_the_jail);
    struct conf *conf = make_conf(in_dir("socket"), 20000, 16);
    int listen_fd = listen_at(in_dir("socket"), SOCK_NONBLOCK);
    struct conf *hasty_conf = make_conf(in_dir("hasty"), 1, 16);
    int hasty_fd = listen_at(in_dir("hasty"), SOCK_NONBLOCK);
    pid_t supervisor =
        start_supervisor(listen_fd, conf, true); /* vips has no thread here yet */
    pid_t hasty_supervisor = start_supervisor(hasty_fd, hasty_conf, false);
    int pair_fd = listen_at(in_dir("pair"), SOCK_NONBLOCK);
    start_pair(pair_fd, conf);
    setenv("VIPS_WARNING", "0", 1);
    if (VIPS_INIT("test") != 0)
        return 1;
    vips_concurrency_set(1);
    uv_loop_init(&loop);
    host = (struct host){.loop = &loop, .conf = conf, .role = "http"};
    client = image_client_new(&host);
    make_pictures();
    RUN(inspects_a_photo);
    RUN(inspects_by_content_not_by_name);
    RUN(cleaning_turns_it_upright_and_leaves_no_metadata);
    RUN(cleans_each_format);
    RUN(an_animation_stays_one);
    RUN(colours_become_srgb_and_eight_bits);
    RUN(thumbnails_fit_as_asked);
    RUN(what_is_no_allowed_picture_is_invalid);
    RUN(a_truncated_picture_is_invalid);
    RUN(a_small_file_that_claims_to_be_huge_is_too_large);
    RUN(files_that_cannot_be_opened_say_so);
    RUN(mutations_never_hang_or_kill_the_client);
    pid_t survivor = image_pid();
    CHECK(kill(survivor, 0) == 0); /* the first process came through all of that */
    RUN(a_killed_process_is_replaced_and_what_waited_is_done);
    RUN(the_queue_is_bounded);
    RUN(a_cancelled_job_leaves_no_file);
    make_slow_picture();
    RUN(a_job_that_takes_too_long_is_a_timeout);
    RUN(the_alarm_ends_the_process_and_the_job_is_not_tried_again);
    RUN(a_job_goes_to_the_process_that_is_idle);
    RUN(a_process_that_lies_or_dies_costs_one_job_each);
    RUN(without_a_process_it_is_unavailable);
    RUN(closing_fails_what_is_under_way);
    image_client_close(client);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    kill(supervisor, SIGKILL);
    kill(hasty_supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    waitpid(hasty_supervisor, NULL, 0);
    end_pair();
    close(listen_fd);
    close(hasty_fd);
    close(pair_fd);
    conf_free(conf);
    conf_free(hasty_conf);
    vips_shutdown();
    remove_dir();
    return check_result("image");
}
