#include "crc32c.h"
#include <stdatomic.h>
#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__)
#define HAVE_SSE42 1
#include <cpuid.h>
#include <nmmintrin.h>
#elif defined(__GNUC__) && defined(__AARCH64EL__) && defined(__linux__)
#define HAVE_ARM_CRC 1
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1UL << 7)
#endif
#endif

/*
 * Slicing by eight: tables[k][b] is what byte b does to the checksum when k bytes follow it. A checksum is linear, so
 * that is the xor of what b's bits do alone: a row lists that for bits 7 to 0. Each number of the list is the one
 * before it, shifted by one bit and reduced by the polynomial, which is the first.
 */
#define CELL(i, a, b, c, d, e, f, g, h)                                                                                \
	(((i) & 128 ? (a) : 0u) ^ ((i) & 64 ? (b) : 0u) ^ ((i) & 32 ? (c) : 0u) ^ ((i) & 16 ? (d) : 0u) ^              \
	 ((i) & 8 ? (e) : 0u) ^ ((i) & 4 ? (f) : 0u) ^ ((i) & 2 ? (g) : 0u) ^ ((i) & 1 ? (h) : 0u))
#define CELLS_4(i, ...)                                                                                                \
	CELL(i, __VA_ARGS__), CELL((i) + 1, __VA_ARGS__), CELL((i) + 2, __VA_ARGS__), CELL((i) + 3, __VA_ARGS__)
#define CELLS_16(i, ...)                                                                                               \
	CELLS_4(i, __VA_ARGS__), CELLS_4((i) + 4, __VA_ARGS__), CELLS_4((i) + 8, __VA_ARGS__),                         \
		CELLS_4((i) + 12, __VA_ARGS__)
#define CELLS_64(i, ...)                                                                                               \
	CELLS_16(i, __VA_ARGS__), CELLS_16((i) + 16, __VA_ARGS__), CELLS_16((i) + 32, __VA_ARGS__),                    \
		CELLS_16((i) + 48, __VA_ARGS__)
#define ROW(...)                                                                                                       \
	{                                                                                                              \
		CELLS_64(0, __VA_ARGS__), CELLS_64(64, __VA_ARGS__), CELLS_64(128, __VA_ARGS__),                       \
			CELLS_64(192, __VA_ARGS__)                                                                     \
	}

/* Where size counts, the first is enough: one byte at a time. */
#ifdef __OPTIMIZE_SIZE__
#define TABLES 1
#else
#define TABLES 8
#endif

static const uint32_t tables[TABLES][256] = {
	ROW(0x82f63b78, 0x417b1dbc, 0x20bd8ede, 0x105ec76f, 0x8ad958cf, 0xc79a971f, 0xe13b70f7, 0xf26b8303),
#if TABLES == 8
	ROW(0xfbc3faf9, 0xff17c604, 0x7f8be302, 0x3fc5f181, 0x9d14c3b8, 0x4e8a61dc, 0x274530ee, 0x13a29877),
	ROW(0x8b277743, 0xc76580d9, 0xe144fb14, 0x70a27d8a, 0x38513ec5, 0x9edea41a, 0x4f6f520d, 0xa541927e),
	ROW(0x52a0c93f, 0xaba65fe7, 0xd725148b, 0xe964b13d, 0xf64463e6, 0x7b2231f3, 0xbf672381, 0xdd45aab8),
	ROW(0x6ea2d55c, 0x37516aae, 0x1ba8b557, 0x8f2261d3, 0xc5670b91, 0xe045beb0, 0x7022df58, 0x38116fac),
	ROW(0x1c08b7d6, 0x0e045beb, 0x85f4168d, 0xc00c303e, 0x6006181f, 0xb2f53777, 0xdb8ca0c3, 0xef306b19),
	ROW(0xf56e0ef4, 0x7ab7077a, 0x3d5b83bd, 0x9c5bfaa6, 0x4e2dfd53, 0xa5e0c5d1, 0xd0065990, 0x68032cc8),
	ROW(0x34019664, 0x1a00cb32, 0x0d006599, 0x847609b4, 0x423b04da, 0x211d826d, 0x9278fa4e, 0x493c7d27),
#endif
};

#if TABLES == 8 || HAVE_SSE42 || HAVE_ARM_CRC
static uint32_t load_le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
#endif

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;

	crc = ~crc;
#if TABLES == 8
	for (; len >= 8; len -= 8, p += 8) {
		uint32_t lo = load_le32(p) ^ crc, hi = load_le32(p + 4);
		crc = tables[7][lo & 255] ^ tables[6][lo >> 8 & 255] ^ tables[5][lo >> 16 & 255] ^ tables[4][lo >> 24] ^
		      tables[3][hi & 255] ^ tables[2][hi >> 8 & 255] ^ tables[1][hi >> 16 & 255] ^ tables[0][hi >> 24];
	}
#endif
	for (; len > 0; len--)
		crc = crc >> 8 ^ tables[0][(crc ^ *p++) & 255];
	return ~crc;
}

#if HAVE_SSE42

__attribute__((target("sse4.2"))) static uint32_t crc32c_cpu(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t wide = ~crc, word;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	if (len & 4) {
		crc = _mm_crc32_u32(crc, load_le32(p));
		p += 4;
	}
	for (len &= 3; len > 0; len--)
		crc = _mm_crc32_u8(crc, *p++);
	return ~crc;
}

static int cpu_has_crc32c(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}

#elif HAVE_ARM_CRC

/* Assembly because the intrinsics want compiler flags, differently from one compiler to the next. */
#define ARM_CRC(insn, reg, crc, value)                                                                                 \
	__asm__(".arch_extension crc\n\t" insn " %w0, %w0, %" reg "1" : "+r"(crc) : "r"(value))

static uint32_t crc32c_cpu(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t word;

	crc = ~crc;
	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		ARM_CRC("crc32cx", "x", crc, word);
	}
	if (len & 4) {
		ARM_CRC("crc32cw", "w", crc, load_le32(p));
		p += 4;
	}
	for (len &= 3; len > 0; len--, p++)
		ARM_CRC("crc32cb", "w", crc, (uint32_t)*p);
	return ~crc;
}

static int cpu_has_crc32c(void)
{
	return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}

#endif

#if HAVE_SSE42 || HAVE_ARM_CRC

typedef uint32_t crc_fn(uint32_t crc, const void *data, size_t len);

static crc_fn choose;
/* Threads may choose at the same time: they all store the same. */
static crc_fn *_Atomic chosen = choose;

static uint32_t choose(uint32_t crc, const void *data, size_t len)
{
	crc_fn *fn = cpu_has_crc32c() ? crc32c_cpu : crc32c_portable;
	atomic_store_explicit(&chosen, fn, memory_order_relaxed);
	return fn(crc, data, len);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	return atomic_load_explicit(&chosen, memory_order_relaxed)(crc, data, len);
}

#else

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	return crc32c_portable(crc, data, len);
}

#endif
