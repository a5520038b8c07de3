// The RTMP of the load client and the floor: handshake, chunks, the commands up to media.
#define _GNU_SOURCE
#include "rtmp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

int parse_url(Url *url, const char *text) {
    if (sscanf(text, "rtmp://127.0.0.1:%d/%127[^/]/%255s", &url->port, url->app, url->name) != 3) return -1;
    snprintf(url->tc_url, sizeof url->tc_url, "rtmp://127.0.0.1:%d/%s", url->port, url->app);
    return 0;
}

Rtmp *rtmp_new(int fd) {
    Rtmp *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->in_chunk = c->out_chunk = 128;
    return c;
}

void rtmp_free(Rtmp *c, int keep_socket) {
    if (c->fd >= 0 && !keep_socket) close(c->fd);
    for (int i = 0; i < 64; i++) free(c->streams[i].body);
    free(c);
}

static int put(Rtmp *c, const void *bytes, size_t n) {
    for (const uint8_t *p = bytes; n;) {
        ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return -1;
        p += sent;
        n -= sent;
    }
    return 0;
}

static int get(Rtmp *c, void *to, size_t n) {
    for (uint8_t *p = to; n;) {
        if (c->at == c->have) {
            ssize_t came;
            do came = recv(c->fd, c->in, sizeof c->in, 0);
            while (came < 0 && errno == EINTR);
            if (came <= 0) return -1;
            c->at = 0;
            c->have = came;
            c->received += came;
        }
        size_t k = c->have - c->at < n ? c->have - c->at : n;
        memcpy(p, c->in + c->at, k);
        c->at += k;
        p += k;
        n -= k;
    }
    return 0;
}

static void be32(uint8_t *p, uint32_t v) { p[0] = v >> 24, p[1] = v >> 16, p[2] = v >> 8, p[3] = v; }
static uint32_t get24(const uint8_t *p) { return p[0] << 16 | p[1] << 8 | p[2]; }
static uint32_t get32(const uint8_t *p) { return (uint32_t)p[0] << 24 | get24(p + 1); }

int rtmp_send(Rtmp *c, int csid, int kind, uint32_t time, const uint8_t *body, uint32_t length) {
    static __thread uint8_t out[1 << 22];
    if (length > sizeof out / 2) return -1;
    uint32_t w = 0, on_stream = kind == AUDIO || kind == VIDEO || kind == DATA || csid == 8 ? c->stream_id : 0;
    uint32_t field = time < 0xFFFFFF ? time : 0xFFFFFF;
    uint8_t head[12] = {csid, field >> 16, field >> 8, field, length >> 16, length >> 8, length, kind,
                        on_stream, on_stream >> 8, on_stream >> 16, on_stream >> 24};
    memcpy(out, head, 12);
    w = 12;
    if (field == 0xFFFFFF) be32(out + w, time), w += 4;
    for (uint32_t i = 0; i < length;) {
        uint32_t k = length - i < c->out_chunk ? length - i : c->out_chunk;
        if (i) {
            out[w++] = 0xC0 | csid;
            if (field == 0xFFFFFF) be32(out + w, time), w += 4;
        }
        memcpy(out + w, body + i, k);
        w += k;
        i += k;
    }
    return put(c, out, w);
}

static int control(Rtmp *c, int kind, uint32_t value) {
    uint8_t b[5];
    be32(b, value);
    b[4] = 2;
    return rtmp_send(c, 2, kind, 0, b, kind == 6 ? 5 : 4);
}

