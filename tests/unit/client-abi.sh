#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The library exports what debian/libnomad-executor0.symbols lists, no more and no less: client-abi.sh
# SOURCE_ROOT LIBRARY Symbols are only ever added; a line that has to go is a new soname.
set -eu

list=$1/debian/libnomad-executor0.symbols
# " NAME@VERSION FIRST_RELEASE" there, "0000 T NAME@@VERSION" here
listed=$(sed -n 's/^ \(nx_[^ ]*\) .*/\1/p' "$list" | sort)
exported=$(nm -D --defined-only --with-symbol-versions "$2" | sed 's/^[^ ]* [^ ]* //; s/@@/@/' |
        grep -v '^LIBNOMAD_EXECUTOR_[0-9]*$' | sort)
[ -n "$exported" ]

if [ "$listed" != "$exported" ]; then
        echo "$list does not match what $2 exports:"
        echo "$listed" >"${TMPDIR:-/tmp}/listed.$$"
        echo "$exported" | diff "${TMPDIR:-/tmp}/listed.$$" - || true
        rm "${TMPDIR:-/tmp}/listed.$$"
        exit 1
fi
readelf -d "$2" | grep -q 'SONAME.*\[libnomad-executor.so.0\]'
