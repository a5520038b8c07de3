// load URL MEDIA: the load of one measurement in one process: publishers, players, servers that take pushes, joiners.
// Options say what is there from the start, lines on standard input what happens then; each is answered by a line of JSON.
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

Url url;
Media media;
int streams = 1, patience = 10, receive_buffer, interleaved;
static volatile int measuring, stalled;

void rest_until(double when) {
    double wait = when - now();
    if (wait > 0) nanosleep(&(struct timespec){(time_t)wait, (wait - (time_t)wait) * 1e9}, 0);
}

void stream_name(char *to, size_t room, int number) {
    if (streams == 1) snprintf(to, room, "%s", url.name);
    else snprintf(to, room, "%s%d", url.name, number % streams);
}

// ---- what a connection received ----

enum { SAMPLES = 200000, MAX = 20000 };
typedef struct { float *delays; int count; uint32_t next; } Track;
typedef struct { int fd, stream, probe; uint64_t total, mark; double published; long lost; Track tracks[2]; Rtmp *c; } Taker;
static Taker *takers;
static volatile int taker_count, gone;
static int epoll;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// The others only take bytes: the kernel throws them away, which costs the machine as little as a player can.
static void *draining(void *unused) {
    struct epoll_event events[512];
    for (;;) {
        int n = epoll_wait(epoll, events, 512, 200);
        for (int i = 0; i < n; i++) {
            Taker *t = events[i].data.ptr;
            ssize_t k = recv(t->fd, NULL, 1 << 22, MSG_TRUNC | MSG_DONTWAIT);
            if (k > 0) t->total += k;
            else if (k == 0 || (errno != EAGAIN && errno != EINTR)) epoll_ctl(epoll, EPOLL_CTL_DEL, t->fd, 0), gone++;
        }
        rest_until(now() + 0.002);
    }
    return unused;
}

// A probe reads every message and its stamp.
static void *probing(void *arg) {
    Taker *t = arg;
    Message m;
    uint32_t number;
    double sent;
    while (!rtmp_read(t->c, &m)) {
        t->total = t->c->received;
        if (!stamp_get(&m, &number, &sent)) continue;
        double delay = now() - sent;
        Track *track = &t->tracks[m.kind == VIDEO];
        if (measuring && track->count < SAMPLES) {
            if (track->next && number > track->next) t->lost += number - track->next;
            track->delays[track->count] = delay * 1e3;
            __atomic_store_n(&track->count, track->count + 1, __ATOMIC_RELEASE);
        }
        track->next = number + 1;
    }
    __sync_fetch_and_add(&gone, 1);
    return 0;
}

static void take(Rtmp *c, int stream, int probe) {
    pthread_mutex_lock(&lock);
    Taker *t = &takers[taker_count];
    *t = (Taker){.fd = c->fd, .stream = stream, .probe = probe, .c = c};
    taker_count++;
    pthread_mutex_unlock(&lock);
    if (probe) {
        for (int i = 0; i < 2; i++) t->tracks[i].delays = malloc(SAMPLES * sizeof(float));
        pthread_t thread;
        pthread_create(&thread, 0, probing, t);
        return;
    }
    rtmp_free(c, 1);
    t->c = NULL;
    epoll_ctl(epoll, EPOLL_CTL_ADD, t->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = t});
}

// Probes are spread evenly: who came first is served first by one server and last by another.
static int is_probe(int i, int all, int probes) {
    if (probes >= all) return 1;
    return (2L * (i + 1) * probes + all) / (2L * all) != (2L * i * probes + all) / (2L * all);
}

static int play_all(int players, int probes, double rate) {
    int failed = 0;
    double begin = now();
    for (int i = 0; i < players && failed < 50; i++) {
        char name[300];
        stream_name(name, sizeof name, i);
        Rtmp *c = rtmp_dial(&url, receive_buffer, patience);
        if (!c || rtmp_play(c, name)) {
            if (c) rtmp_free(c, 0);
            failed++;
            continue;
        }
        take(c, i % streams, is_probe(i, players, probes));
        rest_until(begin + (i + 1) / rate);
    }
    return failed;
}

// ---- servers that take pushes ----

static int sinks, sink_probes;
static volatile int accepted;

static void *sink(void *arg) {
    Rtmp *c = rtmp_new((int)(long)arg);
    if (rtmp_accept(c) != 'u') return rtmp_free(c, 0), NULL;
    take(c, 0, is_probe(__sync_fetch_and_add(&accepted, 1), sinks, sink_probes));
    return 0;
}

static void *sinking(void *arg) {
    for (int listener = (int)(long)arg;;) {
        int fd = accept(listener, 0, 0);
        pthread_t thread;
        if (fd >= 0 && !pthread_create(&thread, 0, sink, (void *)(long)fd)) pthread_detach(thread);
    }
    return 0;
}

// ---- a window of measuring ----

static double began;

