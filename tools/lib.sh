# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034 # the lists are read by the scripts that source this file
#
# What the scripts in tools/ share: package lists, places and a few functions.

# On the host: to build, to check the source in several ways, to boot machines, to boot virtual machines.
BUILD_PACKAGES=(
        gcc g++ meson ninja-build pkg-config musl-tools
        libsystemd-dev libglib2.0-dev libjson-glib-dev libcurl4-openssl-dev libgtest-dev libxml2-utils systemd dbus
)
LINT_PACKAGES=(clang-format clang-tidy shellcheck)
FUZZ_PACKAGES=(clang libclang-rt-dev)
MATRIX_PACKAGES=(clang dpkg-dev)
COVERAGE_PACKAGES=(gcovr)
MACHINE_HOST_PACKAGES=(mmdebstrap systemd-container util-linux procps iproute2 debian-archive-keyring)
VM_HOST_PACKAGES=(qemu-system-x86 e2fsprogs openssh-client)

# In the machine. What the services need, what the tests use, and the sanitizers' runtime libraries.
MACHINE_PACKAGES=(
        systemd systemd-sysv dbus polkitd libglib2.0-0 libglib2.0-bin libjson-glib-1.0-0 libcurl4
        python3 python3-dbus bash-completion tmux zsh crun curl procps iproute2 libcap2-bin strace less
        libasan8 libubsan1
)
# More, where packages are built, and to boot that as a machine in which they are installed and tried.
PACKAGING_PACKAGES=(
        build-essential debhelper pkgconf lintian
        systemd-sysv polkitd libglib2.0-bin python3 crun curl procps iproute2 less
)
# More, in the container only: the engines whose containers the tests of nomad-dockerlog follow. They are
# started by the tests, not at boot.
CONTAINER_PACKAGES=(docker.io podman busybox-static openssl)
# Of releases after Debian 12 the packages above are not enough, since parts of docker.io and systemd are in
# others there.
LATER_CONTAINER_PACKAGES=(docker-cli)
LATER_BUILD_PACKAGES=(systemd-dev)
# More, in the virtual machine only.
VM_PACKAGES=(linux-image-cloud-amd64 openssh-server)
# More, for tools/bench: on the host to draw, and in the machine what does the same work as we.
BENCH_HOST_PACKAGES=(gnuplot-nox)
BENCH_PACKAGES=(conmon daemontools runit s6)

# Where root file systems are kept, and what is known of running machines.
MACHINE_CACHE=${NOMAD_MACHINE_CACHE:-${XDG_CACHE_HOME:-/var/cache}/nomad-executor}
MACHINE_RUN=/run/nomad-machine
NAME_PATTERN='^[a-z0-9][a-z0-9-]{0,31}$'

say() {
        printf '%s\n' "$*" >&2
}

die() {
        say "${0##*/}: $*"
        exit 1
}

need_root() {
        [ "$(id -u)" -eq 0 ] || die "must be run as root, say: sudo $0"
}

# need_commands PROGRAM=PACKAGE…: names what is missing, and how to get it.
need_commands() {
        local pair missing=()
        for pair; do
                command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
        done
        [ ${#missing[@]} -eq 0 ] || die "programs are missing, install them with: apt-get install ${missing[*]}"
}

# Installs the packages that are not there yet; asks the network only when there are any.
apt_install() {
        local package missing=()
        for package; do
                [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
                        missing+=("$package")
        done
        [ ${#missing[@]} -gt 0 ] || return 0
        say "Installing ${missing[*]} …"
        DEBIAN_FRONTEND=noninteractive apt-get -q -q update
        DEBIAN_FRONTEND=noninteractive apt-get -q -q -y --no-install-recommends install "${missing[@]}" >/dev/null
}
