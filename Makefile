# pawl: durable multi-step work for Linux devices. `make help` lists the targets.
#
# One Makefile, no recursion into folders. Objects go to build/$(config)/, one folder for each toolchain and set of
# options, so that several can live side by side. A new source file or test needs no line here: all are found by name.

-include config.mak

# ---- the board (docs/boards.md): its toolchain, flags and switches; what is set elsewhere comes before them ----

BOARD ?=
boards := $(patsubst board/%/board.mk,%,$(sort $(wildcard board/*/board.mk)))
ifneq ($(BOARD),)
ifeq ($(filter $(BOARD),$(boards)),)
$(error there is no board '$(BOARD)': choose one of $(boards), or add a folder (docs/boards.md))
endif
# A build with other switches than the board's goes to a folder of its own.
board_variant = $(foreach name,CONFIG libc static DEBUG COVERAGE SANITIZE $(addprefix WITH_,$(all_parts)),$(if \
	$(filter command environment,$(origin $(name))),$(if $($(name)),-$(name)-$($(name)))))
# Somebody's own toolchain knows where its libraries are.
ifeq ($(origin CROSS_COMPILE),undefined)
target = $(BOARD_ARCH)$(if $(filter musl,$(libc)),-musl)
endif
include board/$(BOARD)/board.mk
libc ?= glibc
SYSROOT ?= $(if $(target),$(wildcard build/sysroot/$(target)))
# Its processor, and nothing newer: qemu's user-mode emulators look at the variable.
RUNNER ?= $(BOARD_QEMU)$(if $(BOARD_QEMU), -L $(or $(abspath $(SYSROOT)),/))
export QEMU_CPU ?= $(BOARD_CPU)
override EXTRA_CFLAGS := $(strip $(BOARD_CFLAGS) $(EXTRA_CFLAGS))
override EXTRA_LDFLAGS := $(strip $(BOARD_CFLAGS) $(EXTRA_LDFLAGS))
endif

# ---- what can be set (on the command line, in the environment or in config.mak) ----

CROSS_COMPILE ?=
ifneq ($(filter default undefined,$(origin CC)),)
CC = $(CROSS_COMPILE)gcc
endif
ifneq ($(filter default undefined,$(origin AR)),)
AR = $(CROSS_COMPILE)ar
endif
OBJCOPY ?= $(CROSS_COMPILE)objcopy
NM ?= $(CROSS_COMPILE)nm
READELF ?= $(CROSS_COMPILE)readelf
SIZE ?= $(CROSS_COMPILE)size
STRIP ?= $(CROSS_COMPILE)strip
# That of this machine would answer for this machine.
PKG_CONFIG ?= $(CROSS_COMPILE)pkg-config
target ?= $(CROSS_COMPILE)
# Libraries and headers of the target, such as scripts/sysroot.sh makes them.
SYSROOT ?=
sysroot_flags := $(if $(SYSROOT),$(if $(wildcard $(SYSROOT)/musl.specs),-specs=$(abspath $(SYSROOT)/musl.specs),--sysroot=$(abspath $(SYSROOT))))

prefix ?= /usr/local
bindir ?= $(prefix)/bin
libdir ?= $(prefix)/lib
libexecdir ?= $(prefix)/libexec
includedir ?= $(prefix)/include
mandir ?= $(prefix)/share/man
bashcompdir ?= $(prefix)/share/bash-completion/completions
zshcompdir ?= $(prefix)/share/zsh/site-functions
sysconfdir ?= /etc
DESTDIR ?=

CONFIG ?=
SANITIZE ?=
COVERAGE ?=
DEBUG ?=
static ?= no
CI ?=
comma := ,
empty :=
space := $(empty) $(empty)

# WITH_...: what is left out of the program, one by one or by CONFIG=tiny (configs/).
include scripts/parts.mk

OPT ?= $(if $(DEBUG),-O0,$(if $(COVERAGE),-Og,-O2))
EXTRA_CFLAGS ?=
EXTRA_LDFLAGS ?=

# For tests: a program that starts the built ones (qemu-arm-static), and the time for one in seconds.
RUNNER ?=
TEST_SECONDS ?= 120
FUZZER ?= builtin
FUZZ_RUNS ?= 20000
FUZZ_SECONDS ?=
BENCH ?=

ifeq ($(static),yes)
override WITH_PLUGINS := no
endif


ifneq ($(BOARD),)
config ?= $(BOARD)$(subst $(comma),-,$(subst $(space),,$(board_variant)))
endif
config ?= $(subst $(space),_,$(strip $(notdir $(CC))))$(if $(filter yes,$(static)),-static)$(if $(DEBUG),-debug)$(if $(COVERAGE),-coverage)$(if \
	$(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))$(if $(filter libfuzzer,$(FUZZER)),-libfuzzer)$(if \
	$(filter true,$(CI)),-ci)$(parts_name)
B := build/$(config)
ifneq ($(sysroot_flags),)
override CC := $(CC) $(sysroot_flags)
endif

version := $(shell sed -n 's/^\#define PAWL_VERSION "\(.*\)"/\1/p' include/pawl/pawl.h 2>/dev/null)
soname := libpawl.so.0

# ---- sources ----

provider_dirs := $(patsubst %/,%,$(wildcard providers/*/))
provider_dirs := $(filter-out $(if $(filter no,$(WITH_FS)),providers/fs) $(if $(filter no,$(WITH_MEMORY)),providers/memory),$(provider_dirs))
source_dirs := src/base src/os src/history src/engine src/runtime src/doctor src/cli providers $(provider_dirs)

main_source := $(wildcard src/cli/main.c)
sim_sources := $(wildcard src/os/os_sim*.c)
lib_sources := $(filter-out $(main_source) $(sim_sources) $(left_out_files),$(sort $(wildcard $(addsuffix /*.c,$(source_dirs)))))

objects_of = $(patsubst %.c,$(B)/obj/%.o,$(1))
lib_objects := $(call objects_of,$(lib_sources))
main_object := $(call objects_of,$(main_source))

# The program between the runtime and an activity (src/shim/shim.h): no part of the library.
shim_sources := $(sort $(wildcard src/shim/*.c))
shim_objects := $(call objects_of,$(shim_sources))
shim := $(if $(shim_sources),$(B)/pawl-shim)

# A file of a tier is a program when it has a main (of fuzz, when its name says so); the others are shared by the programs
# of their tier.
tier_sources = $(filter-out $(left_out_tests),$(sort $(wildcard tests/$(1)/*.c)))
with_main = $(if $(1),$(shell grep -l '^int main\>' $(1)))
programs_of = $(patsubst tests/%.c,$(B)/tests/%,$(1))

tier_programs = $(if $(filter fuzz,$(1)),$(filter tests/fuzz/fuzz_%,$(call tier_sources,fuzz)),$(call with_main,$(call tier_sources,$(1))))
tier_helpers = $(call objects_of,$(filter-out $(call tier_programs,$(1)),$(call tier_sources,$(1))))

unit_programs := $(call programs_of,$(call tier_programs,unit))
contract_programs := $(call programs_of,$(call tier_programs,provider))
crash_programs := $(call programs_of,$(call tier_programs,crash))
fuzz_programs := $(call programs_of,$(call tier_programs,fuzz))
smoke_programs := $(call programs_of,$(call tier_programs,board))
bench_sources := $(call tier_programs,bench)
bench_programs := $(call programs_of,$(if $(BENCH),$(filter $(addprefix %/,$(addsuffix .c,$(BENCH))),$(bench_sources)),$(bench_sources)))

# A folder that is named as a program has sources of that program alone, which may take the place of files of the library.
own_sources := $(sort $(wildcard tests/*/test_*/*.c))

# Power cuts on real file systems (tests/crash/block): programs that run.sh there starts.
block_sources := $(sort $(wildcard tests/crash/block/*.c))
block_mains := $(call with_main,$(block_sources))
block_programs := $(patsubst tests/crash/block/%.c,$(B)/tests/block/%,$(block_mains))

test_sources := $(foreach tier,unit provider crash fuzz board bench,$(call tier_sources,$(tier))) $(own_sources) $(block_sources)

# ---- flags ----

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wwrite-strings -Wmissing-prototypes \
	-Wstrict-prototypes -fno-common
# Tests show what they mean, not how every number is widened or every field of a table filled.
test_warnings := -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wvla -Wwrite-strings -Wstrict-prototypes -fno-common

onoff = $(if $(filter yes,$($(1))),1,0)
defines := -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -DPAWL_WITH_YAML=$(call onoff,WITH_YAML) \
	-DPAWL_WITH_PLUGINS=$(call onoff,WITH_PLUGINS) -DPAWL_WITH_FS=$(call onoff,WITH_FS) -DPAWL_WITH_MEMORY=$(call onoff,WITH_MEMORY) \
	$(left_out_defines)

ifeq ($(WITH_YAML),yes)
YAML_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags yaml-0.1 2>/dev/null)
YAML_LIBS ?= -lyaml
endif

sanitizers := $(subst $(comma),$(space),$(SANITIZE))
sanitize_flags := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer)
sanitize_flags += $(if $(filter undefined,$(sanitizers)),-fno-sanitize-recover=undefined)
sanitize_flags += $(if $(filter libfuzzer,$(FUZZER)),-fsanitize=fuzzer-no-link$(comma)address$(comma)undefined -DPAWL_LIBFUZZER)
any_sanitizer := $(strip $(SANITIZE)$(filter libfuzzer,$(FUZZER))$(COVERAGE))
# Counters are written at the exit of a program: what is killed counts nothing.
sanitize_flags += $(if $(COVERAGE),--coverage -fprofile-update=atomic)

# Nothing here looks at its own stack, and -g writes what a debugger needs beside the program: a tenth of it.
unwinding := $(if $(any_sanitizer)$(DEBUG),,-fno-asynchronous-unwind-tables -fno-unwind-tables)
position := $(if $(filter yes,$(static)),-fno-pie,-fPIC)
hardening = $(HARDEN_CFLAGS) $(if $(any_sanitizer)$(DEBUG)$(filter -O0,$(OPT)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)

common_flags = -std=c11 $(defines) $(OPT) -g $(unwinding) $(position) -pthread -fvisibility=hidden -ffunction-sections -fdata-sections \
	$(hardening) $(sanitize_flags) $(if $(filter true,$(CI)),-Werror)
source_flags = $(common_flags) $(warnings) -Iinclude -Isrc -I. -include src/base/banned.h $(YAML_CFLAGS) $(EXTRA_CFLAGS)
test_flags = $(common_flags) $(test_warnings) -Iinclude -Isrc -I. -Itests $(EXTRA_CFLAGS)
# banned.h opens the system headers before the first line of a file, too late for it to ask for more than POSIX.
# A wall clock that is before the build is not set (src/os/clock_state.c).
os_flags := -D_GNU_SOURCE $(if $(SOURCE_DATE_EPOCH),-DPAWL_BUILD_SECONDS=$(SOURCE_DATE_EPOCH))

# Where the runtime looks for pawl-shim when $PAWL_SHIM does not name it.
runtime_flags := -DPAWL_LIBEXECDIR="\"$(libexecdir)/pawl\""

# One shim waits beside each activity for as long as that takes, so it is made small, and linked statically wherever that
# works (probe.mk): nothing to find and relocate at each start. So it goes without the sanitizers, which need a dynamic
# libc and megabytes, and without the checks that bring glibc's printf along.
shim_flags = -std=c11 $(defines) $(os_flags) $(if $(DEBUG),-O0,-Os) -g $(if $(SHIM_STATIC),-fno-pie,-fPIE) -fvisibility=hidden \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables $(filter -ffile-prefix-map%,$(HARDEN_CFLAGS)) $(if $(filter true,$(CI)),-Werror) $(warnings) -Isrc \
	-include src/base/banned.h $(EXTRA_CFLAGS)
shim_link_flags = $(if $(SHIM_STATIC),$(SHIM_STATIC),-pie) -Wl,--gc-sections $(HARDEN_LDFLAGS) $(EXTRA_LDFLAGS)

link_flags = -pthread -Wl,--gc-sections -Wl,--as-needed $(HARDEN_LDFLAGS) $(sanitize_flags) $(EXTRA_LDFLAGS)
program_flags = $(link_flags) $(if $(filter yes,$(static)),-static -no-pie,-pie)
libs = $(YAML_LIBS) $(if $(filter yes,$(WITH_PLUGINS)),-ldl) -lm
test_libs = -lcmocka $(libs) $(ATOMIC_LIBS)

# A RUNNER that emulates another processor: what it is known not to run is left out (tests/emulation).
emulator := $(if $(findstring qemu-,$(RUNNER)),$(RUNNER))
emulated_arch := $(if $(emulator),$(shell cat $(lastword $(RUNNER))/.sysroot 2>/dev/null || echo unknown))
gaps_object := $(if $(emulator),$(B)/obj/tests/emulation/gaps.o)
gaps_flags := $(if $(emulator),-Wl$(comma)--wrap=_cmocka_run_group_tests)

# ---- products ----

program := $(if $(main_source),$(B)/pawl)
libraries := $(B)/libpawl.a $(if $(filter yes,$(static)),,$(B)/$(soname))

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s%s\n' '$(1)' '$(2)')

completions := $(if $(wildcard src/cli/main.c),$(B)/pawl.bash $(B)/pawl.zsh)

.PHONY: all
all: $(program) $(shim) $(libraries) $(B)/pawl.pc $(completions) ## build the program and the libraries (default)

$(B)/pawl: $(main_object) $(lib_objects) scripts/pawl.dynamic
	$(call say,LINK,$@)
	$(Q)$(CC) $(program_flags) $(if $(filter yes,$(WITH_PLUGINS)),-Wl$(comma)--dynamic-list=scripts/pawl.dynamic) -o $@ $(filter %.o,$^) $(libs)

$(B)/pawl-shim: $(shim_objects)
	$(call say,LINK,$@)
	$(Q)$(CC) $(shim_link_flags) -o $@ $^

$(B)/$(soname): $(lib_objects) scripts/pawl.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(link_flags) -shared -Wl,-soname,$(soname) -Wl,--version-script=scripts/pawl.map $(if $(main_source)$(any_sanitizer),$(if \
		$(any_sanitizer),,-Wl$(comma)-z$(comma)defs)) -o $@ $(filter %.o,$^) $(libs)
	$(Q)ln -sf $(soname) $(B)/libpawl.so

# One relocatable object, so that names that are not pawl_... can be made local to it.
$(B)/libpawl.a: $(lib_objects)
	$(call say,AR,$@)
	$(Q)$(CC) $(EXTRA_CFLAGS) -nostdlib -r -o $(B)/libpawl.o $^
	$(Q)$(OBJCOPY) --localize-hidden $(B)/libpawl.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(B)/libpawl.o

$(B)/pawl.pc: scripts/pawl.pc.in FORCE
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's|@prefix@|$(prefix)|' -e 's|@libdir@|$(libdir)|' -e 's|@includedir@|$(includedir)|' \
		-e 's|@version@|$(version)|' -e 's|@libs@|-pthread $(strip $(libs))|' $< > $@

# From the manual page, as the program may not run here.
$(B)/pawl.%: docs/man/pawl.1 $(wildcard scripts/completion/*)
	$(Q)mkdir -p $(@D)
	$(Q)scripts/completion/generate.sh $* $< > $@

# Objects depend on this file, which changes only when the way of compiling does.
flags_now = $(CC) $(source_flags) $(small) $(program_flags) $(runtime_flags)
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(flags_now))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(flags_now))' > $@
.PHONY: FORCE
FORCE:

shim_flags_now = $(CC) $(shim_flags) $(shim_link_flags)
$(B)/shim.flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(shim_flags_now))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(shim_flags_now))' > $@

# private: or the file of flags, which is made for an object, would have it too.
$(B)/obj/src/os/%.o: private source_flags += $(os_flags)
$(B)/obj/src/runtime/%.o: private source_flags += $(runtime_flags)
# What a command or the disk waits for is made small; what is done for each line of history (base, history, engine) quick.
small := $(if $(filter -O2,$(OPT)),-Os)
$(B)/obj/src/cli/%.o $(B)/obj/src/doctor/%.o $(B)/obj/src/runtime/%.o $(B)/obj/providers/%.o: private source_flags += $(small)

$(B)/obj/src/shim/%.o: src/shim/%.c $(B)/shim.flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(shim_flags) -MMD -MP -c -o $@ $<

$(B)/obj/tests/%.o: tests/%.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(test_flags) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(source_flags) -MMD -MP -c -o $@ $<

# What tests link with: the library before any name is hidden, and the simulated kernel. As archives, so that a test takes
# only what it uses and may put its own in the place of something.
$(B)/internal.a: $(lib_objects)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(B)/testing.a: $(call objects_of,$(sim_sources))
	$(Q)rm -f $@ && $(AR) rcs $@ $^

define tier_rules
$(B)/$(1)-helpers.a: $(call tier_helpers,$(1))
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
$(B)/tests/$(1)/%: $(B)/obj/tests/$(1)/%.o $(if $(filter unit provider crash,$(1)),$(gaps_object)) $(B)/$(1)-helpers.a $(B)/testing.a $(B)/internal.a
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(program_flags) $(2) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(3)
endef
$(foreach source,$(own_sources),$(eval $(call programs_of,$(patsubst %/,%.c,$(dir $(source)))): $(call objects_of,$(source))))
$(foreach tier,unit provider crash,$(eval $(call tier_rules,$(tier),$(gaps_flags),$$(test_libs))))
# Its allocator fails when the test wants it; the real one stays behind it.
$(B)/tests/crash/test_runtime_faults: private program_flags += $(foreach name,malloc calloc realloc free strdup strndup mmap mmap64,-Wl$(comma)--wrap=$(name))
$(eval $(call tier_rules,fuzz,$(if $(filter libfuzzer,$(FUZZER)),-fsanitize=fuzzer),$$(libs)))
$(eval $(call tier_rules,board,,$$(libs)))
$(eval $(call tier_rules,bench,,$$(libs) $$(if $$(shell grep -l 'sqlite3\?[.]h' tests/bench/$$(*F).c),-lsqlite3)))

# They get the kernel's table from plant.c, which may have a bug in it.
$(B)/block-helpers.a: $(call objects_of,$(filter-out $(block_mains),$(block_sources)))
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(B)/tests/block/%: $(B)/obj/tests/crash/block/%.o $(B)/block-helpers.a $(B)/internal.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(program_flags) -Wl,--wrap=os_linux -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(libs) $(if \
		$(filter record,$(*F)),-lfuse3)

# The program itself with a bug, for tests/board/boot.
$(B)/tests/block/pawl: $(main_object) $(call objects_of,$(addprefix tests/crash/block/,plant.c util.c)) $(lib_objects) scripts/pawl.dynamic
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(program_flags) -Wl,--wrap=os_linux $(if $(filter yes,$(WITH_PLUGINS)),-Wl$(comma)--dynamic-list=scripts/pawl.dynamic) \
		-o $@ $(filter %.o,$^) $(libs)

.SECONDARY:
.DELETE_ON_ERROR:

# ---- examples (examples/README.md): compiled as a user would, with the public headers and the static library alone ----

example_names := $(filter-out $(left_out_examples),$(foreach dir,$(patsubst %/,%,$(sort $(wildcard examples/*/))),$(if $(wildcard $(dir)/$(notdir $(dir)).c),$(notdir $(dir)))))
example_plugins := $(if $(filter yes,$(WITH_PLUGINS)),hello.so)

