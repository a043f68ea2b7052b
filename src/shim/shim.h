/*
 * shim.h - what pawl-shim and the runtime agree on. docs/FORMAT.md has the same for people.
 *
 *	runtime ──spawn──► shim ──fork──► (records both in `claim`) ──exec──► the activity, in a session of its own
 *	   │ TERM = cancel   │  stdout ──pipe──► result (capped)     heartbeat, timeout: the shim looks, TERM, grace, KILL
 *	   │ pidfd: its end  │  stderr ──pipe──► log (capped)        its end: outcome appended to `claim`
 *	   └── may die and come back: reads `claim`, watches the same shim
 *
 * The shim is told everything by its arguments, and its environment is the activity's:
 *
 *	pawl-shim [NAME=VALUE]... -- PROGRAM [ARGUMENT]...
 *
 *	work=DIR            the work directory (must be there); all files below are in it. Required, absolute.
 *	attempt=N           for `claim`
 *	dir=DIR             working directory of the activity; default the work directory
 *	timeout_ms=N        start to close; 0 or absent: none
 *	heartbeat_ms=N      longest silence of the files `heartbeat` and `progress`; 0 or absent: not watched
 *	grace_ms=N          TERM to KILL; default 5000
 *	output_max=N        bytes of stdout; more ends the activity: outcome `output`. Default 1 MiB
 *	log_max=N           bytes of stderr that are kept, the rest is read and thrown away; default 64 KiB; 0 = no limit
 *	sync=1              the result and the outcome are on the disk before the shim ends: such an outcome is believed also
 *	                    after a reboot
 *	uid=N gid=N groups=N,N,...   who it runs as (groups absent with gid given: none)
 *	nice=N              -20 ... 19
 *	ionice=CLASS[:LEVEL]   idle, best-effort:0-7, realtime:0-7
 *	rlimit_NAME=N       soft and hard; NAME: as core cpu data fsize memlock nofile nproc stack; N a number or "unlimited"
 *	no_new_privs=1
 *	cgroup=DIR          a cgroup v2 directory to make, join and remove at the end; ended by its cgroup.kill where there is one
 *	cgroup_memory_max=N cgroup_cpu_max="QUOTA PERIOD"    written to memory.max and cpu.max (missing controllers: outcome
 *	                    `setup`, unless the value is absent)
 *
 * stdin of the activity is the file `input` in the work directory when it is there, else /dev/null. The shim's own
 * descriptors 0, 1, 2 are /dev/null. Signals: TERM to the shim = end the activity (TERM to its process group, CONT, KILL
 * after the grace), outcome `canceled`. All other descriptors are close-on-exec.
 *
 * `claim` is text, one "name value" a line; the first part is written (created anew, O_TRUNC) BEFORE the exec, the second
 * appended in one write when all is over. The shim holds flock(LOCK_EX) on it from before the first byte to its end:
 * a lock that is held says "alive" also across pid namespaces.
 *
 *	attempt 2
 *	boot 0a1b2c3d-...            /proc/sys/kernel/random/boot_id
 *	pidns 4026531836             inode of /proc/self/ns/pid, 0 when it cannot be read
 *	shim 4711 123456             pid, start time in clock ticks (/proc/PID/stat field 22)
 *	activity 4712 123457
 *	began 1234567890             CLOCK_BOOTTIME, ms
 *	outcome exit 0               see below; from here on the second part
 *	message could not open /dev/mtd3     the last line on stderr that has text (<= 200 bytes, control characters as '?'),
 *	                             or what went wrong; may be absent
 *	output 1234                  bytes of `result`
 *	synced 1                     with sync=1: the result was on the disk before this was written
 *	usage 12 3 2048              user ms, system ms, largest resident set in KiB (of the activity and what it waited for)
 *	ended 1234567990             CLOCK_BOOTTIME, ms
 *	end
 *
 *	outcome exit N       it exited
 *	outcome signal N     it died of a signal that we did not send
 *	outcome timeout      past timeout_ms and ended by us
 *	outcome heartbeat    silent for longer than heartbeat_ms and ended by us
 *	outcome output       stdout over output_max, ended by us
 *	outcome canceled     ended by TERM to the shim
 *	outcome spawn ERRNO  it could not be executed (number, name in message)
 *	outcome setup ERRNO  limits, user, cgroup or directory could not be set up (message says which); not started
 *
 * Only a claim whose last line is "end" has an outcome. A full disk (ENOSPC, EDQUOT, EIO) while writing result or outcome
 * is waited out, looking again every 250 ms, until TERM comes: what the activity has done is not thrown away (I7). The
 * first write pads the claim with blank lines to 1024 bytes and the rest overwrites them, so that the outcome has its room
 * before the work begins; readers skip blank lines.
 *
 * Heartbeat: the time of a file says only that it changed (I9: the wall clock may jump). The shim remembers mtime of
 * `heartbeat` and `progress`; at each deadline a changed mtime counts as a beat: at the moment the wall clock says, if that
 * lies between the last look and now, else at the look. So silence is noticed after heartbeat_ms, after a clock jump at
 * most after twice that. No wake-up but at deadlines.
 *
 * Signals and groups: the activity is the leader of its own session and process group. The shim does not reap it before
 * the end, so that its number stays ours. After its leader has ended, the pipes are read for one more second at most (a
 * daemon that it left does not hold us up); with a TERM under way the whole group gets its grace.
 *
 * The shim's exit status is 0 when the claim has its "end", else 1 (and something on the log).
 */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#define SHIM_PROGRAM "pawl-shim"
#define SHIM_CLAIM "claim"
#define SHIM_CLAIM_BYTES 1024      /* room that is reserved; the whole claim is never longer */
#define SHIM_MESSAGE_MAX 200
#define SHIM_INPUT "input"
#define SHIM_RESULT "result"
#define SHIM_LOG "log"
#define SHIM_HEARTBEAT "heartbeat"
#define SHIM_PROGRESS "progress"
#define SHIM_CANCEL "cancel"       /* made by the runtime before TERM */
#define SHIM_GRACE_MS 5000
#define SHIM_LINGER_MS 1000

#endif
