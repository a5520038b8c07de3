// Those who come and go: joiners that wait for their first key frame, and connections by the thousand.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int is_key(const Message *m) { return m->kind == VIDEO && m->length > 5 && m->body[0] >> 4 == 1 && m->body[1] == 1; }

void join(int number, double gap) {
    double *times = malloc((number + 1) * sizeof *times);
    int n = 0;
    char name[300];
    for (int i = 0; i < number; i++) {
        double begin = now();
        stream_name(name, sizeof name, i);
        Rtmp *c = rtmp_dial(&url, 0, patience);
        Message m = {0};
        if (c && !rtmp_play(c, name)) {
            while (!rtmp_read(c, &m) && !is_key(&m)) {}
            if (is_key(&m)) times[n++] = (now() - begin) * 1e3;
        }
        if (c) rtmp_free(c, 0);
        rest_until(now() + gap * (rand() / (double)RAND_MAX));
    }
    qsort(times, n, sizeof *times, by_size);
    if (n) printf("{\"wanted\": %d, \"joined\": %d, \"key_ms\": %.2f, \"least\": %.2f, \"most\": %.2f}\n", number, n, times[n / 2], times[0], times[n - 1]);
    else printf("{\"wanted\": %d, \"joined\": 0}\n", number);
    free(times);
}

static int left, ok, bad;
static double bytes;
static const char *until_what;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int seen(const Message *m) {
    uint32_t number;
    double sent;
    if (!strcmp(until_what, "status")) return m->kind == COMMAND;
    if (!strcmp(until_what, "media")) return m->kind == AUDIO || m->kind == VIDEO;
    return m->kind == VIDEO && stamp_get(m, &number, &sent) && now() - sent < 0.1;  // the live edge
}

static void *churning(void *unused) {
    for (char name[300];;) {
        pthread_mutex_lock(&lock);
        int mine = left > 0 ? left-- : 0;
        pthread_mutex_unlock(&lock);
        if (!mine) return unused;
        stream_name(name, sizeof name, mine);
        Rtmp *c = rtmp_dial(&url, 0, patience);
        Message m;
        int came = 0;
        if (c && !rtmp_play(c, name))
            while (!came && !rtmp_read(c, &m)) came = seen(&m);
        pthread_mutex_lock(&lock);
        came ? ok++ : bad++;
        if (c) bytes += c->received;
        pthread_mutex_unlock(&lock);
        if (c) rtmp_free(c, 0);
    }
}

void churn(int number, int at_once, const char *until) {
    if (at_once > 256) at_once = 256;
    left = number, ok = bad = 0, bytes = 0, until_what = until;
    pthread_t threads[256];
    double begin = now();
    for (int i = 0; i < at_once; i++) pthread_create(&threads[i], 0, churning, 0);
    for (int i = 0; i < at_once; i++) pthread_join(threads[i], 0);
    printf("{\"ok\": %d, \"bad\": %d, \"seconds\": %.3f, \"bytes\": %.0f}\n", ok, bad, now() - begin, bytes);
}
