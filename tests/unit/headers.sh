#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Compiles the headers of each service as C++, since tests and the users of a library may be C++: a "class"
# or "new" in one fails here. All headers of a folder go in one translation unit, as they would in its
# program.
set -eu

source_root=$1
shift # the rest is the C++ compiler
# shellcheck disable=SC2046 # a list of flags
set -- "$@" -std=gnu++17 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -x c++ \
        -I"$source_root/service/common" -I"$source_root/service/supervisor" -I"$source_root/client/include" -I"$source_root/client/lib" \
        $(pkg-config --cflags glib-2.0 json-glib-1.0 libsystemd)

checked=0
for folder in "$source_root"/service/*/ "$source_root"/client/*/; do
        headers=$(find "$folder" -name '*.h' | sort)
        [ -n "$headers" ] || continue
        echo "$headers" | sed 's/.*/#include "&"/' | "$@" -iquote "$folder" -
        checked=$((checked + $(echo "$headers" | wc -l)))
done

echo "$checked headers compile as C++"
[ "$checked" -gt 0 ]
