# shellcheck shell=bash disable=SC2154,SC2034  # variables of who sources it
# guest.sh - a booted guest as a script sees it: power, and a serial line on which it runs what it is told. Sourced.
#
#	power_on DISK...     DISK is NAME=IMAGE, which is mounted there as /NAME
#	ask COMMAND          run it in the guest: what it wrote in $out, its exit status is ours; 254: the guest has rebooted, 255: no answer
#	tell COMMAND         the same, without waiting for its end
#	await REGEX          the next line on the console that is like it, in $line
#	cut_power            kill -9 of qemu: what the guest's kernel still held is gone
#	power_off            the guest goes down by itself
#
# $arch, $sysroot, $initramfs, $root_image: what is booted. $dir: where console, step log and pipes are; $patience: seconds for anything.
# What runs in the guest may write to its second console, /dev/hvc0, which is $dir/steps here: it is there at once, whatever the disk of
# the guest forgets.

qemu='' booter='' asked=0 boots=0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

is_on() {
	[ -n "$qemu" ] && kill -0 "$qemu" 2>/dev/null
}

# boot.sh's console is the pipe, so what is left of its output are complaints.
start_qemu() { # OPTION...
	rm -f "$dir/serial.in" "$dir/serial.out" "$dir/pid"
	mkfifo "$dir/serial.in" "$dir/serial.out"
	exec {to}<>"$dir/serial.in" {from}<>"$dir/serial.out"
	LIMIT=${BOOT_LIMIT:-7200} MEMORY=${MEMORY:-128} SERIAL=pipe:$dir/serial SETTINGS="${SETTINGS:-}" \
		"$here/../../crash/qemu/boot.sh" "$arch" "$sysroot" "$initramfs" -pidfile "$dir/pid" "$@" {to}>&- {from}>&- >>"$dir/qemu" 2>&1 &
	booter=$!
	until [ -s "$dir/pid" ]; do
		kill -0 $booter 2>/dev/null || { echo "qemu does not start: $(tail -n 1 "$dir/qemu")" >&2; return 1; }
		sleep 0.02
	done
	qemu=$(cat "$dir/pid")
}

disk_options() { # NAME IMAGE ["readonly=on"]
	printf -- '-drive file=%s,if=none,id=%s,format=raw,cache=writeback%s -device virtio-blk-device,drive=%s,serial=%s ' "$2" "$1" "${3:+,$3}" "$1" "$1"
}

power_on() { # [-EXTRA...] NAME=IMAGE...
	local disk options
	boots=$((boots + 1))
	printf -- '-- power on %s\n' "$boots" | tee -a "$dir/console" >>"$dir/steps"
	options=$(disk_options root "$root_image" readonly=on)
	for disk; do
		options+=$(disk_options "${disk%%=*}" "${disk#*=}")
	done
	# shellcheck disable=SC2086
	start_qemu -smp "${CPUS:-1}" -action reboot=reset,watchdog=reset $options -chardev "file,id=steps,path=$dir/steps,append=on" -device virtio-serial-device \
		-device virtconsole,chardev=steps ${MORE:-} || return 1
	await_boot
}

await_boot() {
	await '^console: boot ' && boot_id=${line##* }
}

release_line() {
	[ -z "$qemu" ] || exec {to}>&- {from}>&-
	qemu=
	wait "$booter" 2>/dev/null
	booter=
}

cut_power() {
	is_on && kill -9 "$qemu"
	release_line
}

power_off() {
	tell poweroff
	local end=$((SECONDS + patience)) part
	while is_on && [ $SECONDS -lt $end ]; do
		# What nobody reads stops the guest.
		IFS= read -r -t 1 -u "$from" part && printf '%s\n' "${part%$'\r'}" >>"$dir/console"
	done
	is_on && { cut_power; return 1; }
	release_line
}

# A line may come in pieces. What is no text is not for us.
await() { # REGEX [SECONDS]
	local end=$((SECONDS + ${2:-$patience})) part rest=
	while :; do
		if IFS= read -r -t 1 -u "$from" part; then
			line=$rest${part%$'\r'} rest=
			printf '%s\n' "$line" >>"$dir/console"
			[[ ! $line =~ $1 ]] || return 0
		else
			rest+=$part
			if ! is_on || [ $SECONDS -ge $end ]; then
				line=$rest
				return 1
			fi
		fi
	done 2>/dev/null
}

tell() { # COMMAND: the guest takes it as one line
	local command=${1//$'\n'/ }
	printf '> %s\n' "$command" >>"$dir/console"
	printf '%s\n' "$command" >&"$to"
}

ask() { # COMMAND [SECONDS]
	local end=$((SECONDS + ${2:-$patience}))
	asked=$((asked + 1)) out=
	tell "$1"
	tell "echo \"@$asked \$last\"" # a line of its own: mistakes in the other leave it alone
	while await '' $((end - SECONDS)); do
		if [[ $line =~ ^(.*)@$asked\ ([0-9]+)$ ]]; then
			out+=${BASH_REMATCH[1]}
			return "${BASH_REMATCH[2]}"
		fi
		[[ ! $line =~ ^console:\ boot\  ]] || return 254
		out+=$line$'\n'
	done
	out+="(no answer)"
	return 255
}
