#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef uint32_t crc_fn(uint32_t crc, const void *data, size_t len);

static crc_fn *const both[] = { crc32c, crc32c_portable };

/* By the definition, bit by bit. */
static uint32_t by_definition(uint32_t crc, const unsigned char *p, size_t len)
{
	crc = ~crc;
	while (len-- > 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void fill(unsigned char *out, size_t len)
{
	uint32_t seed = 1;
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525u + 1013904223u;
		out[i] = (unsigned char)(seed >> 24);
	}
}

/* RFC 3720, B.4 */
static void gives_the_published_values(void **state)
{
	unsigned char bytes[32];
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(both[i](0, "123456789", 9), 0xe3069283);
		memset(bytes, 0, sizeof(bytes));
		assert_int_equal(both[i](0, bytes, sizeof(bytes)), 0x8a9136aa);
		memset(bytes, 0xff, sizeof(bytes));
		assert_int_equal(both[i](0, bytes, sizeof(bytes)), 0x62a8ab43);
		for (size_t j = 0; j < sizeof(bytes); j++)
			bytes[j] = (unsigned char)j;
		assert_int_equal(both[i](0, bytes, sizeof(bytes)), 0x46dd794e);
		for (size_t j = 0; j < sizeof(bytes); j++)
			bytes[j] = (unsigned char)(31 - j);
		assert_int_equal(both[i](0, bytes, sizeof(bytes)), 0x113fdb5c);
	}
}

static void nothing_leaves_the_value_as_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(both[i](0, NULL, 0), 0);
		assert_int_equal(both[i](0x12345678, "", 0), 0x12345678);
	}
}

static void every_length_at_every_alignment_follows_the_definition(void **state)
{
	unsigned char bytes[8 + 300];
	(void)state;
	fill(bytes, sizeof(bytes));
	for (size_t start = 0; start < 8; start++) {
		for (size_t len = 0; len <= 300; len++) {
			uint32_t want = by_definition(7, bytes + start, len);
			assert_int_equal(crc32c(7, bytes + start, len), want);
			assert_int_equal(crc32c_portable(7, bytes + start, len), want);
		}
	}
}

static void pieces_give_what_the_whole_gives(void **state)
{
	unsigned char bytes[200];
	(void)state;
	fill(bytes, sizeof(bytes));
	for (size_t i = 0; i < 2; i++)
		for (size_t cut = 0; cut <= sizeof(bytes); cut++)
			assert_int_equal(both[i](both[i](0, bytes, cut), bytes + cut, sizeof(bytes) - cut),
					 both[i](0, bytes, sizeof(bytes)));
}

static void a_megabyte_is_the_same_both_ways(void **state)
{
	size_t len = (1u << 20) + 5;
	unsigned char *bytes = malloc(len);
	(void)state;
	assert_non_null(bytes);
	fill(bytes, len);
	assert_int_equal(crc32c(0, bytes, len), crc32c_portable(0, bytes, len));
	free(bytes);
}

static void any_changed_bit_changes_the_value(void **state)
{
	unsigned char bytes[64];
	(void)state;
	fill(bytes, sizeof(bytes));
	uint32_t before = crc32c(0, bytes, sizeof(bytes));
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_int_not_equal(crc32c(0, bytes, sizeof(bytes)), before);
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
}

static void *check_value(void *arg)
{
	return crc32c(0, "123456789", 9) == 0xe3069283 ? arg : NULL;
}

static void threads_may_call_it_first(void **state)
{
	pthread_t threads[4];
	void *result;
	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, check_value, threads), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, threads);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_may_call_it_first),
		cmocka_unit_test(gives_the_published_values),
		cmocka_unit_test(nothing_leaves_the_value_as_it_is),
		cmocka_unit_test(every_length_at_every_alignment_follows_the_definition),
		cmocka_unit_test(pieces_give_what_the_whole_gives),
		cmocka_unit_test(a_megabyte_is_the_same_both_ways),
		cmocka_unit_test(any_changed_bit_changes_the_value),
	};
	return cmocka_run_group_tests_name("base/crc32c", tests, NULL, NULL);
}
