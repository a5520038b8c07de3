// The publishers of the load client: like OBS, each message at its own time, audio not glued to video; many streams in one thread.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "load.h"

typedef struct { Rtmp *c; unsigned next; double begin, sent; uint32_t base, numbers[2]; } Source;
static Source *sources;
static int source_count;
static volatile double behind;

double publish_behind(void) {
    double was = behind;
    behind = 0;
    return was;
}

double publish_sent(int number) { return number < source_count ? sources[number].sent : -1; }

static int send_tag(Source *s, Tag *tag) {
    static const uint8_t set_data_frame[] = "\2\0\15@setDataFrame";
    uint32_t time = tag->header ? 0 : s->base + tag->time;
    if (tag->kind == DATA) {
        uint8_t body[4096];
        if (tag->length > sizeof body - 16) return 0;
        memcpy(body, set_data_frame, 16);
        memcpy(body + 16, tag->body, tag->length);
        return rtmp_send(s->c, 5, DATA, 0, body, 16 + tag->length);
    }
    if (stamp_fits(tag)) stamp_put(tag->body + tag->length, s->numbers[tag->kind == VIDEO]++, now());
    return rtmp_send(s->c, tag->kind == VIDEO ? 6 : 4, tag->kind, time, tag->body, tag->length);
}

static double due(const Source *s) {
    const Tag *tag = &media.tags[s->next], *end = media.tags + media.count;
    // `ffmpeg -re -c copy` was seen to send sound with the picture behind it: 33 bursts a second for 73 messages.
    if (interleaved && tag->kind == AUDIO) {
        const Tag *picture = tag;
        while (picture < end && picture->kind != VIDEO) picture++;
        if (picture < end) tag = picture;
    }
    return s->begin + (s->base + tag->time) * 1e-3;
}

// Sends what is due of one stream; -1 once its server has gone.
static int go_on(Source *s) {
    while (due(s) <= now()) {
        Tag *tag = &media.tags[s->next];
        double late = now() - due(s);
        if (late > behind) behind = late;
        if (!(tag->header && s->base) && send_tag(s, tag)) return -1;
        if (!tag->header) s->sent += tag->length;
        if (++s->next == media.count) {
            s->next = 0;
            s->base += media.period;
            uint8_t rubbish[4096];  // what the server said meanwhile
            while (recv(s->c->fd, rubbish, sizeof rubbish, MSG_DONTWAIT) > 0) {}
        }
    }
    return 0;
}

static void *publishing(void *unused) {
    for (;;) {
        double first = now() + 1;
        for (int i = 0; i < source_count; i++) {
            Source *s = &sources[i];
            if (s->c && go_on(s)) {
                fprintf(stderr, "load: the server of stream %d is gone\n", i);
                rtmp_free(s->c, 0);
                s->c = NULL;
            }
            if (s->c && due(s) < first) first = due(s);
        }
        // Many streams are looked at a thousand times a second: every message would be a look at all of them.
        double soonest = now() + (source_count > 1 ? 0.001 : 0);
        rest_until(first > soonest ? first : soonest);
    }
    return unused;
}

int publish_all(int number) {
    sources = calloc(number, sizeof *sources);
    for (int i = 0; i < number; i++) {
        char name[300];
        stream_name(name, sizeof name, i);
        Rtmp *c = rtmp_dial(&url, 0, patience);
        if (!c || rtmp_publish(c, name)) return -1;
        // A publisher's frames are not to be paced by the kernel of this machine (bbr does): that would count as the server's delay.
        setsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
        sources[source_count++] = (Source){.c = c};
    }
    // Their frames do not fall together.
    for (int i = 0; i < number; i++) sources[i].begin = now() + 2.0 * i / number;
    pthread_t thread;
    return pthread_create(&thread, 0, publishing, 0);
}
