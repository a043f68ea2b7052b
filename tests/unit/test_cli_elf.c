/* test_cli_elf.c - names out of ELF files, made here byte by byte; and `pawl check` over them. */
#include "unit/cli_world.h"
#include "cli/elf.h"
#include "base/buf.h"
#include <unistd.h>

#define SYMBOLS_MAX 16

struct made {
	unsigned char bytes[4096];
	size_t len;
};

static void put(struct made *m, size_t at, unsigned bytes, uint64_t n)
{
	for (unsigned i = 0; i < bytes; i++)
		m->bytes[at + i] = (unsigned char)(n >> 8 * i);
	if (at + bytes > m->len)
		m->len = at + bytes;
}

struct layout {
	size_t head, section, symbol;
};

static const struct layout wide = { 64, 64, 24 }, narrow = { 52, 40, 16 };

static void put_section(struct made *m, bool is64, size_t at, uint32_t type, uint32_t link, uint64_t offset, uint64_t size, uint64_t entry)
{
	put(m, at + 4, 4, type);
	put(m, at + (is64 ? 24 : 16), is64 ? 8 : 4, offset);
	put(m, at + (is64 ? 32 : 20), is64 ? 8 : 4, size);
	put(m, at + (is64 ? 40 : 24), 4, link);
	put(m, at + (is64 ? 56 : 36), is64 ? 8 : 4, entry);
	m->len = at + (is64 ? 64 : 40) > m->len ? at + (is64 ? 64 : 40) : m->len;
}

/* Names that begin with '+' are defined in it. Head, names, symbols, sections (none, names, symbols). */
static struct made make_elf(bool is64, const char *const *names)
{
	const struct layout *l = is64 ? &wide : &narrow;
	struct made m = { .len = 0 };
	size_t text = l->head, name_at = 1, symbols = text + 512, count = 1;

	memcpy(m.bytes, "\177ELF", 4);
	m.bytes[4] = is64 ? 2 : 1;
	m.bytes[5] = m.bytes[6] = 1;
	put(&m, 16, 2, 3);
	for (; *names; names++, count++) {
		const char *name = **names == '+' ? *names + 1 : *names;
		put(&m, symbols + count * l->symbol, 4, name_at);
		put(&m, symbols + count * l->symbol + (is64 ? 6 : 14), 2, **names == '+');
		memcpy(m.bytes + text + name_at, name, strlen(name));
		name_at += strlen(name) + 1;
	}
	assert_true(count <= SYMBOLS_MAX && name_at < 512);
	size_t sections = symbols + SYMBOLS_MAX * l->symbol;
	put_section(&m, is64, sections + l->section, 3, 0, text, name_at, 0);
	put_section(&m, is64, sections + 2 * l->section, 11, 1, symbols, count * l->symbol, l->symbol);
	put(&m, is64 ? 40 : 32, is64 ? 8 : 4, sections);
	put(&m, is64 ? 58 : 46, 2, l->section);
	put(&m, is64 ? 60 : 48, 2, 3);
	return m;
}

#define elf_of(is64, ...) make_elf(is64, (const char *const[]){ __VA_ARGS__, NULL })

static int add_name(void *arg, const struct elf_symbol *s)
{
	struct buf *out = arg;

	buf_addf(out, "%s%.*s ", s->is_import ? "" : "+", SLICE_FMT(s->name));
	return 0;
}

static int read_elf(const struct made *m, size_t len, char *names, size_t size, struct pawl_error *err)
{
	struct elf_info info;
	struct buf out = BUF_INIT;
	char *exact = malloc(len + 1); /* so that a sanitizer sees a byte too far */

	assert_non_null(exact);
	memcpy(exact, m->bytes, len);
	int rc = elf_read((struct slice){ exact, len }, &info, add_name, &out, err);
	if (names)
		snprintf(names, size, "%s", buf_str(&out));
	free(exact);
	buf_release(&out);
	return rc;
}

static void both_widths(void **state)
{
	char names[256];
	struct pawl_error err = { 0 };

	(void)state;
	for (int is64 = 0; is64 < 2; is64++) {
		struct made m = elf_of(is64, "time", "+greet", "pawl_register");
		assert_int_equal(read_elf(&m, m.len, names, sizeof(names), &err), 0);
		assert_string_equal(names, "time +greet pawl_register ");
	}
}

