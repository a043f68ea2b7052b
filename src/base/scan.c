#include "scan.h"
#include <string.h>

#define BLANKS " \t\r\n\v\f"

static const char *skip(const char *at)
{
	return at + strspn(at, BLANKS);
}

bool scan_word(const char **at, const char *word)
{
	const char *from = skip(*at);
	size_t len = strlen(word);

	if (strncmp(from, word, len) != 0)
		return false;
	*at = from + len;
	return true;
}

bool scan_number(const char **at, uint64_t *n)
{
	const char *from = skip(*at), *p = from;
	uint64_t value = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');
		value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
	}
	if (p == from)
		return false;
	*n = value;
	*at = p;
	return true;
}

bool scan_run(const char **at, const char *set, char *out, size_t size)
{
	const char *from = skip(*at);
	size_t len = set ? strspn(from, set) : strcspn(from, BLANKS);

	if (len == 0)
		return false;
	if (len >= size)
		len = size - 1;
	memcpy(out, from, len);
	out[len] = '\0';
	*at = from + len;
	return true;
}