.PHONY: examples
examples: $(program) $(shim) $(addprefix $(B)/examples/,$(example_names) $(example_plugins)) ## build the examples: build/CONFIG/examples/NAME
e2e: examples

define example_rules
$(B)/examples/$(1): examples/$(1)/$(1).c $(B)/libpawl.a $(B)/flags
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(common_flags) $$(warnings) -Iinclude $$(EXTRA_CFLAGS) $$(program_flags) -o $$@ $$< $(B)/libpawl.a $$(libs)
endef
$(foreach name,$(example_names),$(eval $(call example_rules,$(name))))
$(B)/examples/%.so: $(B)/examples/%
	$(call say,LINK,$@)
	$(Q)$(CC) $(common_flags) $(warnings) -Iinclude $(EXTRA_CFLAGS) $(link_flags) -shared -o $@ examples/$*/$*.c

# ---- tests (tests/README.md) ----

# With a RUNNER the kernel cannot start the shim by itself: then a script in its place does.
shim_run := $(if $(RUNNER),$(B)/pawl-shim.run,$(shim))
$(B)/pawl-shim.run: $(shim) FORCE
	$(Q)printf '#!/bin/sh\nexec %s "$$@"\n' '$(RUNNER) $(abspath $(shim))' > $@ && chmod +x $@

