/* tar.c - see tar.h. The format: IEEE Std 1003.1, pax, "ustar Interchange Format". */
#include "cli/tar.h"
#include "base/error.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 512
#define READ_FIRST ((size_t)1 << 16)

/* A header, as it lies in the file. All of it is text. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
	char magic[6], version[2], owner[32], group[32], major[8], minor[8], prefix[155], rest[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static unsigned sum_of(const struct header *h)
{
	const unsigned char *at = (const unsigned char *)h;
	size_t place = offsetof(struct header, sum);
	unsigned sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i - place < sizeof(h->sum) ? ' ' : at[i]; /* its own place counts as blanks */
	return sum;
}

/* ---- writing ---- */

/* False: it has more digits than there is room for. */
static bool put_octal(char *field, size_t size, uint64_t n)
{
	field[size - 1] = '\0';
	for (size_t i = size - 1; i > 0; i--, n /= 8)
		field[i - 1] = (char)('0' + n % 8);
	return n == 0;
}

static int put_name(struct header *h, const char *name)
{
	size_t len = strlen(name), cut = 0;

	if (len <= sizeof(h->name)) {
		memcpy(h->name, name, len);
		return 0;
	}
	for (size_t i = 1; i < len && i <= sizeof(h->prefix); i++)
		if (name[i] == '/' && len - i - 1 <= sizeof(h->name) && len - i - 1 > 0)
			cut = i;
	if (!cut)
		return PAWL_EINVALID;
	memcpy(h->prefix, name, cut);
	memcpy(h->name, name + cut + 1, len - cut - 1);
	return 0;
}

static int cannot_write(struct pawl_error *err)
{
	return err_sys(err, errno ? errno : EIO, "cannot write the archive");
}

int tar_write(FILE *out, const char *name, const void *data, size_t len, int64_t mtime_s, struct pawl_error *err)
{
	static const char zeros[BLOCK];
	struct header h;
	size_t over = len % BLOCK;

	memset(&h, 0, sizeof(h));
	if (put_name(&h, name) < 0)
		return err_set(err, PAWL_EINVALID, "the name '%.300s' is too long for an archive", name);
	if (!put_octal(h.size, sizeof(h.size), len))
		return err_set(err, PAWL_ETOOBIG, "'%s' is too large for an archive: %zu bytes", name, len);
	put_octal(h.mode, sizeof(h.mode), 0644);
	put_octal(h.uid, sizeof(h.uid), 0);
	put_octal(h.gid, sizeof(h.gid), 0);
	put_octal(h.mtime, sizeof(h.mtime), mtime_s > 0 ? (uint64_t)mtime_s : 0);
	h.type = '0';
	memcpy(h.magic, "ustar", 6);
	memcpy(h.version, "00", 2);
	put_octal(h.sum, sizeof(h.sum) - 1, sum_of(&h));
	h.sum[7] = ' ';
	errno = 0;
	if (fwrite(&h, BLOCK, 1, out) != 1 || (len && fwrite(data, 1, len, out) != len) ||
	    (over && fwrite(zeros, 1, BLOCK - over, out) != BLOCK - over))
		return cannot_write(err);
	return 0;
}

int tar_write_end(FILE *out, struct pawl_error *err)
{
	static const char zeros[2 * BLOCK];

	errno = 0;
	return fwrite(zeros, sizeof(zeros), 1, out) != 1 || fflush(out) != 0 ? cannot_write(err) : 0;
}

/* ---- reading ---- */

/* Octal digits up to a NUL, a blank or the end of the field; blanks may stand before them. */
static int get_octal(const char *field, size_t size, uint64_t *n)
{
	size_t i = 0;

	*n = 0;
	while (i < size && field[i] == ' ')
		i++;
	size_t first = i;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
		*n = *n * 8 + (uint64_t)(field[i] - '0'); /* 12 digits at most */
	bool ends = i == size || field[i] == '\0' || field[i] == ' ';
	return i > first && ends ? 0 : PAWL_EPARSE;
}

static int read_error(struct tar_reader *r, struct pawl_error *err)
{
	if (ferror(r->in))
		return err_sys(err, errno ? errno : EIO, "cannot read the archive");
	if (r->entries == 0)
		return err_set(err, PAWL_EPARSE, "this is no tar archive, or it is cut off in its first entry");
	return err_set(err, PAWL_EPARSE, "the archive is cut off behind entry %llu", (unsigned long long)r->entries);
}

