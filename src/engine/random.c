/*
 * random.c - numbers that are the same at every replay: seeded by ExecutionStarted, one step for each call. Not for
 * secrets. xoshiro256** (Blackman and Vigna) seeded by splitmix64 (Steele, Lea, Flood); the streams are part of the
 * format: a change would park instances that branched on a number (I5), and a test has their first values.
 */
#include "engine/internal.h"

static uint64_t rotate(uint64_t n, unsigned by)
{
	return n << by | n >> (64 - by);
}

uint64_t prng_mix(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = *state;
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void prng_seed(struct prng *p, const uint64_t seed[2])
{
	uint64_t low = seed[0], high = seed[1];

	p->s[0] = prng_mix(&low);
	p->s[1] = prng_mix(&low);
	p->s[2] = prng_mix(&high);
	p->s[3] = prng_mix(&high) | 1; /* all zero would stay zero */
}

uint64_t prng_next(struct prng *p)
{
	uint64_t *s = p->s, result = rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate(s[3], 45);
	return result;
}

/* RFC 9562, version 4: 122 random bits. */
void prng_uuid(struct prng *p, char out[PRNG_UUID_SIZE])
{
	uint64_t a = prng_next(p), b = prng_next(p);

	a = (a & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
	b = (b & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
	snprintf(out, PRNG_UUID_SIZE, "%08lx-%04lx-%04lx-%04lx-%08lx%04lx", (unsigned long)(a >> 32),
		 (unsigned long)(a >> 16 & 0xffff), (unsigned long)(a & 0xffff), (unsigned long)(b >> 48),
		 (unsigned long)(b >> 16 & 0xffffffff), (unsigned long)(b & 0xffff));
}