test_env = PAWL="$(abspath $(B)/pawl)" PAWL_SHIM="$(abspath $(shim_run))"
gaps := $(if $(emulator),$(abspath $(B)/emulation-gaps))
run_tests = $(if $(gaps),tests/emulation/gaps.sh $(emulated_arch) >$(gaps) && EMULATION_GAPS="$(gaps)" )RUNNER="$(RUNNER)" $(test_env) BUILD="$(abspath $(B))" FUZZ_RUNS=$(FUZZ_RUNS) \
	scripts/run-tests.sh -n $(1) -l $(B)/log/$(1) -t $(TEST_SECONDS) $(2)

.PHONY: unit contract crash fuzz fuzz-corpus e2e bench smoke board board-tests demo check test coverage soak mutate
unit: $(unit_programs) $(shim_run) ## unit tests: one module each, no disk but a simulated one
	@$(call run_tests,$@,$(unit_programs))
contract: $(contract_programs) $(program) $(shim_run) ## the provider contract, against every provider
	@$(call run_tests,$@,$(contract_programs))
crash: $(crash_programs) $(shim_run) ## power cuts and failing storage, simulated
	@$(call run_tests,$@,$(crash_programs))
.PHONY: sim
SIM_SECONDS ?= 60
sim: $(B)/tests/crash/test_simulation ## simulated devices, from fresh seeds for so long (SIM_SECONDS=60) or from one (SIM_SEED=N)
	@PAWL_SIM_SECONDS=$(SIM_SECONDS) PAWL_SIM_SEED=$(SIM_SEED) $(RUNNER) $< "keep every promise"
