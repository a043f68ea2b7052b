#!/bin/sh
# In the guest: record the load on a file system of this kernel, then rebuild, mount and check what a power cut may leave of it
# (tests/crash/block has the programs). The disk /dev/vda holds the empty file system.
. /settings # FS SEED STEPS STATES

mkdir -p /tmp/block/reference /tmp/block/mnt
cat /dev/vda > /tmp/block/base.img
cp /tmp/block/base.img /tmp/block/disk.img
BLOCK_FRAMES=/tmp/block/frames record $FS "" /tmp/block sh -c 'exec load "$BLOCK_MNT/hub" /tmp/block/reference $0 $1' $SEED $STEPS || exit 3
rm /tmp/block/disk.img
exec states $FS /tmp/block hub -n $STATES -s $SEED
