// Just enough RTMP for the load client and the floor: both roles, blocking sockets, loopback only.
#ifndef RTMP_H
#define RTMP_H
#include <stddef.h>
#include <stdint.h>

enum { AUDIO = 8, VIDEO = 9, DATA = 18, COMMAND = 20, CHUNK = 4096 };

typedef struct {
    uint8_t *body;
    uint32_t room, length, got, time, delta;
    uint8_t kind;
    int extended;
} ChunkStream;

typedef struct {
    int fd;
    uint8_t in[65536];
    uint32_t at, have, in_chunk, out_chunk, window, stream_id;
    uint64_t received, told;
    ChunkStream streams[64];
} Rtmp;

typedef struct {
    uint8_t *body;
    uint32_t length, time;
    int kind;
} Message;

typedef struct {
    char app[128], name[256], tc_url[512];
    int port;
} Url;

double now(void);  // seconds of the monotonic clock, the same in all processes
int parse_url(Url *url, const char *text);

Rtmp *rtmp_new(int fd);
void rtmp_free(Rtmp *c, int keep_socket);
int rtmp_send(Rtmp *c, int csid, int kind, uint32_t time, const uint8_t *body, uint32_t length);
int rtmp_read(Rtmp *c, Message *message);  // 0, or -1 at the end or after a timeout

// The dialling role. `receive_buffer` 0 leaves the kernel's; reads and writes give up after `patience` seconds.
Rtmp *rtmp_dial(const Url *url, int receive_buffer, int patience);
int rtmp_play(Rtmp *c, const char *name);
int rtmp_publish(Rtmp *c, const char *name);  // waits for the answer

// The listening role, up to `play` or `publish`: 'p', 'u', or 0 where neither came.
int rtmp_listen(int port, int receive_buffer);
int rtmp_accept(Rtmp *c);

// Media: the tags of an FLV file in memory.
typedef struct {
    int kind, header, key;
    uint32_t time, length;
    uint8_t *body;
} Tag;

typedef struct {
    Tag *tags;
    unsigned count;
    uint32_t period;  // milliseconds until it begins anew
    double bytes_per_second;
} Media;

int media_load(Media *media, const char *path);

// A stamp takes the last bytes of a frame: a mark, its number among those of its kind, when it was sent.
int stamp_fits(const Tag *tag);
void stamp_put(uint8_t *end_of_body, uint32_t number, double time);
int stamp_get(const Message *message, uint32_t *number, double *time);
#endif