e2e: $(program) $(shim_run) $(libraries) $(B)/pawl.pc $(if $(emulator),$(B)/tests/unit/test_os_linux) ## the program from outside, by shell scripts
	@$(if $(emulator),EMULATE="$(RUNNER)" tests/emulation/e2e.sh $(B) $(emulated_arch) -l $(B)/log/e2e,$(call run_tests,$@,-1 -t 900 tests/e2e/run.sh))
ifeq ($(FUZZER),libfuzzer)
fuzz: $(fuzz_programs) ## mutated inputs, a short fixed series (FUZZER=libfuzzer CC=clang: by coverage, FUZZ_RUNS or FUZZ_SECONDS each)
	@FUZZ_RUNS=$(FUZZ_RUNS) FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh $(B) $^
fuzz-corpus: $(fuzz_programs) ## with FUZZER=libfuzzer CC=clang: what is found in tests/fuzz/corpus, as small as it can be
	@scripts/fuzz.sh -m $(B) $^
else
fuzz: $(fuzz_programs)
	@$(call run_tests,$@,$^)
fuzz-corpus:
	@echo "only libFuzzer can: make fuzz-corpus FUZZER=libfuzzer CC=clang"; false
endif
test: unit contract crash e2e fuzz ## all of the tiers above with this one build
.PHONY: test-programs
test-programs: $(unit_programs) $(contract_programs) ## build those of unit and contract, to run them elsewhere

