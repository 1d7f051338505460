# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The builds that tools/test tests, each in a folder of its own. BUILT says how those that were tried have
# ended.

declare -A BUILT=()

# configure LABEL FOLDER OPTION…: warnings are errors here, which is not for those who build it to use it.
configure() {
        local label=$1 folder=$2
        shift 2
        set -- --prefix=/usr -Dwerror=true "$@"
        if [ -e "$folder/build.ninja" ]; then
                meson setup --reconfigure "$folder" "$@" >/dev/null ||
                        meson setup --wipe "$folder" "$@" >/dev/null
        else
                check "$label configure" meson setup "$folder" "$@"
        fi
}

# build LABEL FOLDER TARGET OPTION…: once. The second time it only says how the first one ended.
build() {
        local label=$1 folder=$2 target=$3 start=$SECONDS status=0
        shift 3
        if [ -z "${BUILT[$label $target]:-}" ]; then
                [ -n "${BUILT[$label]:-}" ] || configure "$label" "$folder" "$@" || status=$?
                BUILT[$label]=configured
                [ "$status" -ne 0 ] || check "$label build $target" ninja -C "$folder" "$target" || status=$?
                BUILT[$label $target]=$status
                spent "$start" "build $label"
        fi
        return "${BUILT[$label $target]}"
}

build_plain() {
        build plain build "${1:-all}"
}

# The programs of bus and system tests are those of the plain build.
build_asan() {
        build asan build-asan "${1:-all}" -Dsanitize=address,undefined -Dfault-injection=true -Dsystem-tests=false
}

# With the compilers and libraries of Debian 13, in a root file system of it.
build_trixie() {
        local start=$SECONDS status=0
        # shellcheck disable=SC2016 # for the shell in there
        check "trixie build" "$HERE/rootfs" --suite trixie run build "$ROOT" /bin/sh -euc '
                [ -e build-trixie/build.ninja ] || meson setup build-trixie --prefix=/usr -Dwerror=true
                ninja -C build-trixie
                rm -rf build-trixie/image
                tools/install-build build-trixie "$PWD/build-trixie/image"
        ' || status=$?
        spent "$start" "build trixie"
        return "$status"
}

# libFuzzer is clang's.
build_fuzz() {
        CC=clang CXX=clang++ build fuzz build-fuzz fuzzers -Dfuzzers=true -Dsanitize=address,undefined \
                -Dsystem-tests=false "-Dfuzz-seconds=$FUZZ_SECONDS"
}

# build_matrix COMPILER LEVEL: with the flags of Debian's packages when the level is 2. The supervisor is
# built by this compiler too, and not by musl's.
build_matrix() {
        local name=$1-O$2 options=(-Dsupervisor-libc=glibc -Dsystem-tests=false)
        local CC CXX CFLAGS='' LDFLAGS='' DEB_BUILD_MAINT_OPTIONS=hardening=+all
        export CC CXX CFLAGS LDFLAGS DEB_BUILD_MAINT_OPTIONS
        case $1 in
        gcc) CC=gcc CXX=g++ ;;
        clang) CC=clang CXX=clang++ ;;
        esac
        if [ "$2" -eq 2 ]; then
                CFLAGS="$(dpkg-buildflags --get CPPFLAGS) $(dpkg-buildflags --get CFLAGS)"
                LDFLAGS=$(dpkg-buildflags --get LDFLAGS)
                options+=(--buildtype=plain)
        else
                options+=("-Doptimization=$2")
        fi
        build "$name" "build-$name" all "${options[@]}"
}

# What runs is counted, by line. Nothing is optimized, so that each line is there.
build_coverage() {
        build coverage build-coverage all -Db_coverage=true -Doptimization=0 -Dsupervisor-libc=glibc -Dsystem-tests=false
}