/* It may be a pipe. */
static int skip(struct tar_reader *r, struct pawl_error *err)
{
	char part[4096];
	uint64_t n = r->left + r->padding;

	while (n > 0) {
		size_t want = n < sizeof(part) ? (size_t)n : sizeof(part);
		if (fread(part, 1, want, r->in) != want)
			return read_error(r, err);
		n -= want;
	}
	r->left = r->padding = 0;
	return 0;
}

/* Parts that a path of ours never has; the rest is for who knows what files there may be. */
static bool is_safe(const char *name)
{
	const char *at = name;

	if (!*name || *name == '/')
		return false;
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '\\')
			return false;
	while (at) {
		size_t len = strcspn(at, "/");
		if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at = at[len] ? at + len + 1 : NULL;
	}
	return true;
}

static int take_name(const struct header *h, struct tar_entry *entry, struct pawl_error *err)
{
	char full[TAR_NAME_MAX + 1], *name = full;
	bool posix = memcmp(h->magic, "ustar", 6) == 0; /* GNU keeps something else in place of the prefix */

	snprintf(full, sizeof(full), "%.*s%s%.*s", posix ? (int)sizeof(h->prefix) : 0, h->prefix,
		posix && h->prefix[0] ? "/" : "", (int)sizeof(h->name), h->name);
	while (name[0] == '.' && name[1] == '/')
		name += 2;
	size_t len = strlen(name);
	while (len > 1 && name[len - 1] == '/' && entry->is_directory)
		name[--len] = '\0';
	if (entry->is_directory && (len == 0 || (len == 1 && name[0] == '.')))
		snprintf(name, 2, ".");
	else if (!is_safe(name))
		return err_set(err, PAWL_EPARSE, "the archive has an entry '%.100s', which is not a name that pawl takes", full);
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	return 0;
}

static int take_header(struct tar_reader *r, const struct header *h, struct tar_entry *entry, struct pawl_error *err)
{
	unsigned long long number = (unsigned long long)++r->entries;
	uint64_t sum;

	if (memcmp(h->magic, "ustar", 5) != 0)
		return err_set(err, PAWL_EPARSE, "this is no tar archive%s", number > 1 ? ", or a damaged one" : "");
	if (get_octal(h->sum, sizeof(h->sum), &sum) < 0 || sum != sum_of(h))
		return err_set(err, PAWL_EPARSE, "the header of entry %llu of the archive is damaged: its checksum is wrong", number);
	if (h->type != '0' && h->type != '\0' && h->type != '5')
		return err_set(err, PAWL_EUNSUPPORTED, "entry %llu of the archive is neither a file nor a directory (type '%c'); "
			"an archive that was packed anew needs tar --format=ustar", number,
			h->type > ' ' && h->type < 0x7f ? h->type : '?');
	if (get_octal(h->size, sizeof(h->size), &entry->size) < 0)
		return err_set(err, PAWL_EPARSE, "entry %llu of the archive has no valid size", number);
	entry->is_directory = h->type == '5';
	if (entry->is_directory)
		entry->size = 0;
	r->left = entry->size;
	r->padding = (BLOCK - entry->size % BLOCK) % BLOCK;
	return take_name(h, entry, err);
}

int tar_next(struct tar_reader *r, struct tar_entry *entry, struct pawl_error *err)
{
	static const struct header end;
	struct header h;
	int rc = skip(r, err);

	if (rc < 0)
		return rc;
	errno = 0;
	if (fread(&h, sizeof(h), 1, r->in) != 1)
		return read_error(r, err);
	if (memcmp(&h, &end, sizeof(h)) == 0)
		return 0;
	memset(entry, 0, sizeof(*entry));
	rc = take_header(r, &h, entry, err);
	return rc < 0 ? rc : 1;
}

/* The size that a header claims is not believed before the bytes are there. */
int tar_read(struct tar_reader *r, const struct tar_entry *entry, uint64_t max, char **out, size_t *len, struct pawl_error *err)
{
	size_t cap = READ_FIRST, at = 0;

	if (r->left > max)
		return err_set(err, PAWL_ETOOBIG, "'%s' in the archive is too large: %llu bytes", entry->name,
			(unsigned long long)r->left);
	char *data = malloc(cap);
	while (data && r->left > 0) {
		size_t want = cap - 1 - at < r->left ? cap - 1 - at : (size_t)r->left;
		size_t n = fread(data + at, 1, want, r->in);
		at += n;
		r->left -= n;
		if (n != want) {
			free(data);
			return read_error(r, err);
		}
		char *grown = r->left > 0 ? realloc(data, cap *= 2) : data;
		if (!grown)
			free(data);
		data = grown;
	}
	if (!data)
		return err_nomem(err);
	data[at] = '\0';
	*out = data;
	*len = at;
	return 0;
}