static void damaged_heads(void **state)
{
	static const struct {
		size_t at;
		unsigned bytes;
		uint64_t value;
		int code;
	} cases[] = {
		{ 0, 1, 0, PAWL_EPARSE },            /* no ELF */
		{ 4, 1, 3, PAWL_EPARSE },            /* class */
		{ 5, 1, 2, PAWL_EUNSUPPORTED },      /* big endian */
		{ 40, 8, 0, PAWL_ENOTFOUND },        /* no sections */
		{ 40, 8, UINT64_MAX, PAWL_EPARSE },
		{ 40, 8, UINT64_MAX - 63, PAWL_EPARSE },
		{ 58, 2, 0, PAWL_EPARSE },
		{ 58, 2, 63, PAWL_EPARSE },
		{ 60, 2, 0xffff, PAWL_EPARSE },
		{ 60, 2, 0, PAWL_ENOTFOUND },        /* the count is in the first section, and is 0 there */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made m = elf_of(true, "time");
		struct pawl_error err = { 0 };
		put(&m, cases[i].at, cases[i].bytes, cases[i].value);
		if (read_elf(&m, m.len, NULL, 0, &err) != cases[i].code)
			fail_msg("case %zu: %s", i, err.text);
	}
}

static void cut_off(void **state)
{
	(void)state;
	for (int is64 = 0; is64 < 2; is64++) {
		struct made m = elf_of(is64, "time", "rand");
		struct pawl_error err = { 0 };
		for (size_t len = 0; len < m.len; len++)
			assert_true(read_elf(&m, len, NULL, 0, &err) < 0);
	}
}

static void mutations(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct made m = elf_of(round % 2, "time", "+greet", "fopen64", "pawl_register");
		struct pawl_error err = { 0 };
		for (int i = 0; i < 1 + round % 5; i++) {
			seed = seed * 1664525 + 1013904223;
			size_t at = (seed >> 8) % m.len;
			if (round % 3) /* heads, symbols and sections, where it hurts */
				at = round % 3 == 1 ? at % 64 : m.len - 1 - at % 200;
			m.bytes[at] = seed & 1 ? (unsigned char)(seed >> 3) : (unsigned char)(seed & 2 ? 0xff : 0x7f);
		}
		int rc = read_elf(&m, m.len, NULL, 0, &err);
		assert_true(rc == 0 || err.text[0]);
	}
}

static void put_file(struct cli_world *w, char *path, size_t size, const struct made *m)
{
	snprintf(path, size, "%s/x.so", w->dir);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(m->bytes, m->len, 1, f), 1);
	assert_int_equal(fclose(f), 0);
}

static void check_hints(void **state)
{
	struct cli_world *w = *state;
	char path[128], link[128];
	struct made m = elf_of(true, "__time64", "malloc", "fopen64", "+getenv", "__clock_gettime64", "pawl_register", "rand", "timer_x");

	put_file(w, path, sizeof(path), &m);
	assert_int_equal(run(w, "check", path), 0);
	assert_has(w->out, "__time64");
	assert_has(w->out, "pawl_now");
	assert_has(w->out, "__clock_gettime64");
	assert_has(w->out, "pawl_random");
	assert_has(w->out, "fopen64");
	assert_lacks(w->out, "getenv");
	assert_lacks(w->out, "malloc");
	assert_lacks(w->out, "timer_x");
	assert_has(w->err, "4 hints");
	assert_has(w->err, "activities may use all of this");
	assert_int_equal(run(w, "check", "--strict", path), 1);
	assert_int_equal(run(w, "check", "-o", "jsonl", path), 0);
	assert_has(w->out, "\"plugin\":true,\"hints\":[{\"symbol\":\"__clock_gettime64\",\"topic\":\"clock\"");
	snprintf(link, sizeof(link), "%s/link.so", w->dir);
	assert_int_equal(symlink("x.so", link), 0);
	assert_int_equal(run(w, "check", link), 0);
	assert_has(w->err, "4 hints");
}

static void check_without_hints(void **state)
{
	struct cli_world *w = *state;
	char path[128];
	struct made m = elf_of(false, "pawl_register", "malloc");

	put_file(w, path, sizeof(path), &m);
	assert_int_equal(run(w, "check", "--strict", path), 0);
	assert_has(w->err, "0 hints");
	m = elf_of(false, "malloc");
	put_file(w, path, sizeof(path), &m);
	assert_int_equal(run(w, "check", path), 0);
	assert_has(w->err, "does not import pawl_register");
	assert_int_equal(run(w, "check", "--strict", path), 1);
	m = elf_of(true, "+pawl_register");
	put_file(w, path, sizeof(path), &m);
	assert_int_equal(run(w, "check", path), 0);
	assert_has(w->err, "has pawl in itself");
}

static void check_failures(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(run(w, "check", "/does/not/exist.so"), 1);
	assert_int_equal(run(w, "check", "/dev/null"), 1);
	assert_has(w->err, "no ELF file");
	assert_int_equal(run(w, "check"), 2);
}

#define WORLD(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_widths),
		cmocka_unit_test(damaged_heads),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(mutations),
		WORLD(check_hints),
		WORLD(check_without_hints),
		WORLD(check_failures),
	};

	return cmocka_run_group_tests_name("elf and check", tests, NULL, NULL);
}
