// floor PORT FLV [MERGE]: the least that serving RTMP players can cost. It answers just enough of RTMP for players to begin;
// then one plain loop sends ready-made bytes to every connection: the frames of the file at their times, each with the audio
// before it, MERGE frames in one call; with 0 each message has a call of its own, at its own time. No publisher, no parsing, no accounting, no group of pictures for joiners.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rtmp.h"

enum { MAX = 20000 };

// A connection, with what its socket did not take of the last call.
static struct { int fd; const uint8_t *rest; size_t left; } players[MAX];
static volatile int count;

typedef struct { size_t from, to; int first_stamp, stamps; uint32_t time; } Frame;
typedef struct { size_t end; int kind; uint32_t time; } Stamp;
static uint8_t *bytes;
static size_t filled;
static Frame *frames;
static Stamp *stamps;
static int frame_count, stamp_count;

static void *serve(void *arg) {
    int fd = (int)(long)arg;
    Rtmp *c = rtmp_new(fd);
    int taken = rtmp_accept(c) == 'p';
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    if (count == MAX) taken = 0;
    if (taken) {
        players[count].fd = fd;
        __sync_synchronize();
        count++;
    }
    pthread_mutex_unlock(&one);
    rtmp_free(c, taken);
    return 0;
}

static void *accepting(void *arg) {
    int listener = *(int *)arg;
    for (;;) {
        int fd = accept(listener, 0, 0);
        pthread_t t;
        if (fd >= 0 && !pthread_create(&t, 0, serve, (void *)(long)fd)) pthread_detach(t);
    }
    return 0;
}

// A message with a type 1 header. Its last chunk is long enough for a stamp to stand in one piece.
static void append(const Tag *tag, uint32_t *last) {
    uint32_t length = tag->length, step = tag->time - *last;
    if (length % CHUNK && length % CHUNK < 16 && length > CHUNK) length -= length % CHUNK;
    int csid = tag->kind == VIDEO ? 6 : 4;
    uint8_t head[8] = {0x40 | csid, step >> 16, step >> 8, step, length >> 16, length >> 8, length, tag->kind};
    memcpy(bytes + filled, head, 8);
    filled += 8;
    for (uint32_t i = 0; i < length; i += CHUNK) {
        if (i) bytes[filled++] = 0xC0 | csid;
        uint32_t k = length - i < CHUNK ? length - i : CHUNK;
        memcpy(bytes + filled, tag->body + i, k);
        filled += k;
    }
    *last = tag->time;
    if (stamp_fits(tag)) stamps[stamp_count++] = (Stamp){filled, tag->kind, tag->time};
}

static void prepare(const Media *media, int merge) {
    size_t all = 0;
    for (unsigned i = 0; i < media->count; i++) all += media->tags[i].length + 16 + media->tags[i].length / CHUNK;
    bytes = malloc(all);
    frames = calloc((size_t)media->count, sizeof *frames);
    stamps = calloc((size_t)media->count, sizeof *stamps);
    uint32_t last[2] = {0, 0};
    unsigned audio = 0;
    for (unsigned i = 0; i < media->count; i++) {
        const Tag *tag = &media->tags[i];
        if (tag->header || (tag->kind != VIDEO && (merge || tag->kind != AUDIO))) continue;
        Frame *f = &frames[frame_count++];
        *f = (Frame){.from = filled, .first_stamp = stamp_count, .time = tag->time};
        append(tag, &last[tag->kind != VIDEO]);
        for (; merge && audio < media->count && media->tags[audio].time <= tag->time; audio++)
            if (media->tags[audio].kind == AUDIO && !media->tags[audio].header) append(&media->tags[audio], &last[1]);
        f->to = filled;
        f->stamps = stamp_count - f->first_stamp;
    }
}

int main(int argc, char **argv) {
    Media media;
    int merge = argc > 3 ? atoi(argv[3]) : 1, listener = argc > 2 ? rtmp_listen(atoi(argv[1]), 0) : -1;
    if (listener < 0 || merge < 0 || media_load(&media, argv[2])) return fprintf(stderr, "floor PORT FLV [MERGE]\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);  // sleeps end when they are to, not 50 us later
    prepare(&media, merge);
    if (!merge) merge = 1;
    pthread_t t;
    pthread_create(&t, 0, accepting, &listener);
    uint32_t numbers[2] = {0, 0};
    double begin = now();
    for (int i = 0;; ) {
        int last = i + merge <= frame_count ? i + merge - 1 : frame_count - 1;
        double wait = begin + frames[last].time * 1e-3 - now();
        if (wait > 0) nanosleep(&(struct timespec){(time_t)wait, (wait - (time_t)wait) * 1e9}, 0);
        for (int s = frames[i].first_stamp; s < frames[last].first_stamp + frames[last].stamps; s++) {
            // When it would have come from a publisher: whatever this loop is late by is its own delay.
            stamp_put(bytes + stamps[s].end, numbers[stamps[s].kind == VIDEO]++, begin + stamps[s].time * 1e-3);
        }
        const uint8_t *from = bytes + frames[i].from;
        size_t size = frames[last].to - frames[i].from;
        int n = count;
        for (int p = 0; p < n; p++) {
            if (players[p].left) {
                ssize_t k = send(players[p].fd, players[p].rest, players[p].left, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (k > 0) players[p].rest += k, players[p].left -= k;
                if (players[p].left) continue;  // this call's frames are lost to it
            }
            ssize_t k = send(players[p].fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (k >= 0 && (size_t)k < size) players[p].rest = from + k, players[p].left = size - k;
        }
        i = last + 1;
        if (i == frame_count) i = 0, begin += media.period * 1e-3;
    }
}
