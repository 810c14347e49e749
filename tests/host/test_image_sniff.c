/* image_sniff: complete magic numbers at the beginning, nothing else. */
#include "check.h"
#include "image_sniff.h"

static const char *sniff(const char *data, size_t len)
{
    return image_format_name(image_sniff(data, len));
}

#define SNIFF(literal) sniff(literal, sizeof(literal) - 1)

static void knows_the_formats(void)
{
    CHECK_STR(SNIFF("\xff\xd8\xff\xe0"), "jpeg");
    CHECK_STR(SNIFF("\x89PNG\r\n\x1a\n"), "png");
    CHECK_STR(SNIFF("GIF87a"), "gif");
    CHECK_STR(SNIFF("GIF89a"), "gif");
    CHECK_STR(SNIFF("RIFF\x10\0\0\0WEBPVP8 "), "webp");
    CHECK_STR(SNIFF("%PDF-1.7"), "pdf");
    CHECK_STR(SNIFF("\0\0\0\x18"
                    "ftypheic\0\0\0\0mif1heic"),
              "heic");
    CHECK_STR(SNIFF("\0\0\0\x1c"
                    "ftypavif\0\0\0\0avifmif1miaf"),
              "avif");
    CHECK_STR(SNIFF("\0\0\0\x18"
                    "ftypmif1\0\0\0\0mif1avif"),
              "avif");
    CHECK_STR(SNIFF("\0\0\0\x18"
                    "ftypmif1\0\0\0\0mif1heic"),
              "heic");
}

static void refuses_what_only_resembles_one(void)
{
    CHECK_STR(SNIFF(""), "unknown");
    CHECK_STR(SNIFF("hello, I am picture.jpg"), "unknown");
    CHECK_STR(SNIFF("<svg xmlns='http://www.w3.org/2000/svg'/>"), "unknown");
    CHECK_STR(SNIFF("<?xml version='1.0'?>"), "unknown");
    CHECK_STR(SNIFF(" %PDF-1.7"), "unknown");
    CHECK_STR(SNIFF("RIFF\x10\0\0\0WAVEfmt "), "unknown");
    CHECK_STR(SNIFF("II*\0"), "unknown");
    CHECK_STR(SNIFF("\0\0\0\x18"
                    "ftypmp42\0\0\0\0mp42avif"),
              "unknown");
    /* The brand lies behind the end that the box declares. */
    CHECK_STR(SNIFF("\0\0\0\x14"
                    "ftypmif1\0\0\0\0mif1avif"),
              "unknown");
    CHECK_STR(SNIFF("\0\0\0\0ftypheic\0\0\0\0mif1"), "unknown");
}

static void a_cut_magic_number_is_none(void)
{
    static const char *const whole[] = {"\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "GIF89a",
                                        "%PDF-"};
    static const size_t sizes[] = {3, 8, 6, 5};
    for (size_t i = 0; i < 4; i++)
        for (size_t len = 0; len < sizes[i]; len++) {
            char *exact =
                malloc(len ? len : 1); /* so that a sanitizer sees a read too far */
            memcpy(exact, whole[i], len);
            CHECK_STR(sniff(exact, len), "unknown");
            free(exact);
        }
}

static void names_can_be_parsed_back(void)
{
    for (int i = IMAGE_UNKNOWN; i < IMAGE_FORMATS; i++)
        CHECK(image_format_parse(image_format_name((enum image_format)i)) ==
              (enum image_format)i);
    CHECK(image_format_parse("tiff") == IMAGE_UNKNOWN);
    CHECK_STR(image_format_name((enum image_format)99), "unknown");
}

int main(void)
{
    RUN(knows_the_formats);
    RUN(refuses_what_only_resembles_one);
    RUN(a_cut_magic_number_is_none);
    RUN(names_can_be_parsed_back);
    return check_result("image_sniff");
}
