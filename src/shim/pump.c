/*
 * pump.c - stdout of the activity to the result, stderr to the log.
 *
 * The result is what the activity has done: while the disk has no room for it nothing more is read, the pipe fills and
 * the activity waits. The log is a help: what cannot be written is lost.
 */
#include "shim/impl.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LOG_CHUNK 4096

bool may_pass(int sys)
{
	return sys == ENOSPC || sys == EDQUOT || sys == EIO || sys == EROFS || sys == ENOMEM || sys == ESTALE;
}

static void stream_end(struct stream *s)
{
	if (s->from >= 0)
		close(s->from);
	s->from = -1;
}

/* Up to max bytes; 0: nothing there now, or it has ended. */
static size_t stream_read(struct stream *s, char *data, size_t max)
{
	ssize_t n;

	if (s->left >= 0 && (uint64_t)s->left < max)
		max = (size_t)s->left;
	n = max > 0 ? read(s->from, data, max) : 0;
	if (n > 0 && s->left >= 0)
		s->left -= n;
	if (n == 0 || s->left == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		stream_end(s);
	return n > 0 ? (size_t)n : 0;
}

/* How many of len bytes still have a place. */
static size_t room(const struct stream *s, size_t len)
{
	return s->max - s->kept < len ? (size_t)(s->max - s->kept) : len;
}

/* stdout */

static void flush(struct pump *p)
{
	p->stalled = false;
	while (p->pending_at < p->pending_end && !p->no_result) {
		ssize_t n = write(p->out.to, p->data + p->pending_at, p->pending_end - p->pending_at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 && errno == EFBIG) { /* our own limit: waiting would be for ever */
			p->over = true;
			break;
		}
		if (n <= 0) {
			p->stalled = true;
			return;
		}
		p->pending_at += (size_t)n;
		p->out.kept += (size_t)n;
	}
	p->pending_at = p->pending_end = 0;
}

void pump_out(struct pump *p)
{
	flush(p);
	if (p->stalled || p->out.from < 0)
		return;
	size_t n = stream_read(&p->out, p->data, sizeof(p->data)), fits = room(&p->out, n);
	if (fits < n)
		p->over = true;
	p->pending_at = 0;
	p->pending_end = p->no_result ? 0 : fits;
	flush(p);
}

/* stderr */

static void take_line(struct last_line *l)
{
	size_t from = 0, to = l->line_len;

	while (from < to && l->line[from] == ' ')
		from++;
	while (to > from && l->line[to - 1] == ' ')
		to--;
	if (to > from) {
		memcpy(l->last, l->line + from, to - from);
		l->last_len = to - from;
	}
	l->line_len = 0;
}

static void scan_lines(struct last_line *l, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];
		if (c == '\n')
			take_line(l);
		else if (l->line_len < sizeof(l->line))
			l->line[l->line_len++] = (char)(c == '\r' || c == '\t' ? ' ' : c < ' ' || c == 127 ? '?' : c);
	}
}

void pump_errors(struct pump *p)
{
	char data[LOG_CHUNK];
	size_t n = stream_read(&p->errors, data, sizeof(data)), fits = room(&p->errors, n);
	ssize_t written;

	scan_lines(&p->last, data, n);
	if (fits == 0 || p->errors.to < 0)
		return;
	written = write(p->errors.to, data, fits);
	if (written > 0)
		p->errors.kept += (size_t)written;
}

/* A character of several bytes may have been cut in two. */
static size_t whole_characters(const char *s, size_t len)
{
	size_t at = len, more = 0;

	while (at > 0 && more < 4 && ((unsigned char)s[at - 1] & 0xc0) == 0x80) {
		at--;
		more++;
	}
	if (at == 0 || len < SHIM_MESSAGE_MAX)
		return len;
	unsigned char first = (unsigned char)s[at - 1];
	size_t wanted = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
	return more < wanted ? at - 1 : len;
}

size_t pump_message(const struct pump *p, char *message)
{
	struct last_line l = p->last;

	take_line(&l); /* it may have no line end */
	l.last_len = whole_characters(l.last, l.last_len);
	memcpy(message, l.last, l.last_len);
	message[l.last_len] = '\0';
	return l.last_len;
}

/* both */

static void stream_cut(struct stream *s)
{
	int left = 0;

	if (s->from < 0 || s->left >= 0)
		return;
	if (ioctl(s->from, FIONREAD, &left) < 0 || left <= 0)
		stream_end(s);
	s->left = left;
}

void pump_cut(struct pump *p)
{
	stream_cut(&p->out);
	stream_cut(&p->errors);
}

bool pump_done(const struct pump *p)
{
	return p->out.from < 0 && p->errors.from < 0 && p->pending_at == p->pending_end;
}
