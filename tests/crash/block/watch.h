/* watch.h - somebody who looks at the hub while it runs, as `pawl status` and `pawl wait` do, and believes what he sees. */
#ifndef BLOCK_WATCH_H
#define BLOCK_WATCH_H

/* In a thread of its own, until watch_end. Acknowledges every history that has grown (ACK_SEEN). */
void watch_begin(const char *hub);
void watch_end(void);

#endif
