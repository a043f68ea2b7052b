/* text.c - the little that the shim needs of snprintf. */
#include "shim/impl.h"

#include <errno.h>
#include <string.h>

void text_bytes(struct text *t, const char *s, size_t len)
{
	if (len > t->max - t->len)
		len = t->max - t->len;
	memcpy(t->data + t->len, s, len);
	t->len += len;
}

void text_add(struct text *t, const char *s)
{
	text_bytes(t, s, strlen(s));
}

void text_number(struct text *t, int64_t n)
{
	uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (n < 0)
		text_bytes(t, "-", 1);
	text_bytes(t, digits + at, sizeof(digits) - at);
}

/* strerror would bring all its texts into memory and into the file. */
void text_errno(struct text *t, int sys)
{
#define NAME(e) { e, #e }
	static const struct {
		int sys;
		char name[13];
	} names[] = {
		NAME(E2BIG), NAME(EACCES), NAME(EAGAIN), NAME(EBUSY), NAME(EDQUOT), NAME(EEXIST),
		NAME(EFAULT), NAME(EFBIG), NAME(EINVAL), NAME(EIO), NAME(EISDIR), NAME(ELIBBAD),
		NAME(ELOOP), NAME(EMFILE), NAME(ENAMETOOLONG), NAME(ENFILE), NAME(ENODEV), NAME(ENOENT),
		NAME(ENOEXEC), NAME(ENOMEM), NAME(ENOSPC), NAME(ENOSYS), NAME(ENOTDIR), NAME(ENXIO),
		NAME(EOPNOTSUPP), NAME(EPERM), NAME(ERANGE), NAME(EROFS), NAME(ESRCH), NAME(ESTALE),
		NAME(ETIMEDOUT), NAME(ETXTBSY),
	};
#undef NAME

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].sys == sys) {
			text_add(t, names[i].name);
			return;
		}
	text_add(t, "errno ");
	text_number(t, sys);
}

bool text_parse(const char *s, char end, uint64_t *n, const char **rest)
{
	uint64_t value = 0;
	const char *at = s;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(*at - '0');
	}
	if (at == s || (*at && *at != end))
		return false;
	*n = value;
	if (rest)
		*rest = *at ? at + 1 : at;
	return true;
}