static void window_start(void) {
    measuring = 0;
    rest_until(now() + 0.01);
    for (int i = 0; i < taker_count; i++) {
        takers[i].mark = takers[i].total;
        takers[i].published = publish_sent(takers[i].stream);
        takers[i].lost = 0;
        for (int k = 0; k < 2; k++) takers[i].tracks[k].count = 0, takers[i].tracks[k].next = 0;
    }
    began = now();
    measuring = 1;
    printf("{\"connections\": %d}\n", taker_count);
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_track(const char *name, int which) {
    int n = 0;
    for (int i = 0; i < taker_count; i++) n += takers[i].tracks[which].count;
    float *all = malloc((n + 1) * sizeof *all);
    int k = 0;
    for (int i = 0; i < taker_count && n; i++) {
        Track *t = &takers[i].tracks[which];
        int count = t->count < n - k ? t->count : n - k;
        if (count) memcpy(all + k, t->delays, count * sizeof *all);
        k += count;
    }
    qsort(all, k, sizeof *all, by_size);
    if (k) printf(", \"%s\": {\"n\": %d, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name, k, all[k / 2], all[k * 99 / 100], all[k - 1]);
    free(all);
}

// A connection is complete that got what was published meanwhile. Chunk headers are on top, and the last batch may be on its
// way: 0.97 is less than half a second short of all in a window of 12 seconds.
static void window_stop(int expected) {
    double seconds = now() - began, total = 0, least = 1e9;
    measuring = 0;
    int complete = 0, probes = 0;
    long lost = 0;
    for (int i = 0; i < taker_count; i++) {
        double got = takers[i].total - takers[i].mark;
        total += got;
        double published = publish_sent(takers[i].stream) - takers[i].published;
        if (takers[i].published < 0) published = media.bytes_per_second * seconds;
        complete += got >= 0.97 * published;
        least = got < least * published ? got / published : least;
        probes += takers[i].probe;
        lost += takers[i].lost;
    }
    rest_until(now() + 0.05);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"seconds\": %.3f, \"wanted\": %d, \"connections\": %d, \"gone\": %d, \"complete\": %d, \"bytes\": %.0f, \"least\": %.3f", seconds, expected,
           taker_count, gone, complete, total, taker_count ? least : 0);
    printf(", \"probes\": %d, \"lost\": %ld, \"behind_ms\": %.1f", probes, lost, publish_behind() * 1e3);
    print_track("video", 1);
    print_track("audio", 0);
    printf("}\n");
}

static void stall(int first, int on) {
    stalled = on ? first : 0;
    int changed = 0;
    for (int i = 0; i < taker_count && changed < first; i++) {
        if (takers[i].probe) continue;
        changed++;
        if (on) epoll_ctl(epoll, EPOLL_CTL_DEL, takers[i].fd, 0);
        else epoll_ctl(epoll, EPOLL_CTL_ADD, takers[i].fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &takers[i]});
    }
    printf("{\"changed\": %d}\n", changed);
}

static int usage(void) {
    fprintf(stderr,
            "load URL MEDIA [options]\n"
            "  -p N   publish N streams (names get a number if there are several), frames stamped and at their own times; 0: none\n"
            "  -g 1   publish sound with the picture behind it, as `ffmpeg -re -c copy` does\n"
            "  -n N   players        -r N   of them in a second     -i N   probes among them, which read stamps\n"
            "  -k N   servers that take pushes, on -o PORT          -b N   receive buffer of players and servers, bytes\n"
            "  -w S   seconds until everybody has to be there\n"
            "lines: start | stop | stall N | resume N | join N GAP | churn N AT_ONCE status|media|edge | quit\n");
    return 2;
}

int main(int argc, char **argv) {
    int publish = 1, players = 0, probes = 5, port = 0, option;
    double rate = 300, within = 30;
    if (argc < 3 || parse_url(&url, argv[1]) || media_load(&media, argv[2])) return usage();
    for (optind = 3; (option = getopt(argc, argv, "p:g:n:r:i:k:o:b:w:")) > 0;) {
        double value = atof(optarg);
        switch (option) {
        case 'p': publish = value; break;
        case 'g': interleaved = value; break;
        case 'n': players = value; break;
        case 'r': rate = value; break;
        case 'i': probes = value; break;
        case 'k': sinks = value; break;
        case 'o': port = value; break;
        case 'b': receive_buffer = value; break;
        case 'w': within = value; break;
        default: return usage();
        }
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);  // for this thread and those that it starts
    setvbuf(stdout, 0, _IOLBF, 0);
    streams = publish > 1 ? publish : 1;
    sink_probes = probes;
    takers = calloc(MAX, sizeof *takers);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    pthread_t thread;
    pthread_create(&thread, 0, draining, 0);
    if (sinks) {
        int listener = rtmp_listen(port, receive_buffer);
        if (listener < 0) return printf("{\"error\": \"port %d is taken\"}\n", port), 1;
        pthread_create(&thread, 0, sinking, (void *)(long)listener);
    }
    if (publish && publish_all(publish)) return printf("{\"error\": \"publishing failed\"}\n"), 1;
    // A player before the first frame may be refused.
    if (players) rest_until(now() + (publish ? 2.5 : 0.2));
    int failed = players ? play_all(players, probes, rate) : 0;
    for (double limit = now() + within; taker_count < players + sinks && failed == 0 && now() < limit;) rest_until(now() + 0.05);
    printf("{\"connections\": %d, \"failed\": %d}\n", taker_count, failed);
    for (char line[200], until[20]; fgets(line, sizeof line, stdin);) {
        int n = 0, more = 0;
        double gap = 0;
        if (!strncmp(line, "start", 5)) window_start();
        else if (!strncmp(line, "stop", 4)) window_stop(players + sinks);
        else if (sscanf(line, "stall %d", &n) == 1) stall(n, 1);
        else if (sscanf(line, "resume %d", &n) == 1) stall(n, 0);
        else if (sscanf(line, "join %d %lf", &n, &gap) == 2) join(n, gap);
        else if (sscanf(line, "churn %d %d %19s", &n, &more, until) == 3) churn(n, more, until);
        else if (!strncmp(line, "quit", 4)) break;
        else printf("{\"error\": \"what?\"}\n");
    }
    // Together with the process: nobody says good-bye, as when a machine is cut off.
    _exit(0);
}
