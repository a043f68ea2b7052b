/*
 * coro_switch.h - how this build goes from one stack to another. For coro.c only: it defines symbols.
 *
 * Each variant gives
 *   STACKS_SUPPORTED    0: context_prepare and context_switch are never called
 *   struct context      one side of a switch, while it does not run
 *   context_prepare     the first switch to it calls run(arg) on the stack given; run never returns
 *   context_switch      stops here as `from`, goes on where `to` stopped
 *
 * What lives through a switch is what lives through a function call (callee-saved registers) and the control word of
 * the floating point unit. That word starts at its default in each coroutine: arithmetic must not depend on the thread
 * that happened to create it. Exception flags and vector registers are the caller's business, as in any call.
 *
 * struct frame is what coro_switch leaves on a stopped stack, lowest address first. The assembly knows its offsets.
 * coro_start is the outermost function of a stack: it is marked as having no caller, so that backtraces end there.
 */
#ifndef OS_CORO_SWITCH_H
#define OS_CORO_SWITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(PAWL_CORO_NONE)
#define CORO_NONE 1
#elif defined(PAWL_CORO_UCONTEXT)
#define CORO_UCONTEXT 1
#elif defined(__x86_64__) && defined(__LP64__)
#define CORO_X86_64 1
#elif defined(__aarch64__) && defined(__LP64__)
#define CORO_ARM64 1
#elif defined(__arm__) && defined(__ARM_EABI__)
#define CORO_ARM 1
#elif defined(__GLIBC__)
#define CORO_UCONTEXT 1
#else
#define CORO_NONE 1
#endif

#if defined(CORO_NONE)

#define STACKS_SUPPORTED 0

struct context {
	char none;
};

static void context_prepare(struct context *ctx, char *low, size_t bytes, void (*run)(void *), void *arg)
{
	(void)ctx, (void)low, (void)bytes, (void)run, (void)arg;
	abort();
}

static void context_switch(struct context *from, const struct context *to)
{
	(void)from, (void)to;
	abort();
}

#elif defined(CORO_UCONTEXT)

#include <ucontext.h>

#define STACKS_SUPPORTED 1

struct context {
	ucontext_t uc;
	void (*run)(void *arg);
	void *arg;
};

/* makecontext passes ints only: a pointer travels as two halves. */
static void context_start(unsigned high, unsigned low)
{
	struct context *ctx = (struct context *)(uintptr_t)((uint64_t)high << 32 | low);

	ctx->run(ctx->arg);
	abort();
}

static void context_prepare(struct context *ctx, char *low, size_t bytes, void (*run)(void *), void *arg)
{
	uint64_t address = (uintptr_t)ctx;

	if (getcontext(&ctx->uc))
		abort(); /* no errors are defined for it */
	ctx->uc.uc_stack.ss_sp = low;
	ctx->uc.uc_stack.ss_size = bytes;
	ctx->uc.uc_link = NULL;
	ctx->run = run;
	ctx->arg = arg;
	makecontext(&ctx->uc, (void (*)(void))context_start, 2, (unsigned)(address >> 32), (unsigned)address);
}

static void context_switch(struct context *from, const struct context *to)
{
	if (swapcontext(&from->uc, &to->uc))
		abort();
}

#else /* assembly */

struct context {
	void *sp;
};

void coro_switch(struct context *from, const struct context *to);
void coro_start(void);

#define FUNCTION(name, type)                                                                                           \
	".pushsection .text." #name ",\"ax\"," type "progbits\n"                                                       \
	".globl " #name "\n.hidden " #name "\n.type " #name "," type "function\n"
#define END(name) ".size " #name ",.-" #name "\n.popsection\n"

#if defined(CORO_X86_64)

struct frame {
	uint32_t mxcsr, x87;
	void *arg;            /* r12 */
	void (*run)(void *);  /* r13 */
	void *r14, *r15, *rbx, *rbp;
	void (*pc)(void);
	void *end[2];         /* no return address: coro_start starts here, 16-byte aligned as before a call */
};

#define FRAME_INIT .mxcsr = 0x1f80, .x87 = 0x37f

/* A shadow stack (CET) holds return addresses that coro_switch does not exchange. */
#if defined(__CET__) && (__CET__ & 2)
static bool shadow_stack_on(void)
{
	uint64_t ssp = 0;

	__asm__ volatile("rdsspq %0" : "+r"(ssp)); /* no operation unless it is on */
	return ssp != 0;
}
#define STACKS_SUPPORTED (!shadow_stack_on())
#endif

__asm__(FUNCTION(coro_switch, "@")
	"coro_switch:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	subq $56, %rsp\n"
	"	.cfi_adjust_cfa_offset 56\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	movq %r12, 8(%rsp)\n"
	"	movq %r13, 16(%rsp)\n"
	"	movq %r14, 24(%rsp)\n"
	"	movq %r15, 32(%rsp)\n"
	"	movq %rbx, 40(%rsp)\n"
	"	movq %rbp, 48(%rsp)\n"
	"	movq %rsp, (%rdi)\n"
	"	movq (%rsi), %rsp\n"
	"	ldmxcsr (%rsp)\n"
	"	fldcw 4(%rsp)\n"
	"	movq 8(%rsp), %r12\n"
	"	movq 16(%rsp), %r13\n"
	"	movq 24(%rsp), %r14\n"
	"	movq 32(%rsp), %r15\n"
	"	movq 40(%rsp), %rbx\n"
	"	movq 48(%rsp), %rbp\n"
	"	addq $56, %rsp\n"
	"	.cfi_adjust_cfa_offset -56\n"
	"	ret\n"
	"	.cfi_endproc\n"
	END(coro_switch)
	FUNCTION(coro_start, "@")
	"coro_start:\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined rip\n"
	"	endbr64\n"
	"	movq %r12, %rdi\n"
	"	callq *%r13\n"
	"	ud2\n"
	"	.cfi_endproc\n"
	END(coro_start));

