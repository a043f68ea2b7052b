#!/usr/bin/env bash
# image.sh root SYSROOT INSTALLED OUT - the root file system of a guest: Debian's programs of that architecture, pawl as `make install`
#                                       has put it into INSTALLED, the update example, and rootfs/ over it
# image.sh tests BUILD OUT            - a disk with this tree and the programs that were built for the guest
# image.sh data OUT                   - an empty disk
#
# As ext4, without root and without mounting anything. What a running system does not need is left out. STRIP: that of the
# guest's architecture.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# A little more than what goes in.
make_image() { # OUT MIB-MORE
	local kib
	kib=$(du -sk "$tree" | cut -f 1)
	rm -f "$1.new"
	truncate -s "$((kib * 5 / 4 + $2 * 1024))K" "$1.new"
	mkfs.ext4 -q -F -b 4096 -E root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0 -d "$tree" "$1.new"
	mv "$1.new" "$1"
}

strip_programs() { # DIRECTORY...
	find "$@" -type f -perm -u+x ! -name '*.sh' -exec "${STRIP:-strip}" --strip-unneeded {} + 2>/dev/null || :
}

# The programs of the packages and nothing that describes, builds or configures them; no scripts of theirs were run.
copy_debian() { # SYSROOT
	tar -C "$1" -cf - --exclude='./usr/lib/modules' --exclude='./usr/lib/linux-image-*' --exclude='./usr/lib/udev' \
		--exclude='./usr/share/[!z]*' --exclude='*.a' --exclude='*.o' --exclude='./usr/include' --exclude='*perl*' --exclude='*/gconv' \
		--exclude='./usr/lib/systemd' --exclude='./.apt' ./usr ./bin ./sbin ./lib | tar -C "$tree" -xf -
	ln -sf mawk "$tree/usr/bin/awk"
	for name in init reboot poweroff halt; do
		ln -sf ../bin/busybox "$tree/usr/sbin/$name"
	done
	for name in wget logger hostname ip ifconfig ping vi nc; do
		[ -e "$tree/usr/bin/$name" ] || ln -s busybox "$tree/usr/bin/$name"
	done
}

# Release 2 of the update is this tree's headers and docs; release 1 runs already. Its service is up at the third look.
make_releases() {
	local n release
	for n in 1 2; do
		release=$tree/srv/release-$n
		mkdir -p "$release"
		cp -R "$top/include" "$top/docs" "$release/"
		echo $n >"$release/VERSION"
		cp "$here/selftest" "$release/"
	done
	echo "what is new in release 2" >"$tree/srv/release-2/NEWS"
	mkdir "$tree/srv/www"
	tar -czf "$tree/srv/www/release-2.tar.gz" --owner=0 --group=0 --numeric-owner -C "$tree/srv/release-2" .
}

case $1 in
root)
	mkdir -p "$tree"/{dev,proc,sys,run,tmp,data,tests,etc,usr/lib/pawl/plugins,usr/lib/update,var}
	copy_debian "$2"
	cp -a "$3/." "$tree/"
	rm -rf "$tree"/usr/lib/libpawl.a "$tree"/usr/include "$tree"/usr/share/man
	cp -R "$top/examples/update/activities" "$tree/usr/lib/update/"
	cp -R "$here/rootfs/." "$tree/"
	install -m 755 "$top/board/init/sysv/pawl" "$tree/etc/init.d/S50pawl"
	cp "$top/examples/update/pawl.yaml" "$tree/etc/pawl/conf.d/update.yaml"
	printf 'root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$tree/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$tree/etc/group"
	printf '127.0.0.1\tlocalhost device\n' >"$tree/etc/hosts"
	ln -s /proc/mounts "$tree/etc/mtab"
	strip_programs "$tree/usr/bin/pawl" "$tree/usr/libexec/pawl" "$tree/usr/lib/pawl"
	make_releases
	make_image "$4" 8
	;;
tests)
	(cd "$top" && tar -cf - --exclude=./build --exclude=./.git .) | tar -C "$tree" -xf -
	mkdir -p "$tree/build"
	tar -C "$top/build" -cf - --exclude="$2/obj" --exclude='*.o' --exclude='*-helpers.a' --exclude=internal.a --exclude=testing.a \
		--exclude="$2/log" "$2" | tar -C "$tree/build" -xf -
	strip_programs "$tree/build/$2"
	make_image "$3" 512
	;;
data)
	truncate -s 96M "$2.new"
	mkfs.ext4 -q -F -b 4096 -E root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0 "$2.new"
	mv "$2.new" "$2"
	;;
esac
