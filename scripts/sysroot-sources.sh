# sysroot-sources.sh - read by sysroot.sh: the part of a sysroot that is built from Debian's source packages.
# shellcheck shell=sh disable=SC2154
# The caller has set $arch, $dir (the sysroot) and $work (a directory of apt.conf, removed at the end), and defined die().

triplet() # ARCH
{
	case $1 in
	amd64) echo x86_64-linux-gnu ;;
	arm64) echo aarch64-linux-gnu ;;
	armel) echo arm-linux-gnueabi ;;
	armhf) echo arm-linux-gnueabihf ;;
	i386) echo i686-linux-gnu ;;
	*) echo "$1-linux-gnu" ;;
	esac
}

# Sources come from where this machine's packages do.
fetch_sources() # NAME...
{
	host=$(dpkg --print-architecture)
	sed "s/\"$arch\"/\"$host\"/" "$work/apt.conf" >"$work/sources.conf"
	cat >>"$work/sources.conf" <<-END
		Dir::Etc::sourcelist "$work/sources.list";
		Dir::Etc::sourceparts "-";
	END
	# shellcheck disable=SC2016
	for type in deb deb-src; do
		apt-get indextargets --format "$type "'$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages'
	done | sort -u >"$work/sources.list"
	apt-get -qq -c "$work/sources.conf" update || echo "sysroot.sh: some source lists were not fetched, going on" >&2
	mkdir -p "$work/src"
	(cd "$work/src" && apt-get -qq -c "$work/sources.conf" source --download-only "$@") >/dev/null ||
		die "no sources of $* from the host's apt sources"
	for tarball in "$work"/src/*.orig.tar.*[gx]z; do
		tar -x -C "$work/src" -f "$tarball"
	done
}

# $cc, $cflags and $prefix (a triplet and a hyphen) say what with; $include and $lib where to.
compile() # SOURCE OBJECT [FLAG...]
{
	source=$1 object=$2
	shift 2
	# shellcheck disable=SC2086
	$cc $cflags -O2 -fPIC -ffunction-sections -w "$@" -c "$source" -o "$object" || die "cannot compile '$source' with '$cc'"
}

archive() # NAME OBJECT...
{
	to=$lib/lib$1.a
	shift
	rm -f "$to"
	"${prefix}ar" rcs "$to" "$@"
}

build_libyaml()
{
	from=$(echo "$work"/src/libyaml-*)
	version=${from##*-}
	minor=${version#*.}
	for file in "$from"/src/*.c; do
		compile "$file" "${file%.c}.o" -I"$from/include" "-DYAML_VERSION_STRING=\"$version\"" \
			"-DYAML_VERSION_MAJOR=${version%%.*}" "-DYAML_VERSION_MINOR=${minor%%.*}" "-DYAML_VERSION_PATCH=${version##*.}"
	done
	archive yaml "$from"/src/*.o
	cp "$from/include/yaml.h" "$include/"
}

build_cmocka()
{
	from=$(echo "$work"/src/cmocka-*)
	# It would define uintptr_t itself, and only guess how where the C library is not glibc.
	sed -i '1i #include <stdint.h>\n#define _UINTPTR_T 1' "$from/include/cmocka.h"
	set -- -D_GNU_SOURCE "-I$from/include"
	for have in CLOCK_REALTIME GCC_THREAD_LOCAL_STORAGE INTTYPES_H MALLOC_H SIGLONGJMP SIGNAL_H STRINGS_H STRSIGNAL STRUCT_TIMESPEC; do
		set -- "$@" "-DHAVE_$have=1"
	done
	compile "$from/src/cmocka.c" "$from/src/cmocka.o" "$@"
	archive cmocka "$from/src/cmocka.o"
	cp "$from"/include/cmocka*.h "$include/"
}

build_musl()
{
	from=$(echo "$work"/src/musl-*)
	mkdir -p "$work/musl"
	(cd "$work/musl" && CC="$cc $cflags" CROSS_COMPILE="$prefix" "$from/configure" --prefix="$dir" --disable-shared --disable-wrapper &&
		make -j"$(nproc)" && make install) >"$work/musl.log" 2>&1 || {
		tail -n 20 "$work/musl.log" >&2
		die "cannot build musl with '$cc'"
	}
	sh "$from/tools/musl-gcc.specs.sh" "$dir/include" "$dir/lib" /lib/ld-musl.so.1 >"$dir/musl.specs"
}

# What the compiler itself brings is for processors with a floating point unit. Its parts that do not calculate with
# floating point are taken as they are, the rest is built from gcc's sources, and the linker is told of neither.
build_soft_float()
{
	own=$($cc -print-libgcc-file-name)
	major=$($cc -dumpversion)
	major=${major%%.*}
	(cd "$work" && apt-get -qq -c "$work/sources.conf" download "gcc-$major-source") ||
		die "no package gcc-$major-source: it has what $cc lacks for soft float"
	mkdir -p "$work/soft" "$work/libgcc"
	dpkg-deb --fsys-tarfile "$work/gcc-$major-source"*.deb | tar -xO --wildcards './usr/src/gcc-*/gcc-*.tar.xz' | xz -dc |
		tar -x -C "$work/src" --wildcards '*/libgcc/soft-fp/*' '*/libgcc/config/mips/*' '*/include/longlong.h'
	from=$(echo "$work/src/gcc-$major"*)
	for file in "$from"/libgcc/soft-fp/*[sd][fi]*.c; do
		case ${file##*/} in *tf* | *xf* | *hf* | *bf* | *ti* | *qi* | *dc*) continue ;; esac
		compile "$file" "$work/soft/$(basename "$file" .c).o" "-I$from/libgcc/soft-fp" "-I$from/libgcc/config/mips" "-I$from/include"
	done
	(cd "$work/libgcc" && "${prefix}ar" x "$own" &&
		find . -name '*.o' | grep -vE '/_(ashl|ashr|lshr|div|mod|udiv|umod|udivmod|divmod|mul|neg|cmp|ucmp)di[234]\.o|/_(clz|ctz|ffs|popcount|parity|bswap).*\.o|/_clear_cache\.o' | xargs rm -f)
	cp "$(dirname "$own")/crtbeginS.o" "$(dirname "$own")/crtendS.o" "$lib/"
	for file in "$work"/libgcc/*.o "$lib"/crt*S.o; do
		"${prefix}objcopy" --remove-section=.MIPS.abiflags --remove-section=.gnu.attributes "$file"
	done
	archive gcc "$work"/soft/*.o "$work"/libgcc/*.o
	sed -i -e "s|libgcc.a%s.*|$lib/libgcc.a|" -e "s,crt\\(begin\\|end\\)S.o%s,$lib/crt\\1S.o," "$dir/musl.specs"
}

build_from_sources() # musl or glibc
{
	prefix=$(triplet "$arch")- cflags=
	cc=${prefix}gcc
	command -v "$cc" >/dev/null || die "'$cc' not found (scripts/deps.sh cross)"
	if [ "$1" = musl ]; then
		include=$dir/include lib=$dir/lib
		[ "$arch" != mipsel ] || cflags=-msoft-float
		fetch_sources musl libyaml cmocka
		build_musl
		[ "$arch" != mipsel ] || build_soft_float
		cc="$cc -specs=$dir/musl.specs"
	else
		include=$dir/usr/include lib=$dir/usr/lib
		fetch_sources libyaml cmocka
		cc="$cc --sysroot=$dir"
	fi
	build_libyaml
	build_cmocka
	echo "sysroot for $name in $dir: $1, libyaml, cmocka"
}
