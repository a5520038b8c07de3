// Media of the load client and the floor: an FLV file in memory, and stamps that tell when a frame was sent.
#include "rtmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARK = 0x5A17C0DE, STAMP = 16 };

int media_load(Media *media, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return -1;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *b = malloc(size);
    if (fread(b, 1, size, file) != (size_t)size || size < 13 || memcmp(b, "FLV", 3)) return -1;
    fclose(file);
    memset(media, 0, sizeof *media);
    unsigned room = 0;
    uint32_t last = 0, before = 0;
    double bytes = 0;
    for (long i = 13; i + 11 <= size;) {
        Tag tag = {.kind = b[i], .length = b[i + 1] << 16 | b[i + 2] << 8 | b[i + 3]};
        tag.time = b[i + 4] << 16 | b[i + 5] << 8 | b[i + 6] | (uint32_t)b[i + 7] << 24;
        tag.body = b + i + 11;
        i += 11 + tag.length + 4;
        if (i > size || (tag.kind != AUDIO && tag.kind != VIDEO && tag.kind != DATA) || tag.length < 2) continue;
        tag.header = tag.kind == DATA || tag.body[1] == 0;  // metadata, or what decoders are set up with
        if (tag.kind == VIDEO && tag.body[1] == 2) continue;  // end of sequence: the file begins anew
        tag.key = tag.kind == VIDEO && !tag.header && tag.body[0] >> 4 == 1;
        if (tag.kind == VIDEO && !tag.header) before = last, last = tag.time;
        if (!tag.header) bytes += tag.length;
        if (media->count == room) media->tags = realloc(media->tags, (room = room * 2 + 1024) * sizeof(Tag));
        media->tags[media->count++] = tag;
    }
    if (last <= before) return -1;
    media->period = last + (last - before);
    media->bytes_per_second = bytes * 1000 / media->period;
    return 0;
}

int stamp_fits(const Tag *tag) { return !tag->header && tag->length >= 64; }

void stamp_put(uint8_t *end, uint32_t number, double time) {
    uint32_t mark = MARK;
    memcpy(end - STAMP, &mark, 4);
    memcpy(end - STAMP + 4, &number, 4);
    memcpy(end - STAMP + 8, &time, 8);
}

int stamp_get(const Message *message, uint32_t *number, double *time) {
    uint32_t mark;
    if ((message->kind != AUDIO && message->kind != VIDEO) || message->length < 64) return 0;
    const uint8_t *at = message->body + message->length - STAMP;
    memcpy(&mark, at, 4);
    memcpy(number, at + 4, 4);
    memcpy(time, at + 8, 8);
    return mark == MARK;
}
