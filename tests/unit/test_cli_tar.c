/* test_cli_tar.c - archives: what is written is read back, and what strangers write is refused in words. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "cli/tar.h"
#include "base/buf.h"
#include <stdlib.h>
#include <string.h>

#define BLOCK 512
#define SUM_AT 148

/* The bytes that tar_write makes of some files. */
static struct buf archive(const char *const (*files)[2], size_t count, bool end)
{
	struct pawl_error err = { 0 };
	struct buf out = BUF_INIT;
	char part[4096];
	size_t n;
	FILE *f = tmpfile();

	assert_non_null(f);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(tar_write(f, files[i][0], files[i][1], strlen(files[i][1]), 1700000000, &err), 0);
	if (end)
		assert_int_equal(tar_write_end(f, &err), 0);
	rewind(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&out, part, n);
	fclose(f);
	assert_true(buf_ok(&out));
	return out;
}

static FILE *file_of(const struct buf *b)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	assert_true(b->len == 0 || fwrite(b->data, b->len, 1, f) == 1);
	rewind(f);
	return f;
}

static void seal(char *header)
{
	unsigned sum = 0;
	char text[8];

	memset(header + SUM_AT, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)header[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(header + SUM_AT, text, 7);
}

/* Reads to the end; what came of it, with the error's text in err. */
static int read_all(const struct buf *b, uint64_t max, struct pawl_error *err)
{
	struct tar_reader r = { .in = file_of(b) };
	struct tar_entry entry;
	int rc;

	while ((rc = tar_next(&r, &entry, err)) > 0) {
		char *data = NULL;
		size_t len = 0;
		rc = tar_read(&r, &entry, max, &data, &len, err);
		if (rc < 0)
			break;
		assert_true(len == entry.size && data[len] == '\0');
		free(data);
	}
	fclose(r.in);
	return rc;
}

#define assert_refused(b, code, words)                                            \
	do {                                                                      \
		struct pawl_error err_ = { 0 };                                   \
		assert_int_equal(read_all((b), 1 << 20, &err_), (code));          \
		if (!strstr(err_.text, (words)))                                  \
			fail_msg("'%s' does not say '%s'", err_.text, (words));   \
	} while (0)

#define ID128 "a23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

static const char *const files[][2] = {
	{ "pawl-export.json", "{}" },
	{ "a/1.history", "" },
	{ "a/2.history", "two lines\nof text\n" },
	{ ID128 "/18446744073709551615.history", "x" },
};

static void round_trip(void **state)
{
	struct buf b = archive(files, 4, true);
	struct tar_reader r = { .in = file_of(&b) };
	struct tar_entry entry;
	struct pawl_error err = { 0 };

	(void)state;
	assert_int_equal(b.len % BLOCK, 0);
	for (size_t i = 0; i < 4; i++) {
		char *data;
		size_t len;
		assert_int_equal(tar_next(&r, &entry, &err), 1);
		assert_string_equal(entry.name, files[i][0]);
		assert_false(entry.is_directory);
		if (i == 1)
			continue; /* not read: skipped */
		assert_int_equal(tar_read(&r, &entry, 100, &data, &len, &err), 0);
		assert_string_equal(data, files[i][1]);
		free(data);
	}
	assert_int_equal(tar_next(&r, &entry, &err), 0);
	fclose(r.in);
	buf_release(&b);
}

static void large_file(void **state)
{
	struct pawl_error err = { 0 };
	size_t size = 300001, len;
	char *bytes = malloc(size), *data;
	struct tar_entry entry;

	(void)state;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	FILE *f = tmpfile();
	assert_int_equal(tar_write(f, "a/1.1.data", bytes, size, 0, &err), 0);
	assert_int_equal(tar_write_end(f, &err), 0);
	rewind(f);
	struct tar_reader r = { .in = f };
	assert_int_equal(tar_next(&r, &entry, &err), 1);
	assert_int_equal(tar_read(&r, &entry, size - 1, &data, &len, &err), PAWL_ETOOBIG);
	assert_int_equal(tar_read(&r, &entry, size, &data, &len, &err), 0);
	assert_int_equal(len, size);
	assert_memory_equal(data, bytes, size);
	free(data);
	free(bytes);
	fclose(f);
}

static void long_names(void **state)
{
	struct pawl_error err = { 0 };
	char name[400];
	FILE *f = tmpfile();

	(void)state;
	memset(name, 'a', sizeof(name));
	name[101] = '\0';
	assert_int_equal(tar_write(f, name, "", 0, 0, &err), PAWL_EINVALID);
	name[101] = 'a';
	name[156] = '/';
	name[158] = '\0';
	assert_int_equal(tar_write(f, name, "", 0, 0, &err), PAWL_EINVALID);
	fclose(f);
}

static void damaged(void **state)
{
	struct buf b = archive(files, 3, true);

	(void)state;
	b.data[SUM_AT - 12] ^= 1; /* the time of the first */
	assert_refused(&b, PAWL_EPARSE, "checksum");
	b.data[SUM_AT - 12] ^= 1;
	memset(b.data + 257, 0, 8);
	assert_refused(&b, PAWL_EPARSE, "no tar archive");
	buf_release(&b);
	b = (struct buf)BUF_INIT;
	assert_refused(&b, PAWL_EPARSE, "cut off");
	buf_adds(&b, "{\"not\":\"a tar\"}");
	assert_refused(&b, PAWL_EPARSE, "cut off");
	buf_release(&b);
}

static void cut_off(void **state)
{
	struct buf b = archive(files, 3, true);
	size_t whole = b.len;

	(void)state;
	for (size_t len = 0; len < whole - 2 * BLOCK; len += 37) {
		struct pawl_error err = { 0 };
		b.len = len;
		assert_int_equal(read_all(&b, 1000, &err), PAWL_EPARSE);
		assert_non_null(strstr(err.text, "cut off"));
	}
	buf_release(&b);
}

static void bad_names(void **state)
{
	static const char *const names[] = { "/etc/passwd", "../a", "a/../../b", "a/..", "a//b", "a/./b", ".", "..", "a\nb", "a\\b", "a/", "./", "", "\177" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf b = archive((const char *const[][2]){ { "x", "data" } }, 1, true);
		memset(b.data, 0, 100);
		memcpy(b.data, names[i], strlen(names[i]));
		seal(b.data);
		assert_refused(&b, PAWL_EPARSE, "not a name");
		buf_release(&b);
	}
}

static void other_types(void **state)
{
	(void)state;
	for (const char *type = "12346LKxgSZ"; *type; type++) {
		struct buf b = archive((const char *const[][2]){ { "a/1.history", "data" } }, 1, true);
		b.data[156] = *type;
		seal(b.data);
		assert_refused(&b, PAWL_EUNSUPPORTED, "neither a file nor a directory");
		buf_release(&b);
	}
}

static void directories(void **state)
{
	struct buf b = archive((const char *const[][2]){ { "./a/", "" }, { "./a/1.history", "x" } }, 2, true);
	struct tar_entry entry;
	struct pawl_error err = { 0 };

	(void)state;
	b.data[156] = '5';
	seal(b.data);
	struct tar_reader r = { .in = file_of(&b) };
	assert_int_equal(tar_next(&r, &entry, &err), 1);
	assert_true(entry.is_directory);
	assert_string_equal(entry.name, "a");
	assert_int_equal(tar_next(&r, &entry, &err), 1);
	assert_string_equal(entry.name, "a/1.history");
	fclose(r.in);
	buf_release(&b);
}

static void bad_sizes(void **state)
{
	static const char sizes[][13] = { "            ", "0000000009\0 ", "x0000000001\0", "-0000000001\0", "\200\0\0\0\0\0\0\0\0\0\0\1" };
	struct buf b = archive((const char *const[][2]){ { "a/1.history", "data" } }, 1, true);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memcpy(b.data + 124, sizes[i], 12);
		seal(b.data);
		assert_refused(&b, PAWL_EPARSE, "no valid size");
	}
	memcpy(b.data + 124, "777777777777", 12); /* 64 GiB that are not there */
	seal(b.data);
	assert_refused(&b, PAWL_ETOOBIG, "too large");
	memcpy(b.data + 124, "00003777777\0", 12);
	seal(b.data);
	assert_refused(&b, PAWL_EPARSE, "cut off");
	buf_release(&b);
}

