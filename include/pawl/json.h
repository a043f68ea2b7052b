/*
 * pawl/json.h - a struct for the JSON of inputs, outputs and events: its members written once, in a list.
 *
 *	#include <pawl/json.h>
 *
 *	#define ORDER(X) X(TEXT, customer, PAWL_REQUIRED) X(INT, amount, 1) X(BOOL, express)
 *	PAWL_JSON_STRUCT(order, ORDER)
 *
 *	static int sell(pawl_ctx *ctx, const char *input)
 *	{
 *		struct order o;
 *
 *		if (order_from_json(ctx, input, &o) < 0)
 *			return pawl_rethrow(ctx);       "order.amount: not a whole number"
 *		o.express = true;
 *		return pawl_return(ctx, pawl_call(ctx, "pack", order_to_json(ctx, &o)));
 *	}
 *
 *	static int pack(pawl_work *work, const char *input)
 *	{
 *		struct order o;
 *		int rc = order_from_input(work, input, &o);
 *
 *		return rc < 0 ? rc : pawl_work_return(work, "%s: %d", o.customer, (int)o.amount);
 *	}
 *
 * X(TYPE, name) or X(TYPE, name, default). Types and what they are in C:
 *
 *	TEXT     const char *   a string; NULL when it is not there. No NUL in it
 *	INT      int64_t        a number without fraction and exponent
 *	DOUBLE   double         a number
 *	BOOL     bool           true or false
 *	JSON     const char *   any value, as it stands: for objects and arrays in it, which have a struct of their own
 *
 * A default is a literal of that type in C ("nobody", 3, 0.5, true), or PAWL_REQUIRED: then a member that is missing is a
 * failure. Without a default what is missing is zero. A member that is null counts as missing; members that the list does
 * not name are ignored; of a name that comes twice the last counts.
 *
 * PAWL_JSON_STRUCT(T, LIST), without a semicolon, makes `struct T` and these functions:
 *
 *	int T_from_json(pawl_ctx *, const char *json, struct T *out)
 *		0, or < 0 and pawl_failed() says what is wrong and where: kind "application", code "bad-json". Then *out is
 *		all zero. Texts live as long as the instance is in memory.
 *	const char *T_to_json(pawl_ctx *, const struct T *in)
 *		All members in the order of the list, the same bytes each time; NULL, and pawl_failed() says why, for a text that
 *		is not UTF-8, a JSON member that is none, or a number that is not finite. Texts that are NULL become null.
 *	int T_from_input(pawl_work *, const char *json, struct T *out)
 *		The same in an activity: 0, or what the function is to return then (it has failed for good). Texts live as long
 *		as the work.
 *	int T_return(pawl_work *, const struct T *in)
 *		Like pawl_work_return, with its JSON: `return T_return(work, &result);`
 */
#ifndef PAWL_JSON_H
#define PAWL_JSON_H

#include <pawl/pawl.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pawl_json_kind { PAWL_JSON_TEXT, PAWL_JSON_INT, PAWL_JSON_DOUBLE, PAWL_JSON_BOOL, PAWL_JSON_JSON };

typedef struct pawl_json_member {
	const char *name;
	enum pawl_json_kind kind;
	size_t offset;
	const char *fallback;      /* as it stands in the list: a literal of C; NULL = zero */
} pawl_json_member;

typedef struct pawl_json_struct {
	const char *name;
	size_t size, member_count;
	const pawl_json_member *members;
} pawl_json_struct;

/* What the functions of PAWL_JSON_STRUCT call. */
PAWL_API int pawl_json_read(pawl_ctx *ctx, const pawl_json_struct *type, const char *json, void *out);
PAWL_API const char *pawl_json_write(pawl_ctx *ctx, const pawl_json_struct *type, const void *in);
PAWL_API int pawl_work_json_read(pawl_work *work, const pawl_json_struct *type, const char *json, void *out);
PAWL_API int pawl_work_json_return(pawl_work *work, const pawl_json_struct *type, const void *in);

#define PAWL_JSON_C_TEXT const char *
#define PAWL_JSON_C_INT int64_t
#define PAWL_JSON_C_DOUBLE double
#define PAWL_JSON_C_BOOL bool
#define PAWL_JSON_C_JSON const char *

/* Two arguments or three; each list is expanded once as members and once as a table of them. */
#define PAWL_JSON_PICK_(a, b, c, macro, ...) macro
#define PAWL_JSON_DECLARE_(...) PAWL_JSON_PICK_(__VA_ARGS__, PAWL_JSON_DECLARE_3_, PAWL_JSON_DECLARE_2_, 0)(__VA_ARGS__)
#define PAWL_JSON_DECLARE_2_(type, name) PAWL_JSON_C_##type name;
#define PAWL_JSON_DECLARE_3_(type, name, fallback) PAWL_JSON_C_##type name;
#define PAWL_JSON_ENTRY_(...) PAWL_JSON_PICK_(__VA_ARGS__, PAWL_JSON_ENTRY_3_, PAWL_JSON_ENTRY_2_, 0)(__VA_ARGS__)
#define PAWL_JSON_ENTRY_2_(type, name) { #name, PAWL_JSON_##type, offsetof(pawl_json_this_, name), 0 },
#define PAWL_JSON_ENTRY_3_(type, name, fallback) { #name, PAWL_JSON_##type, offsetof(pawl_json_this_, name), #fallback },

#define PAWL_JSON_STRUCT(name_, list)                                                                                  \
	struct name_ {                                                                                                 \
		list(PAWL_JSON_DECLARE_)                                                                               \
	};                                                                                                             \
	PAWL_JSON_FN_ const pawl_json_struct *name_##_json_struct(void)                                                \
	{                                                                                                              \
		typedef struct name_ pawl_json_this_;                                                                  \
		static const pawl_json_member members[] = { list(PAWL_JSON_ENTRY_) };                                  \
		static const pawl_json_struct type = { #name_, sizeof(pawl_json_this_),                                \
			sizeof(members) / sizeof(members[0]), members };                                               \
		return &type;                                                                                          \
	}                                                                                                              \
	PAWL_JSON_FN_ int name_##_from_json(pawl_ctx *ctx, const char *json, struct name_ *out)                        \
	{                                                                                                              \
		return pawl_json_read(ctx, name_##_json_struct(), json, out);                                          \
	}                                                                                                              \
	PAWL_JSON_FN_ const char *name_##_to_json(pawl_ctx *ctx, const struct name_ *in)                               \
	{                                                                                                              \
		return pawl_json_write(ctx, name_##_json_struct(), in);                                                \
	}                                                                                                              \
	PAWL_JSON_FN_ int name_##_from_input(pawl_work *work, const char *json, struct name_ *out)                     \
	{                                                                                                              \
		return pawl_work_json_read(work, name_##_json_struct(), json, out);                                    \
	}                                                                                                              \
	PAWL_JSON_FN_ int name_##_return(pawl_work *work, const struct name_ *in)                                      \
	{                                                                                                              \
		return pawl_work_json_return(work, name_##_json_struct(), in);                                         \
	}
#define PAWL_JSON_FN_ __attribute__((unused)) static inline

#ifdef __cplusplus
}
#endif
#endif
