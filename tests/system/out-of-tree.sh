#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds the C examples as a user of the library does, with nothing of the source tree but the examples
# themselves: from the headers, the library and the .pc files that are installed below ROOT, into FOLDER.
# out-of-tree.sh ROOT FOLDER [CFLAGS…]
set -eu

root=$(readlink -f "$1")
folder=$2
shift 2
examples=$(readlink -f "$(dirname "$0")/../../docs/examples")
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

# The installed .pc files, but for the prefix: /usr is ROOT/usr here.
find "$root/usr/lib" -path '*/pkgconfig/nomad-executor*.pc' -exec cp -t "$scratch" {} +
sed -i "s|^prefix=.*|prefix=$root/usr|" "$scratch"/*.pc
flags=$(PKG_CONFIG_PATH=$scratch pkg-config --cflags --libs nomad-executor-glib)

cd /
for source in "$examples"/*.c; do
        # shellcheck disable=SC2086 # a list
        cc -std=c11 -D_DEFAULT_SOURCE -Wall -Wextra -Werror "$@" -o "$folder/example-$(basename "$source" .c)" "$source" $flags
done
