#!/bin/sh
# In the guest: the load on the disk, its acknowledgements to the console, until somebody ends the guest.
#
#	FS SEED STEPS PLANT

mkdir /tmp/reference
mount -t $FS /dev/vda /mnt || exit 3
echo "guest: the load begins"
BLOCK_ACK=/dev/console BLOCK_PLANT=$PLANT exec load /mnt/hub /tmp/reference $SEED $STEPS