// One chunk; 1 if it ended a message.
static int chunk(Rtmp *c, ChunkStream **which) {
    uint8_t first, head[11], more[2];
    if (get(c, &first, 1)) return -1;
    int format = first >> 6, id = first & 63;
    if (id == 0) {
        if (get(c, more, 1)) return -1;
        id = 64 + more[0];
    } else if (id == 1) {
        if (get(c, more, 2)) return -1;
        id = 64 + more[0] + 256 * more[1];
    }
    ChunkStream *s = *which = &c->streams[id & 63];
    static const int sizes[] = {11, 7, 3, 0};
    if (get(c, head, sizes[format])) return -1;
    uint32_t time = 0;
    if (format < 3) time = get24(head), s->extended = time == 0xFFFFFF;
    if (format < 2) s->length = get24(head + 3), s->kind = head[6];
    if (s->extended) {
        uint8_t e[4];
        if (get(c, e, 4)) return -1;
        if (format < 3) time = get32(e);
    }
    if (s->got == 0) {
        if (format == 0) s->time = time, s->delta = 0;
        else s->time += format < 3 ? (s->delta = time) : s->delta;
    }
    if (s->room < s->length) s->body = realloc(s->body, s->length), s->room = s->length;
    uint32_t k = s->length - s->got < c->in_chunk ? s->length - s->got : c->in_chunk;
    if (get(c, s->body + s->got, k)) return -1;
    s->got += k;
    if (s->got < s->length) return 0;
    s->got = 0;
    return 1;
}

int rtmp_read(Rtmp *c, Message *message) {
    for (;;) {
        ChunkStream *s;
        int whole = chunk(c, &s);
        if (whole < 0) return -1;
        if (c->window && c->received - c->told >= c->window / 2) {
            c->told = c->received;
            if (control(c, 3, (uint32_t)c->received)) return -1;
        }
        if (!whole) continue;
        if (s->kind == 1 && s->length >= 4) c->in_chunk = get32(s->body) & 0x7FFFFFFF;
        if (s->kind == 5 && s->length >= 4) c->window = get32(s->body);
        if (s->kind == 4 && s->length >= 6 && s->body[1] == 6) {  // a ping
            uint8_t pong[6] = {0, 7, s->body[2], s->body[3], s->body[4], s->body[5]};
            if (rtmp_send(c, 2, 4, 0, pong, 6)) return -1;
        }
        if (s->kind < AUDIO) continue;
        *message = (Message){s->body, s->length, s->time, s->kind};
        return 0;
    }
}

static uint8_t *name(uint8_t *p, const char *text) {
    size_t n = strlen(text);
    *p++ = n >> 8, *p++ = n;
    memcpy(p, text, n);
    return p + n;
}
static uint8_t *string(uint8_t *p, const char *text) { return *p++ = 2, name(p, text); }
static uint8_t *number(uint8_t *p, double d) {
    uint64_t v;
    memcpy(&v, &d, 8);
    *p++ = 0;
    for (int i = 7; i >= 0; i--) *p++ = v >> (8 * i);
    return p;
}
static double number_at(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v = v << 8 | p[i];
    double d;
    memcpy(&d, &v, 8);
    return d;
}
static uint8_t *end(uint8_t *p) { return *p++ = 0, *p++ = 0, *p++ = 9, p; }
static int is(const Message *m, const char *command) {
    size_t n = strlen(command);
    return m->kind == COMMAND && m->length >= 3 + n + 9 && m->body[2] == n && !memcmp(m->body + 3, command, n);
}

static int wait_for(Rtmp *c, Message *m, const char *command) {
    do {
        if (rtmp_read(c, m) || is(m, "_error")) return -1;
    } while (!is(m, command));
    return 0;
}

