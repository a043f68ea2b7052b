/*
 * acks.h - acknowledgements: what somebody was told and may count on from then on. Each is a line in the log of the disk:
 *
 *	started ID 0 TYPE CRC       a start is durable: this instance exists, or has ended and is in the archive
 *	raised ID 0 EVENT CRC       an event was raised, by a client, by the runtime's own call, or by a file that was synced
 *	began ID EXECUTION SEQ CRC  the activity that line SEQ has scheduled runs, so its decision was durable (I1)
 *	ended ID 0 - CRC            somebody has seen it complete with this output
 *	seen ID EXECUTION BYTES 0   somebody who reads the hub has seen so much of this history
 *	purging ID 0 - 0            from now on it may be gone, whole
 *	purged ID 0 - 0             it is gone, for good
 *
 * CRC is that of the payload, in hex.
 */
#ifndef BLOCK_ACKS_H
#define BLOCK_ACKS_H

#include <stddef.h>
#include <stdint.h>

enum ack_kind { ACK_STARTED, ACK_RAISED, ACK_BEGAN, ACK_ENDED, ACK_SEEN, ACK_PURGING, ACK_PURGED, ACK_KINDS };

struct ack {
	enum ack_kind kind;
	char id[132], name[132];
	uint64_t execution, number; /* SEQ or BYTES */
	uint32_t crc;
};

/* Where they go: the file $BLOCK_ACK, or nowhere when that is not set. Any thread. */
void ack_open(void);
void ack_write(enum ack_kind kind, const char *id, uint64_t execution, const char *name, const void *data, size_t len);
void ack_write_number(enum ack_kind kind, const char *id, uint64_t execution, uint64_t number, const void *data, size_t len);
/* 0, or -1 when it is none. */
int ack_parse(struct ack *ack, const void *text, size_t len);

#endif