check: ## what CI runs: gcc and clang with -Werror, all tiers, sanitizers; ends with one line of totals
	+@MAKE="$(MAKE)" scripts/check.sh

coverage: ## which lines the tests reach (gcov): the rooms that must have 95 %, and all others; report in build/coverage/
	+@MAKE="$(MAKE)" scripts/coverage.sh

# Hubs of all programs go at the end: ext4 makes files slowly where thousands were removed a moment ago.
bench_dir = $${BENCH_DIR:-$(abspath $(B))}/bench.hubs
bench: $(bench_programs) $(program) $(shim_run) ## measure (BENCH=name: only that one; BENCH_DIR: on that disk); tables also in bench.txt
	@rm -rf "$(bench_dir)" && mkdir -p "$(bench_dir)" && : > $(B)/bench.txt
	@for program in $(bench_programs); do echo "== $${program##*/}"; $(test_env) BENCH_KEEP=1 BENCH_DIR="$(bench_dir)" \
		$(RUNNER) $$program || echo "failed: $${program##*/}"; done 2>&1 | tee $(B)/bench.txt
	@rm -rf "$(bench_dir)"; ! grep '^failed: ' $(B)/bench.txt

# Root, loop devices, mkfs: what is not there is told, and skipped.
.PHONY: wear
wear: $(B)/tests/bench/bench_wear ## bytes to the device for a step on ext4, f2fs, xfs, btrfs, the table of docs/flash.md (WEAR="ext4:noatime ...", WEAR_STEPS, WEAR_RUNS); as root
	@BIN="$(abspath $(B))/tests/bench" tests/bench/wear.sh $(WEAR)

