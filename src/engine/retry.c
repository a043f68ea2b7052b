/*
 * retry.c - is there another attempt, and when. Whole numbers only, and every operation stays at its ends: a policy may
 * hold any value, and a schedule that overflowed would fire at once and for ever.
 */
#include "engine/internal.h"
#include "base/text.h"

#define FIRST_DEFAULT_MS PAWL_SECONDS(1)
#define LONGEST_DEFAULT_MS PAWL_HOURS(1)
#define DELAY_MAX_MS (PAWL_DAYS(1) * 36525) /* a century: in nanoseconds it still fits beside a date */
#define COEFFICIENT_MAX 1e6

static bool is_final_code(const struct retry_policy *p, struct slice code)
{
	for (uint32_t i = 0; i < p->code_count; i++) {
		if (slice_eq(p->codes[i], code))
			return true;
	}
	return false;
}

static int64_t within(int64_t n, int64_t instead_of_zero, int64_t max)
{
	if (n <= 0)
		n = instead_of_zero;
	return n < max ? n : max;
}

/* first * coefficient^(attempt - 1), in microseconds so that small steps are not lost. */
static int64_t backoff_ms(const struct retry_policy *p, uint32_t attempt)
{
	int64_t longest = within(p->max_ms, LONGEST_DEFAULT_MS, DELAY_MAX_MS);
	uint64_t max = (uint64_t)longest * 1000;
	uint64_t delay = (uint64_t)within(p->first_ms, FIRST_DEFAULT_MS, longest) * 1000;
	uint64_t coefficient = p->coefficient_milli;

	if (coefficient <= 1000)
		return (int64_t)(delay / 1000);
	for (uint32_t i = 1; i < attempt && delay < max; i++)
		delay = delay > UINT64_MAX / coefficient ? max : delay * coefficient / 1000;
	return (int64_t)((delay < max ? delay : max) / 1000);
}

static int64_t with_jitter(const struct retry_policy *p, int64_t delay, uint64_t random)
{
	uint64_t part = p->jitter_milli < 1000 ? p->jitter_milli : 1000;
	uint64_t span = (uint64_t)delay * part / 1000;

	return delay - (int64_t)span + (int64_t)(random % (2 * span + 1));
}

bool retry_decide(const struct retry_policy *p, const struct failure *f, uint32_t attempt, int64_t elapsed_ms,
                  uint64_t random, int64_t *delay_ms)
{
	if (!p || !f->retryable || attempt >= p->max_attempts || is_final_code(p, f->code))
		return false;
	int64_t longest = within(p->max_ms, LONGEST_DEFAULT_MS, DELAY_MAX_MS);
	int64_t delay = within(with_jitter(p, backoff_ms(p, attempt), random), 0, longest);
	if (p->total_ms > 0 && sat_add(elapsed_ms, delay) > p->total_ms)
		return false;
	*delay_ms = delay;
	return true;
}

static const char *check(const pawl_retry *in)
{
	if (in->first_ms < 0 || in->max_ms < 0 || in->total_ms < 0 || in->attempt_ms < 0)
		return "retry: a length of time is below zero";
	if (in->coefficient != 0 && !(in->coefficient >= 1 && in->coefficient <= COEFFICIENT_MAX))
		return "retry: the coefficient is not within 1 and 1000000";
	if (!(in->jitter >= 0 && in->jitter <= 1))
		return "retry: the jitter is not within 0 and 1";
	return NULL;
}

const char *retry_convert(struct retry_policy *out, const pawl_retry *in)
{
	const char *wrong = check(in);

	if (wrong)
		return wrong;
	*out = (struct retry_policy){ .max_attempts = in->max_attempts, .first_ms = in->first_ms, .max_ms = in->max_ms,
				      .total_ms = in->total_ms, .attempt_ms = in->attempt_ms };
	out->coefficient_milli = (uint32_t)(in->coefficient * 1000 + 0.5);
	out->jitter_milli = (uint32_t)(in->jitter * 1000 + 0.5);
	for (const char *const *code = in->not_on; code && *code; code++) {
		if (out->code_count == RETRY_CODES_MAX)
			return "retry: more than 8 codes in not_on";
		if (strlen(*code) > TEXT_NAME_MAX || !text_is_utf8(slice_of(*code)))
			return "retry: a code in not_on is longer than 128 bytes or not UTF-8";
		out->codes[out->code_count++] = slice_of(*code);
	}
	return NULL;
}

void retry_due(struct due *due, const struct turn *t, int64_t time_ns, int64_t delay_ms)
{
	int64_t delay_ns = delay_ms > INT64_MAX / 1000000 ? INT64_MAX : delay_ms * 1000000;
	int64_t at_ns = sat_add(time_ns, delay_ns);

	due->boot = t->boot;
	due->boot_ms = sat_add(t->boot_ms, delay_ms);
	due->at_ns = at_ns < ENGINE_TIME_MAX_NS ? at_ns : ENGINE_TIME_MAX_NS;
}