static int settings(int fd, int patience) {
    struct timeval limit = {patience, 0};
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

Rtmp *rtmp_dial(const Url *url, int receive_buffer, int patience) {
    Rtmp *c = rtmp_new(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    settings(c->fd, patience);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(url->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t hello[1537] = {3}, answer[1537], b[2048], *p = b;
    for (int i = 9; i < 1537; i++) hello[i] = i * 7 + 13;
    if (connect(c->fd, (void *)&to, sizeof to) || put(c, hello, 1537) || get(c, answer, 1537)) goto bad;
    if (put(c, answer + 1, 1536) || get(c, answer + 1, 1536)) goto bad;
    p = number(string(p, "connect"), 1);
    *p++ = 3;
    p = string(name(p, "app"), url->app);
    p = string(name(p, "type"), "nonprivate");
    p = string(name(p, "flashVer"), "FMLE/3.0 (compatible; bench)");
    p = string(name(p, "tcUrl"), url->tc_url);
    p = number(name(p, "capabilities"), 15);
    p = number(name(p, "audioCodecs"), 4071);
    p = number(name(p, "videoCodecs"), 252);
    p = end(p);
    Message m;
    if (rtmp_send(c, 3, COMMAND, 0, b, p - b) || wait_for(c, &m, "_result")) goto bad;
    control(c, 5, 2500000);
    p = number(string(b, "createStream"), 2);
    *p++ = 5;
    if (rtmp_send(c, 3, COMMAND, 0, b, p - b)) goto bad;
    do {
        if (wait_for(c, &m, "_result")) goto bad;
    } while (m.length < 29 || number_at(m.body + 11) != 2);
    c->stream_id = (uint32_t)number_at(m.body + m.length - 8);
    return c;
bad:
    rtmp_free(c, 0);
    return NULL;
}

int rtmp_play(Rtmp *c, const char *stream) {
    uint8_t b[1024], *p = number(string(b, "play"), 3), buffer[10] = {0, 3};
    *p++ = 5;
    p = number(string(p, stream), -2000);
    if (rtmp_send(c, 8, COMMAND, 0, b, p - b)) return -1;
    be32(buffer + 2, c->stream_id);
    be32(buffer + 6, 1000);
    return rtmp_send(c, 2, 4, 0, buffer, 10);
}

int rtmp_publish(Rtmp *c, const char *stream) {
    uint8_t b[1024], *p = number(string(b, "publish"), 3);
    *p++ = 5;
    p = string(string(p, stream), "live");
    Message m;
    if (rtmp_send(c, 8, COMMAND, 0, b, p - b) || wait_for(c, &m, "onStatus")) return -1;
    if (!memmem(m.body, m.length, "Publish.Start", 13)) return -1;
    control(c, 1, CHUNK);
    c->out_chunk = CHUNK;
    return 0;
}

int rtmp_listen(int port, int receive_buffer) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (receive_buffer) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (bind(fd, (void *)&at, sizeof at) || listen(fd, 4096)) return -1;
    return fd;
}

static int status(Rtmp *c, uint8_t *b, uint8_t *p, int csid, const char *code) {
    *p++ = 3;
    p = string(name(p, "level"), "status");
    p = string(name(p, "code"), code);
    p = end(string(name(p, "description"), "-"));
    return rtmp_send(c, csid, COMMAND, 0, b, p - b);
}

int rtmp_accept(Rtmp *c) {
    uint8_t hello[1537], answer[1537] = {3}, b[1024];
    settings(c->fd, 10);
    if (get(c, hello, 1537) || put(c, answer, 1537) || put(c, hello + 1, 1536) || get(c, hello + 1, 1536)) return 0;
    for (Message m;;) {
        if (rtmp_read(c, &m)) return 0;
        if (m.kind != COMMAND || m.length < 12) continue;
        uint32_t at = 3 + (m.body[1] << 8 | m.body[2]);
        double transaction = at + 9 <= m.length ? number_at(m.body + at + 1) : 0;
        uint8_t *p = number(string(b, "_result"), transaction);
        if (is(&m, "connect")) {
            control(c, 5, 5000000), control(c, 6, 5000000), control(c, 1, CHUNK);
            c->out_chunk = CHUNK;
            *p++ = 3;
            p = end(string(name(p, "fmsVer"), "FMS/3,0,1,123"));
            if (status(c, b, p, 3, "NetConnection.Connect.Success")) return 0;
        } else if (is(&m, "createStream")) {
            *p++ = 5;
            p = number(p, 1);
            c->stream_id = 1;
            if (rtmp_send(c, 3, COMMAND, 0, b, p - b)) return 0;
        } else if (is(&m, "publish") || is(&m, "play")) {
            int what = m.body[3] == 'p' && m.body[4] == 'u' ? 'u' : 'p';
            p = number(string(b, "onStatus"), 0);
            *p++ = 5;
            const char *code = what == 'u' ? "NetStream.Publish.Start" : "NetStream.Play.Start";
            return status(c, b, p, 8, code) ? 0 : what;
        }
    }
}
