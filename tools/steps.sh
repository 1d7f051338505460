# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the scripts of steps that are run in a machine share. Nothing in them is a stand-in: every line after
# "$" is run as it stands.

set -euo pipefail

# shellcheck disable=SC2034 # used in the steps
EXECUTOR='org.nomad.Executor /org/nomad/Executor org.nomad.Executor.Manager'

about() {
        printf '\n# %s\n' "$*"
}

# step COMMAND [EXPECTED]: prints and runs it. Its output has to have a line that matches; without one to
# expect it has to succeed and say nothing.
step() {
        local command=$1 expected=${2:-} output status=0
        printf '%s$ %s%s\n' "${BOLD:-}" "$command" "${PLAIN:-}"
        output=$(eval "$command" 2>&1) || status=$?
        [ -z "$output" ] || printf '%s\n' "$output"
        if [ -n "$expected" ]; then
                grep -qE -- "$expected" <<<"$output" && return
        elif [ "$status" -eq 0 ] && [ -z "$output" ]; then
                return
        fi
        printf '\nWrong, expected: %s (exit status %d)\n' "${expected:-nothing}" "$status"
        exit 1
}