# Root, /dev/fuse, loop devices, libfuse3: what is not there is told, and skipped.
.PHONY: block block-run
block: ## power cuts on ext4, xfs and btrfs of this kernel (FS="ext4 ...", BLOCK_STATES=n, BLOCK_SEED=n); as root
	+@if echo '#include <fuse3/fuse.h>' | $(CC) -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=31 -E -x c - > /dev/null 2>&1; then \
		$(MAKE) --no-print-directory block-run; \
	else printf '%s\n' 'skipped: power cuts on real file systems need libfuse3-dev (scripts/deps.sh block)' '0 passed, 0 failed'; fi
block-run: $(block_programs) $(program) $(shim_run) $(B)/examples/update
	@$(test_env) BUILD="$(abspath $(B))" BIN="$(abspath $(B))/tests/block" tests/crash/block/run.sh

# Its programs are built there for each of them; this machine's is for the disks of guests that were killed.
.PHONY: qemu
qemu: $(B)/tests/block/kept ## power cuts under Debian's kernels for armhf, arm64 and amd64, emulated: ext4, f2fs, UBIFS (tests/crash/qemu; ARCHES, FS, QEMU_STATES)
	+@MAKE="$(MAKE)" KEPT="$(abspath $<)" tests/crash/qemu/run.sh

soak: $(program) $(shim_run) $(libraries) $(B)/pawl.pc ## the real programs for long, killed, paused and out of space: nothing lost, nothing grows (SOAK_SECONDS, tests/soak)
	+@MAKE="$(MAKE)" $(test_env) BUILD="$(abspath $(B))" tests/soak/soak.sh

MUTATE ?=
mutate: ## break the code on purpose, promise by promise, in a copy: the tests must notice (MUTATE=NAME or quick; tests/mutate)
	+@MUTATE_TALLY="$${TALLY:-}" MAKE="$(MAKE)" tests/mutate/mutate.sh $(MUTATE)

smoke: $(smoke_programs) $(program) $(shim_run) ## small programs without cmocka, for boards (RUNNER=qemu-...)
	@$(call run_tests,$@,$(smoke_programs))

