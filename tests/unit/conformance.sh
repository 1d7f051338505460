#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every test that docs/conformance.md names is there: conformance.sh SOURCE_ROOT
set -eu

missing=0
cd "$1"
tests=$(grep -Eo '\b[A-Z][A-Za-z]*\.[A-Z][A-Za-z0-9_]*' docs/conformance.md | sort -u)
[ -n "$tests" ]
for test in $tests; do
        if ! grep -Eqr --include='*.cc' "TEST(_F|_P)?\\(${test%%.*}, ${test#*.}\\)" tests; then
                echo "docs/conformance.md: there is no test $test"
                missing=1
        fi
done
exit $missing
