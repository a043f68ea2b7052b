#include "runtime/notify.h"
#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STATUS_MAX 256

/* "/path" or "@abstract"; an abstract name starts with NUL and is not terminated. */
static int make_address(struct sockaddr_un *a, socklen_t *size, const char *where)
{
	size_t len = strlen(where);

	if ((where[0] != '/' && where[0] != '@') || len < 2 || len >= sizeof(a->sun_path))
		return PAWL_EINVALID;
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(a->sun_path, where, len);
	if (where[0] == '@')
		a->sun_path[0] = '\0';
	else
		len++;
	*size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

int notify_send(const char *state)
{
	const char *where = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a;
	socklen_t size;
	ssize_t n;

	if (!where || !*where)
		return 0;
	int r = make_address(&a, &size, where);
	if (r < 0)
		return r;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_code_of_errno(errno);
	do
		n = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&a, size);
	while (n < 0 && errno == EINTR);
	r = n < 0 ? err_code_of_errno(errno) : 1;
	close(fd);
	return r;
}

static void tell(const char *state)
{
	int r = notify_send(state);

	(void)r;
}

void notify_ready(void)
{
	tell("READY=1");
}

void notify_stopping(void)
{
	tell("STOPPING=1");
}

void notify_status(const char *fmt, ...)
{
	char state[STATUS_MAX] = "STATUS=";
	size_t name = strlen(state);
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(state + name, sizeof(state) - name, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(state) - name)
		text_mark_cut(state, sizeof(state));
	for (char *c = state; *c; c++) /* a second line would be a message of its own */
		if (*c == '\n')
			*c = ' ';
	tell(state);
}

int64_t notify_watchdog_interval_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t limit, owner;

	if (!usec || text_parse_u64(slice_of(usec), &limit) < 0 || limit == 0)
		return 0;
	if (pid && (text_parse_u64(slice_of(pid), &owner) < 0 || owner != (uint64_t)getpid()))
		return 0;
	int64_t ms = (int64_t)(limit / 2000);
	return ms ? ms : 1;
}

void notify_watchdog(void)
{
	tell("WATCHDOG=1");
}
