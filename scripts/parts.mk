# parts.mk: what can be left out (WITH_X=no), the files that then are not compiled, and the tests that need them. What
# stays asks src/base/parts.h. CONFIG=NAME takes the answers of configs/NAME, where nobody has given another.

ifneq ($(CONFIG),)
ifeq ($(wildcard configs/$(CONFIG)),)
$(error there is no configs/$(CONFIG); there are: $(notdir $(wildcard configs/*)))
endif
include configs/$(CONFIG)
endif

parts := DOCTOR FSCK TOOLS METRICS WORKERS PRESSURE ISOLATION REVIVE ENTITIES TOPICS HELP

# pawl doctor
files_DOCTOR := src/doctor/%.c src/cli/cli_doctor.c
tests_DOCTOR := tests/unit/test_doctor.c

# pawl fsck
files_FSCK := providers/fs/fsck%.c src/cli/cli_fsck.c
tests_FSCK := tests/crash/test_flip.c tests/fuzz/fuzz_journal.c

# Verbs for the desk rather than the device: check verify graph tree export import watch types get activities compact
cli_files = $(patsubst %,src/cli/%.c,$(1))
files_TOOLS := $(call cli_files,cli_check elf cli_verify verify history_file cli_graph graph graph_print cli_tree \
	cli_export cli_import bundle bundle_file tar cli_watch cli_types cli_get cli_activities cli_compact) providers/fs/import.c
tests_TOOLS := $(patsubst %,tests/unit/test_cli_%.c,elf export tar graph tree verify activities) tests/crash/test_import.c tests/fuzz/fuzz_bundle.c

# Workers outside of the runtime: the work queue, pawl work, pawl queue. Dead letters are written, for people and other builds.
files_WORKERS := providers/fs/queue.c $(patsubst %,providers/fs/queue%.c,_offer _item _look _claim _pick _finish _session _await) \
	src/runtime/work_queue.c $(call cli_files,cli_work cli_queue cli_serve words)
stand_in_WORKERS := providers/fs/queue_none.c
tests_WORKERS := tests/unit/test_cli_work.c tests/unit/test_fs_queue.c tests/unit/test_runtime_queued.c tests/unit/test_runtime_workers.c \
	tests/provider/test_%.c tests/fuzz/fuzz_work.c tests/fuzz/fuzz_cli.c

# Whether the device has what an activity needs
files_PRESSURE := src/runtime/pressure%.c
tests_PRESSURE := tests/unit/test_pressure%.c

# Users, limits and cgroups of programs, names of groups
files_ISOLATION := src/runtime/isolation.c
stand_in_ISOLATION := src/runtime/isolation_none.c
tests_ISOLATION := tests/unit/test_isolation.c

# pawl restart, retry, rewind; starts that replace
files_REVIVE := src/runtime/revive.c src/runtime/rewind.c $(call cli_files,cli_restart cli_retry cli_rewind)
tests_REVIVE := tests/unit/test_rewind.c tests/unit/test_runtime_revive.c

# Entities: operations, locks, pawl signal
files_ENTITIES := src/runtime/entities.c src/engine/entity.c src/engine/entity_client.c src/cli/cli_signal.c
stand_in_ENTITIES := src/runtime/entities_none.c
examples_ENTITIES := aggregator
tests_ENTITIES := tests/unit/test_engine_entity.c tests/unit/test_runtime_entities.c

# Topics: subscribing, publishing
files_TOPICS := src/engine/topics.c src/runtime/topics.c src/cli/cli_publish.c
tests_TOPICS :=

# What help says beyond the usage of a verb, the manual page, what each key of the configuration is
files_HELP := src/cli/cli_help.c src/cli/help_activities.c
stand_in_HELP := src/cli/help_none.c

# pawl status --io, pawl metrics, and the counting of what is written
files_METRICS := src/os/io.c src/runtime/metrics.c src/cli/cli_metrics.c
tests_METRICS := tests/unit/test_os_io.c

$(foreach part,YAML PLUGINS FS MEMORY $(parts),$(eval WITH_$(part) ?= yes))
all_parts := YAML PLUGINS FS MEMORY $(parts)
$(foreach part,$(all_parts),$(if $(filter-out yes no,$(WITH_$(part))),$(error WITH_$(part) is '$(WITH_$(part))': yes or no)))

left_out := $(foreach part,$(parts),$(if $(filter no,$(WITH_$(part))),$(part)))
left_out_files := $(foreach part,$(parts),$(if $(filter $(part),$(left_out)),$(files_$(part)),$(stand_in_$(part))))
left_out_tests := $(foreach part,$(left_out),$(tests_$(part)))
left_out_examples := $(foreach part,$(left_out),$(examples_$(part)))
left_out_defines := $(foreach part,$(left_out),-DPAWL_WITH_$(part)=0)

# The name of the build folder: what is not as the configuration file has it.
lower = $(subst A,a,$(subst B,b,$(subst C,c,$(subst D,d,$(subst E,e,$(subst F,f,$(subst G,g,$(subst H,h,$(subst I,i,$(subst \
	K,k,$(subst L,l,$(subst M,m,$(subst N,n,$(subst O,o,$(subst P,p,$(subst Q,q,$(subst R,r,$(subst S,s,$(subst T,t,$(subst \
	U,u,$(subst V,v,$(subst W,w,$(subst Y,y,$(1))))))))))))))))))))))))
configured_out := $(if $(CONFIG),$(filter $(all_parts),$(patsubst WITH_%,%,$(shell sed -n 's/^\(WITH_[A-Z]*\) *?= *no\>.*/\1/p' configs/$(CONFIG)))))
answered_out := $(foreach part,YAML $(if $(filter yes,$(static)),,PLUGINS) FS MEMORY $(parts),$(if $(filter no,$(WITH_$(part))),$(part)))
parts_name := $(if $(CONFIG),-$(CONFIG))$(subst $(space),,$(foreach part,$(filter-out $(configured_out),$(answered_out)),-no$(call \
	lower,$(part)))$(foreach part,$(filter-out $(answered_out) $(if $(filter yes,$(static)),PLUGINS),$(configured_out)),-with$(call lower,$(part))))