/* Whatever the bytes are: an answer, and nothing that a sanitizer has to say. */
static void mutations(void **state)
{
	struct buf b = archive(files, 4, true);
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct pawl_error err = { 0 };
		char kept[4];
		size_t at[4];
		for (int i = 0; i < 4; i++) {
			seed = seed * 1664525 + 1013904223;
			at[i] = (seed >> 8) % b.len;
			if (round % 2)
				at[i] = at[i] / BLOCK * BLOCK + at[i] % 345 % BLOCK;
			kept[i] = b.data[at[i]];
			b.data[at[i]] = (char)(seed >> 3);
		}
		for (size_t h = 0; round % 3 == 0 && h + BLOCK <= b.len; h += BLOCK)
			if (memcmp(b.data + h + 257, "ustar", 5) == 0)
				seal(b.data + h);
		int rc = read_all(&b, 1 << 16, &err);
		assert_true(rc == 0 || err.text[0]);
		for (int i = 3; i >= 0; i--)
			b.data[at[i]] = kept[i];
	}
	buf_release(&b);
}

static void full_disk(void **state)
{
	struct pawl_error err = { 0 };
	FILE *f = fopen("/dev/full", "wb");

	(void)state;
	if (!f)
		skip();
	int rc = tar_write(f, "a/1.history", "x", 1, 0, &err);
	if (rc == 0)
		rc = tar_write_end(f, &err);
	assert_int_equal(rc, PAWL_ENOSPC);
	assert_non_null(strstr(err.text, "cannot write the archive"));
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(large_file),
		cmocka_unit_test(long_names),
		cmocka_unit_test(damaged),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(other_types),
		cmocka_unit_test(directories),
		cmocka_unit_test(bad_sizes),
		cmocka_unit_test(mutations),
		cmocka_unit_test(full_disk),
	};

	return cmocka_run_group_tests_name("tar", tests, NULL, NULL);
}