#elif defined(CORO_ARM64)

struct frame {
	uint64_t fpcr, pad;
	void *arg;           /* x19 */
	void (*run)(void *); /* x20 */
	void *x21_28[8], *fp;
	void (*pc)(void); /* lr; not signed, which pointer authentication allows */
	uint64_t d8_15[8];
};

#define FRAME_INIT .fpcr = 0

/* A guarded control stack holds return addresses that coro_switch does not exchange. */
#if defined(__ARM_FEATURE_GCS_DEFAULT)
static bool shadow_stack_on(void)
{
	register uint64_t off __asm__("x16") = 1;

	__asm__ volatile("hint #40" : "+r"(off)); /* chkfeat: clears the bit when it is on */
	return off == 0;
}
#define STACKS_SUPPORTED (!shadow_stack_on())
#endif

__asm__(FUNCTION(coro_switch, "%")
	"coro_switch:\n"
	"	.cfi_startproc\n"
	"	hint #34\n" /* bti c */
	"	sub sp, sp, #176\n"
	"	.cfi_adjust_cfa_offset 176\n"
	"	mrs x9, fpcr\n"
	"	str x9, [sp]\n"
	"	stp x19, x20, [sp, #16]\n"
	"	stp x21, x22, [sp, #32]\n"
	"	stp x23, x24, [sp, #48]\n"
	"	stp x25, x26, [sp, #64]\n"
	"	stp x27, x28, [sp, #80]\n"
	"	stp x29, x30, [sp, #96]\n"
	"	stp d8, d9, [sp, #112]\n"
	"	stp d10, d11, [sp, #128]\n"
	"	stp d12, d13, [sp, #144]\n"
	"	stp d14, d15, [sp, #160]\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	ldr x9, [x1]\n"
	"	mov sp, x9\n"
	"	ldr x9, [sp]\n"
	"	msr fpcr, x9\n"
	"	ldp x19, x20, [sp, #16]\n"
	"	ldp x21, x22, [sp, #32]\n"
	"	ldp x23, x24, [sp, #48]\n"
	"	ldp x25, x26, [sp, #64]\n"
	"	ldp x27, x28, [sp, #80]\n"
	"	ldp x29, x30, [sp, #96]\n"
	"	ldp d8, d9, [sp, #112]\n"
	"	ldp d10, d11, [sp, #128]\n"
	"	ldp d12, d13, [sp, #144]\n"
	"	ldp d14, d15, [sp, #160]\n"
	"	add sp, sp, #176\n"
	"	.cfi_adjust_cfa_offset -176\n"
	"	ret\n"
	"	.cfi_endproc\n"
	END(coro_switch)
	FUNCTION(coro_start, "%")
	"coro_start:\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined x30\n"
	"	hint #38\n" /* bti jc */
	"	mov x0, x19\n"
	"	blr x20\n"
	"	brk #1\n"
	"	.cfi_endproc\n"
	END(coro_start));

#elif defined(CORO_ARM)

#if defined(__ARM_FP)
#define VFP(line) line
#else
#define VFP(line)
#endif

struct frame {
#if defined(__ARM_FP)
	uint64_t d8_15[8];
#endif
	uint32_t fpscr;
	void *arg;           /* r4 */
	void (*run)(void *); /* r5 */
	void *r6_11[6];
	void (*pc)(void);
};

#define FRAME_INIT .fpscr = 0

/* Always ARM code, also in a Thumb build: each branch in and out of it can change state. */
__asm__(FUNCTION(coro_switch, "%")
	"	.syntax unified\n"
	"	.arm\n"
	"	.balign 4\n"
	"coro_switch:\n"
	"	.fnstart\n"
	"	push {r4-r11, lr}\n"
	"	.save {r4-r11, lr}\n"
	VFP("	vmrs r3, fpscr\n")
	"	push {r3}\n"
	"	.pad #4\n"
	VFP("	vpush {d8-d15}\n")
	VFP("	.vsave {d8-d15}\n")
	"	str sp, [r0]\n"
	"	ldr sp, [r1]\n"
	VFP("	vpop {d8-d15}\n")
	"	pop {r3}\n"
	VFP("	vmsr fpscr, r3\n")
	"	pop {r4-r11, pc}\n"
	"	.fnend\n"
	END(coro_switch)
	FUNCTION(coro_start, "%")
	"	.arm\n"
	"	.balign 4\n"
	"coro_start:\n"
	"	.fnstart\n"
	"	.cantunwind\n"
	"	mov r0, r4\n"
	"	mov lr, #0\n"
	"	blx r5\n"
	"	udf #0\n"
	"	.fnend\n"
	END(coro_start));

#endif

#if !defined(STACKS_SUPPORTED)
#define STACKS_SUPPORTED 1
#endif

static void context_prepare(struct context *ctx, char *low, size_t bytes, void (*run)(void *), void *arg)
{
	struct frame *frame = (struct frame *)(void *)(low + bytes - sizeof *frame);

	*frame = (struct frame){FRAME_INIT, .arg = arg, .run = run, .pc = coro_start};
	ctx->sp = frame;
}

static void context_switch(struct context *from, const struct context *to)
{
	coro_switch(from, to);
}

#endif /* assembly */
#endif