board-tests: ## unit, contract and end-to-end tests with programs for other processors, in qemu-user (ARCHES, TIERS, E2E, GAPS=try)
	+@MAKE="$(MAKE)" scripts/board-tests.sh

board: ## cross-build for armhf and arm64, musl static; smoke and unit tests under qemu-user
	+@MAKE="$(MAKE)" scripts/board.sh

.PHONY: check-debian
check-debian: ## Debian packages: build twice, lintian, install, use, upgrade, remove and purge in clean systems (root; tests/board/debian)
	@scripts/deps.sh debian || echo "going on with what is there"
	@tests/board/debian/check.sh

.PHONY: boards board-check board-info
board-info: # for scripts/board-check.sh
	@echo $(CROSS_COMPILE)gcc $(or $(BOARD_QEMU),-) $(or $(target),-) $(or $(libc),-) $(static) $(or $(BOARD_LIBCS),glibc musl)

board-check: ## each board: build, look at the files, start under qemu-user; then all that runs on boards; ends with a table (BOARDS, PARTS)
	+@MAKE="$(MAKE)" scripts/board-check.sh

boards: ## the boards that BOARD=NAME takes
	@for board in $(boards); do sed -n "1s/^# *\([^:]*\): */  \1	/p" board/$$board/board.mk; done | expand -t 20

# Its programs are built there for each board.
.PHONY: board-boot
board-boot: ## boot ARM kernels under qemu: the update through power cuts and a reboot, and the tests by that kernel (tests/board/boot; BOARDS, BOOT_PARTS)
	+@MAKE="$(MAKE)" tests/board/boot/run.sh

demo: ## build what it needs, run the update example
	@scripts/deps.sh build
	+@$(MAKE) --no-print-directory all examples
	@$(test_env) examples/update/demo.sh

.PHONY: check-kits
check-kits: $(program) $(shim_run) $(B)/internal.a $(B)/pawl.pc $(B)/examples/update $(B)/examples/hello ## what is in board/ for Buildroot, Yocto and OpenWrt: read, evaluated, built (tests/kits; KITS="...", KITS_BUILD=all)
	@$(test_env) BUILD="$(abspath $(B))" tests/kits/run.sh

.PHONY: check-symbols check-hardening check-elf size
check-symbols: $(libraries) $(program) ## the libraries export pawl_... and nothing else, and all that the headers promise
	@NM="$(NM)" scripts/check-symbols.sh $(B)

check-hardening: $(libraries) $(program) $(shim) ## the built files have the protections that the flags promise
	@READELF="$(READELF)" scripts/check-hardening.sh $(B)

.PHONY: board-start
board-start: $(program) $(shim_run) ## with BOARD=NAME: it serves a hub with that board's configuration, under qemu-user
	@RUNNER="$(RUNNER)" $(test_env) scripts/board-start.sh "$(board_config)"

check-elf: $(program) $(shim) ## with BOARD=NAME: the built files are for that board's processor
	@READELF="$(READELF)" OBJDUMP="$(CROSS_COMPILE)objdump" scripts/check-elf.sh "$(BOARD_ELF) static=$(static)" $^

size: $(program) $(shim) $(filter %.so.0,$(libraries)) ## bytes of the program and of each object
	@$(SIZE) $(lib_objects) $(main_object) | sed 's|$(B)/obj/||'
	@for file in $^; do $(STRIP) --strip-unneeded -o $(B)/stripped $$file && printf '%8d bytes stripped  %s\n' $$(wc -c < $(B)/stripped) $$file; done
	@rm -f $(B)/stripped

.PHONY: size-report check-size check-switches
size-report: ## measure all builds anew: docs/size.tsv, docs/size.md
	+@MAKE="$(MAKE)" scripts/size.sh report
check-size: ## the program has not grown beyond docs/size.tsv and its budget
	+@MAKE="$(MAKE)" scripts/size.sh check
check-switches: ## build and test without each part (SWITCHES="DOCTOR tiny": only those)
	+@MAKE="$(MAKE)" scripts/check-switches.sh $(SWITCHES)

# ---- the rest ----

