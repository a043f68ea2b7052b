#!/bin/sh
# In the guest: the load on UBIFS, on a simulated NAND chip, until the kernel's own emulation cuts the power; then UBI is attached
# again, UBIFS mounted, the hub recovered, compared with what had been promised (kept), and served to its end.
#
# Two emulations take turns. UBI's: at a write of an erase block's header. UBIFS': at a write of its log, its journal heads or
# its index, which is left half written. After that all writes fail, until it is attached again.
# With PLANT the load has that bug, and the exit status is 0 when a round has noticed it.
#
#	SEED STEPS ROUNDS PLANT

ubi=/sys/kernel/debug/ubi/ubi0
ubifs=/sys/kernel/debug/ubifs/ubi0_0
acks=/tmp/acks found=/tmp/found reference=/tmp/reference
cuts=0 bad=0 total=0

attach() {
	ubiattach -m 0 >/dev/null && mdev -s && [ -c /dev/ubi0 ]
}

random() { # MOST: 0 ... MOST - 1
	SEED=$(((SEED * 1103515245 + 12345) % 2147483648))
	drawn=$((SEED / 65536 % $1))
}

arm() {
	if [ $((n % 2)) -eq 1 ]; then
		random 120
		echo $((drawn + 5)) >$ubi/tst_emulate_power_cut_min
		echo $((drawn + 6)) >$ubi/tst_emulate_power_cut_max
		echo 3 >$ubi/tst_emulate_power_cut
	else
		echo 1 >$ubifs/tst_recovery
	fi
}

is_cut() {
	[ "$(cat /sys/class/ubi/ubi0/ro_mode)" != 0 ] || [ "$(cat $ubifs/ro_error)" != 0 ]
}

round() {
	rm -rf $found $reference && mkdir $found $reference && : >$acks
	mount -t ubifs ubi0:t /mnt || return 3
	rm -rf /mnt/hub*
	sync
	arm
	random 1000000
	BLOCK_ACK=$acks BLOCK_PLANT=$PLANT load /mnt/hub $reference $drawn $STEPS 2>/tmp/load.log &
	load=$!
	how=
	while [ -e /proc/$load/exe ] && [ -z "$how" ]; do
		is_cut && how=cut
		usleep 20000
	done
	kill -9 $load 2>/dev/null
	wait $load 2>/dev/null
	[ -z "$how" ] && is_cut && how=cut
	umount /mnt
	ubidetach -m 0 >/dev/null && attach && mount -t ubifs ubi0:t /mnt || return 3
	printf 'round %s (seed %s, %s): ' $n $drawn "${how:-to its end}"
	[ -n "$how" ] && cuts=$((cuts + 1)) || tail -n 1 /tmp/load.log
	kept /mnt/hub $acks $found ${PLANT:-finish}
	status=$?
	umount /mnt
	return $status
}

mknod /dev/ubi_ctrl c 10 "$(sed -n 's/ *ubi_ctrl$//p' /proc/misc | tr -d ' ')" 2>/dev/null
attach && ubimkvol /dev/ubi0 -N t -m >/dev/null && mdev -s || exit 3
for n in $(seq $ROUNDS); do
	round
	status=$?
	total=$((total + $(cat $acks | wc -l)))
	case $status in
	0) ;;
	1)
		bad=$((bad + 1))
		[ -z "$PLANT" ] || break
		;;
	*) exit 3 ;;
	esac
done
echo "ubifs: $n rounds, $cuts cut, $total acknowledgements, $bad bad"
if [ -n "$PLANT" ]; then
	[ $bad -gt 0 ]
else
	[ $bad -eq 0 ] && [ $cuts -gt 0 ]
fi
