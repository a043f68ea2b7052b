#!/bin/sh
# sysroot.sh ARCH[-musl] DIR [PACKAGE...] - libraries of another Debian architecture in a directory of their own
#
# For cross-building and for running the result under qemu-user:
#
#	scripts/sysroot.sh armhf /tmp/armhf
#	arm-linux-gnueabihf-gcc --sysroot=/tmp/armhf test.c -lcmocka -lyaml -o test
#	qemu-arm-static -L /tmp/armhf ./test
#
# DIR gets the C library, libyaml and cmocka with headers and static libraries, what they need, and each PACKAGE.
# Where the mirror has no packages of ARCH (riscv64 before Debian 13), the C library is the one of the cross compiler, and
# libyaml and cmocka are built from Debian's sources. So is all with -musl, which is for static programs:
#
#	scripts/sysroot.sh armel-musl /tmp/armel-musl
#	arm-linux-gnueabi-gcc -specs=/tmp/armel-musl/musl.specs -static test.c -lcmocka -lyaml -o test
#
# mipsel-musl is for processors without a floating point unit, as routers have them (compile with -msoft-float).
#
# Mirrors, keys and proxies are those of the host's apt; apt's state is private, so that the host's packages and its
# list of architectures stay as they are. Needs a Debian-like host, not root. Running it again refreshes DIR.
set -eu

die()
{
	echo "sysroot.sh: $*" >&2
	exit 1
}

write_config()
{
	cat <<-END
		#clear APT::Architectures;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear Acquire::IndexTargets::deb::DEP-11;
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		APT::Install-Recommends "false";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Dir::State "$work/state";
		Dir::State::status "$work/dpkg/status";
		Dir::Cache "$work/cache";
	END
}

# Paths like /lib/x.so would lead into the host.
make_links_relative()
{
	find "$dir" -path "$work" -prune -o -type l -lname '/*' -print | while IFS= read -r link; do
		ln -snfr "$dir$(readlink "$link")" "$link"
	done
}

# What the mirror has of this architecture.
unpack_packages()
{
	# A source without this architecture is no failure: what is missing shows when the packages are asked for.
	apt-get -qq -c "$work/apt.conf" update || echo "sysroot.sh: some package lists were not fetched, going on" >&2
	apt-get -qq -c "$work/apt.conf" -y --download-only install libc6-dev libyaml-dev libcmocka-dev "$@" || return 1

	# Merged as on an installed system, wherever the packages put their files.
	for part in bin sbin lib; do
		mkdir -p "$dir/usr/$part"
		ln -sfn "usr/$part" "$dir/$part"
	done
	for deb in "$work"/cache/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C "$dir" -f -
	done
	make_links_relative
	echo "sysroot for $arch in $dir: $(find "$work/cache/archives" -name '*.deb' | wc -l) packages"
}

# The C library that came with the cross compiler (libc6-dev-ARCH-cross), as if it were a system of its own.
copy_from_compiler()
{
	from=/usr/$(triplet "$arch")
	[ -e "$from/include/stdio.h" ] || return 1
	mkdir -p "$dir/usr"
	cp -a "$from/include" "$from/lib" "$dir/usr/"
	ln -sfn usr/lib "$dir/lib"
	# Scripts of the linker name files of the host.
	find "$dir/usr/lib" -maxdepth 1 -type f -name '*.so' -size -2 -exec sed -i "s|$from/lib/|/lib/|g" {} +
	echo "no packages for $arch: the C library of $from, the rest from sources"
}

[ $# -ge 2 ] || die "usage: sysroot.sh ARCH[-musl] DIR [PACKAGE...]; ARCH is armhf, arm64 or another of Debian's"
for tool in apt-get dpkg-deb tar; do
	command -v "$tool" >/dev/null || die "'$tool' not found: this needs a Debian-like host"
done

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/sysroot-sources.sh
. "$here/sysroot-sources.sh"
name=$1 arch=${1%-musl}
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2
mark=$dir/.sysroot
[ -e "$mark" ] || [ -z "$(ls -A "$dir")" ] || die "'$dir' is not empty and was not made by this script: name another"
echo "$name" >"$mark"
rm -f "$dir/.ready"

work=$dir/.apt
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/dpkg"
: >"$work/dpkg/status"
write_config >"$work/apt.conf"

case $name in
*-musl) build_from_sources musl ;;
*)
	if ! unpack_packages "$@"; then
		copy_from_compiler ||
			die "no packages for '$arch': the mirror in the host's apt sources does not have it, and $(triplet "$arch")-gcc has no C library here (scripts/deps.sh cross)"
		build_from_sources glibc
	fi
	;;
esac
touch "$dir/.ready"