man_pages = $(wildcard docs/man/*.$(1))
# What the device has already is its owner's. Without YAML the program refuses to start when there is a configuration.
board_config := $(if $(BOARD),$(if $(filter yes,$(WITH_YAML)),$(wildcard board/$(BOARD)/pawl.yaml)))
board_config_to = $(DESTDIR)$(sysconfdir)/pawl/pawl.yaml
.PHONY: install uninstall clean help
install: all ## install under $(DESTDIR)$(prefix), with BOARD=NAME also its configuration
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(includedir)/pawl
	$(if $(program),install -m 755 $(program) $(DESTDIR)$(bindir)/pawl)
	$(if $(shim),install -d $(DESTDIR)$(libexecdir)/pawl && install -m 755 $(shim) $(DESTDIR)$(libexecdir)/pawl/pawl-shim)
	install -m 644 include/pawl/*.h $(DESTDIR)$(includedir)/pawl/
	install -m 644 $(B)/libpawl.a $(DESTDIR)$(libdir)/
	$(if $(filter $(B)/$(soname),$(libraries)),install -m 755 $(B)/$(soname) $(DESTDIR)$(libdir)/ && ln -sf $(soname) $(DESTDIR)$(libdir)/libpawl.so)
	install -m 644 $(B)/pawl.pc $(DESTDIR)$(libdir)/pkgconfig/
	$(if $(board_config),[ -e "$(board_config_to)" ] || { install -d "$(dir $(board_config_to))" && install -m 644 $(board_config) "$(board_config_to)"; })
	$(if $(completions),install -d $(DESTDIR)$(bashcompdir) $(DESTDIR)$(zshcompdir) && install -m 644 $(B)/pawl.bash $(DESTDIR)$(bashcompdir)/pawl && install -m 644 $(B)/pawl.zsh $(DESTDIR)$(zshcompdir)/_pawl)
	$(foreach n,1 5,$(if $(call man_pages,$(n)),install -d $(DESTDIR)$(mandir)/man$(n) && install -m 644 $(call man_pages,$(n)) $(DESTDIR)$(mandir)/man$(n)/ &&)) :

# The update example with its demo, for a device: `pawl-demo` runs it there.
demo_dir = $(DESTDIR)$(prefix)/share/pawl/demo
.PHONY: install-demo
install-demo: $(B)/examples/update ## install the program pawl-demo and what it needs
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(libexecdir)/pawl/demo $(demo_dir)/include/pawl $(demo_dir)/docs $(demo_dir)/examples/update/activities
	install -m 755 $(B)/examples/update $(DESTDIR)$(libexecdir)/pawl/demo/update
	sed -e 's|@bindir@|$(bindir)|' -e 's|@libexecdir@|$(libexecdir)|' -e 's|@prefix@|$(prefix)|' examples/update/pawl-demo.in > $(DESTDIR)$(bindir)/pawl-demo
	chmod 755 $(DESTDIR)$(bindir)/pawl-demo
	install -m 755 examples/update/demo.sh $(demo_dir)/examples/update/
	install -m 644 examples/update/pawl.yaml $(demo_dir)/examples/update/
	install -m 755 examples/update/activities/* $(demo_dir)/examples/update/activities/
	install -m 644 include/pawl/*.h $(demo_dir)/include/pawl/
	install -m 644 examples/update/README.md $(demo_dir)/docs/

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(bindir)/pawl $(DESTDIR)$(libdir)/libpawl.* $(DESTDIR)$(libdir)/pkgconfig/pawl.pc
	rm -rf $(DESTDIR)$(includedir)/pawl $(DESTDIR)$(libexecdir)/pawl
	rm -f $(DESTDIR)$(bashcompdir)/pawl $(DESTDIR)$(zshcompdir)/_pawl
	rm -f $(foreach n,1 5,$(patsubst docs/man/%,$(DESTDIR)$(mandir)/man$(n)/%,$(call man_pages,$(n))))

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9-]*\):[^#]*## \(.*\)/  \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
	@echo
	@echo "  variables: BOARD CC CROSS_COMPILE SYSROOT prefix DESTDIR libdir libexecdir EXTRA_CFLAGS EXTRA_LDFLAGS V=1 DEBUG=1 static=yes"
	@echo "             $(addprefix WITH_,$(all_parts)) (yes or no),"
	@echo "             CONFIG=tiny (configs/: a set of those), SANITIZE=address,undefined or thread, COVERAGE=1"
	@echo "  now:       build/$(config) with $(CC); settings that last go to config.mak"

# Flags that not every compiler has are tried once for each build folder.
building := $(filter-out help boards board-check board-info check-debian board-boot board-tests clean uninstall check mutate coverage board demo size-report check-size check-switches,$(or $(MAKECMDGOALS),all))
ifneq ($(building),)
$(B)/probe.mk: Makefile scripts/probe.sh
	@mkdir -p $(@D)
	@TARGET="$(target)" YAML_LIBS="$(YAML_LIBS)" scripts/probe.sh $(if $(filter yes,$(WITH_YAML)),yaml) -- $(CC) $(EXTRA_CFLAGS) $(YAML_CFLAGS) > $@
include $(B)/probe.mk
endif

-include $(patsubst %.o,%.d,$(lib_objects) $(main_object) $(shim_objects) $(call objects_of,$(sim_sources) $(test_sources)))
