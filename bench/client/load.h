// What the parts of the load client share.
#ifndef LOAD_H
#define LOAD_H
#include <pthread.h>

#include "rtmp.h"

extern Url url;
extern Media media;
extern int streams, patience, receive_buffer, interleaved;

void rest_until(double when);
void stream_name(char *to, size_t room, int number);

int publish_all(int number);      // dials and publishes, then goes on in a thread of its own
double publish_behind(void);      // seconds that the publishers are late by, at worst since the last call
double publish_sent(int number);  // bytes of media that stream has sent, -1 where nobody publishes
void join(int number, double gap);
void churn(int number, int at_once, const char *until);
#endif
