/* progress.c - the signs of life that an activity leaves in its work directory. What it wrote is a stranger's text. */
#include "carrier.h"
#include "base/text.h"
#include "shim/shim.h"

#define READ_MAX 512 /* more than the first line can be of */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice skip_blanks(struct slice s)
{
	while (s.len && is_blank(*s.data))
		s.data++, s.len--;
	return s;
}

static struct slice first_line(struct slice text)
{
	const char *end = text.len ? memchr(text.data, '\n', text.len) : NULL;

	if (end)
		text.len = (size_t)(end - text.data);
	while (text.len && is_blank(text.data[text.len - 1]))
		text.len--;
	return skip_blanks(text);
}

/* Digits at the beginning, at most nine of them; 0 = none. */
static size_t take_number(struct slice s, uint64_t *n)
{
	size_t len = 0;

	*n = 0;
	for (; len < s.len && len < 10 && s.data[len] >= '0' && s.data[len] <= '9'; len++)
		*n = *n * 10 + (uint64_t)(s.data[len] - '0');
	return len < 10 ? len : 0;
}

/* "42", "42%", "3/7", with nothing or a blank behind it. How many bytes that took; 0 when it is none: "150 files",
 * "3rd", "8/7" are texts. */
static size_t take_percent(struct slice s, int *percent)
{
	uint64_t n, of = 100;
	size_t len = take_number(s, &n), more = 0;

	if (!len)
		return 0;
	if (len < s.len && s.data[len] == '%') {
		len++;
	} else if (len < s.len && s.data[len] == '/') {
		more = take_number(slice_make(s.data + len + 1, s.len - len - 1), &of);
		if (!more)
			return 0;
		len += 1 + more;
	}
	if ((len < s.len && !is_blank(s.data[len])) || of == 0 || n > of)
		return 0;
	*percent = (int)(n * 100 / of);
	return len;
}

/* Length of a character that a terminal can be shown, 0 = none. C1 controls are as bad as those below the blank. */
static size_t printable(struct slice s)
{
	unsigned char first = (unsigned char)*s.data;
	size_t len = 1;

	if (first < ' ' || first == 0x7f)
		return 0;
	if (first == 0xc2 && s.len > 1 && (unsigned char)s.data[1] < 0xa0)
		return 0;
	while (len <= 4 && len <= s.len && !text_is_utf8(slice_make(s.data, len)))
		len++;
	return len <= 4 && len <= s.len ? len : 0;
}

static void copy_text(char *to, size_t size, struct slice s)
{
	size_t used = 0;

	while (s.len) {
		size_t len = printable(s), step = len ? len : 1;

		if (used + step >= size)
			break;
		memcpy(to + used, len ? s.data : "?", step);
		used += step;
		s.data += step;
		s.len -= step;
	}
	to[used] = '\0';
}

bool progress_parse(struct progress *p, struct slice text)
{
	struct slice line = first_line(text);
	size_t len;

	*p = (struct progress){ .percent = -1 };
	if (!line.len)
		return false;
	len = take_percent(line, &p->percent);
	copy_text(p->text, sizeof(p->text), skip_blanks(slice_make(line.data + len, line.len - len)));
	return true;
}

/* Opened through the directory: neither a link nor a fifo in the place of the file leads or holds us anywhere. */
static bool read_file(const struct os *os, int dir, struct progress *p)
{
	char text[READ_MAX];
	struct os_stat st;
	ssize_t n = -1;
	int fd = os->open(os->self, dir, SHIM_PROGRESS, OS_READ | OS_NONBLOCK, 0);

	if (fd < 0)
		return false;
	if (os->stat_fd(os->self, fd, &st) == 0 && st.type == OS_FILE)
		n = os->pread(os->self, fd, text, sizeof(text), 0);
	os->close(os->self, fd);
	if (n <= 0 || !progress_parse(p, slice_make(text, (size_t)n)))
		return false;
	p->time_ns = st.mtime_ns;
	return true;
}

bool progress_read(const struct os *os, const char *dir, struct progress *p)
{
	int fd = os->open(os->self, OS_CWD, dir, OS_READ | OS_DIRECTORY, 0);
	bool found;

	*p = (struct progress){ .percent = -1 };
	if (fd < 0)
		return false;
	found = read_file(os, fd, p);
	os->close(os->self, fd);
	return found;
}

int64_t heartbeat_read(const struct os *os, const char *dir)
{
	static const char *const names[] = { SHIM_HEARTBEAT, SHIM_PROGRESS };
	int fd = os->open(os->self, OS_CWD, dir, OS_READ | OS_DIRECTORY, 0);
	int64_t newest = 0;
	struct os_stat st;

	if (fd < 0)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (os->stat(os->self, fd, names[i], &st) == 0 && st.type == OS_FILE && st.mtime_ns > newest)
			newest = st.mtime_ns;
	os->close(os->self, fd);
	return newest;
}
