/* elf.c - see elf.h. The format: System V ABI, "Object Files" (gABI 4.1). */
#include "cli/elf.h"
#include "base/error.h"

#define TYPE_REL 1
#define TYPE_DYN 3
#define SECTION_SYMTAB 2u
#define SECTION_STRTAB 3u
#define SECTION_DYNSYM 11u
#define SEGMENT_INTERP 3u
#define SYMBOLS_MAX (1u << 20)
#define SECTIONS_MAX 65536u

struct elf {
	const unsigned char *at;
	uint64_t len;
	bool wide; /* 64 bit */
};

struct section {
	uint32_t type, link;
	uint64_t offset, size, entry;
};

/* ---- numbers ---- */

static uint64_t get(const struct elf *e, uint64_t offset, unsigned bytes)
{
	uint64_t n = 0;

	for (unsigned i = bytes; i > 0; i--)
		n = n << 8 | e->at[offset + i - 1];
	return n;
}

static bool is_inside(const struct elf *e, uint64_t offset, uint64_t size)
{
	return offset <= e->len && size <= e->len - offset;
}

/* count things of `size` from offset on; no product that could go over. */
static bool is_table(const struct elf *e, uint64_t offset, uint64_t count, uint64_t size)
{
	return offset <= e->len && (count == 0 || size <= (e->len - offset) / count);
}

static int damaged(struct pawl_error *err, const char *what)
{
	return err_set(err, PAWL_EPARSE, "it is a damaged ELF file: %s", what);
}

/* ---- headers ---- */

static int take_head(struct elf *e, struct slice file, struct elf_info *info, struct pawl_error *err)
{
	e->at = (const unsigned char *)file.data;
	e->len = file.len;
	if (file.len < 20 || memcmp(file.data, "\177ELF", 4) != 0)
		return err_set(err, PAWL_EPARSE, "it is no ELF file");
	unsigned class = e->at[4], order = e->at[5];
	if ((class != 1 && class != 2) || (order != 1 && order != 2))
		return damaged(err, "its class is not known");
	if (order == 2)
		return err_set(err, PAWL_EUNSUPPORTED, "it is for a big-endian machine");
	e->wide = class == 2;
	if (!is_inside(e, 0, e->wide ? 64 : 52))
		return damaged(err, "its head is cut off");
	uint64_t type = get(e, 16, 2);
	*info = (struct elf_info){ .bits = e->wide ? 64 : 32, .is_shared = type == TYPE_DYN, .is_relocatable = type == TYPE_REL };
	return 0;
}

static struct section get_section(const struct elf *e, uint64_t at)
{
	struct section s = { .type = (uint32_t)get(e, at + 4, 4) };

	s.link = (uint32_t)get(e, at + (e->wide ? 40 : 24), 4);
	s.offset = e->wide ? get(e, at + 24, 8) : get(e, at + 16, 4);
	s.size = e->wide ? get(e, at + 32, 8) : get(e, at + 20, 4);
	s.entry = e->wide ? get(e, at + 56, 8) : get(e, at + 36, 4);
	return s;
}

struct sections {
	uint64_t offset, count, size;
};

static int take_sections(const struct elf *e, struct sections *s, struct pawl_error *err)
{
	s->offset = e->wide ? get(e, 40, 8) : get(e, 32, 4);
	s->size = get(e, e->wide ? 58 : 46, 2);
	s->count = get(e, e->wide ? 60 : 48, 2);
	if (s->offset == 0)
		return err_set(err, PAWL_ENOTFOUND, "it has no table of sections: strip(1) leaves it there, other tools may not");
	if (s->size < (e->wide ? 64u : 40u) || !is_table(e, s->offset, s->count ? s->count : 1, s->size))
		return damaged(err, "its table of sections is not in it");
	if (s->count == 0) /* too many for the field: the first one says */
		s->count = get_section(e, s->offset).size;
	if (s->count > SECTIONS_MAX || !is_table(e, s->offset, s->count, s->size))
		return damaged(err, "its table of sections is not in it");
	return 0;
}

static void look_for_interpreter(const struct elf *e, struct elf_info *info)
{
	uint64_t offset = e->wide ? get(e, 32, 8) : get(e, 28, 4);
	uint64_t size = get(e, e->wide ? 54 : 42, 2), count = get(e, e->wide ? 56 : 44, 2);

	if (size < 4 || !is_table(e, offset, count, size))
		return;
	for (uint64_t i = 0; i < count; i++)
		info->has_interpreter |= get(e, offset + i * size, 4) == SEGMENT_INTERP;
}

/* ---- symbols ---- */

static int find_table(const struct elf *e, const struct sections *s, uint32_t type, struct section *table,
                      struct section *names, struct pawl_error *err)
{
	for (uint64_t i = 0; i < s->count; i++) {
		*table = get_section(e, s->offset + i * s->size);
		if (table->type != type)
			continue;
		if (table->link >= s->count)
			return damaged(err, "its symbols have no names");
		*names = get_section(e, s->offset + table->link * s->size);
		if (names->type != SECTION_STRTAB || !is_inside(e, names->offset, names->size))
			return damaged(err, "the names of its symbols are not in it");
		if (table->entry < (e->wide ? 24u : 16u) || !is_inside(e, table->offset, table->size))
			return damaged(err, "its symbols are not in it");
		return table->size / table->entry > SYMBOLS_MAX ? damaged(err, "it has too many symbols") : 0;
	}
	return err_set(err, PAWL_ENOTFOUND, "it has no table of symbols");
}

static struct slice get_name(const struct elf *e, const struct section *names, uint64_t at)
{
	if (at >= names->size)
		return SLICE_NONE;
	const char *text = (const char *)e->at + names->offset + at;
	size_t max = names->size - at < ELF_NAME_MAX + 1 ? (size_t)(names->size - at) : ELF_NAME_MAX + 1;
	const char *end = memchr(text, '\0', max);
	return end ? slice_make(text, (size_t)(end - text)) : SLICE_NONE;
}

int elf_read(struct slice file, struct elf_info *info, int (*each)(void *arg, const struct elf_symbol *symbol), void *arg,
             struct pawl_error *err)
{
	struct elf e = { .len = 0 };
	struct sections s = { .count = 0 };
	struct section table = { .type = 0 }, names = table;
	int rc = take_head(&e, file, info, err);

	if (rc == 0)
		rc = take_sections(&e, &s, err);
	if (rc < 0)
		return rc;
	look_for_interpreter(&e, info);
	rc = find_table(&e, &s, info->is_relocatable ? SECTION_SYMTAB : SECTION_DYNSYM, &table, &names, err);
	uint64_t count = rc == 0 ? table.size / table.entry : 0;
	for (uint64_t i = 1; rc == 0 && i < count; i++) { /* the first one is none */
		uint64_t at = table.offset + i * table.entry;
		uint64_t section = get(&e, at + (e.wide ? 6 : 14), 2);
		struct elf_symbol symbol = { get_name(&e, &names, get(&e, at, 4)), section == 0 };
		info->symbols++;
		if (symbol.name.len > 0)
			rc = each(arg, &symbol);
	}
	return rc;
}
