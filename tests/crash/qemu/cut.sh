#!/bin/sh
# In the guest: record the load on a file system of this kernel, then rebuild, mount and check what a power cut may leave of it
# (tests/crash/block has the programs). The disk /dev/vda holds the empty file system.
#
# With PLANT the load has that bug, and the exit status is 0 when it was noticed.
#
#	FS SEED STEPS STATES PLANT
mkdir -p /tmp/block/mnt
cat /dev/vda > /tmp/block/base.img

# cut SEED [OPTION...]
cut() {
	seed=$1
	shift
	rm -rf /tmp/block/reference /tmp/block/frames
	mkdir /tmp/block/reference
	cp /tmp/block/base.img /tmp/block/disk.img
	BLOCK_FRAMES=/tmp/block/frames BLOCK_PLANT=$PLANT \
		record $FS "" /tmp/block sh -c 'exec load "$BLOCK_MNT/hub" /tmp/block/reference "$@"' load $seed $STEPS ${PLANT:+stay} || return 3
	rm /tmp/block/disk.img
	states $FS /tmp/block hub -n $STATES -s $seed "$@"
}

if [ -z "$PLANT" ]; then
	cut $SEED -r 40
	exit
fi
# Few states may not show it: then another load.
for n in 1 2 3; do
	cut $n -1 -q
	case $? in
	0) ;;
	1) exit 0 ;;
	*) exit 3 ;;
	esac
done
exit 1
