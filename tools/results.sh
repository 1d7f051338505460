# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# How tests ended and how long they took, for tools/test. RESULTS is a file with a line for each test, TIMES
# one with a line for each thing that took time.

# Reads result lines, shows and keeps them, all at once: lanes run side by side.
record() {
        local lines
        lines=$(cat)
        [ -z "$lines" ] || flock "$RESULTS" tee -a "$RESULTS" <<<"$lines"
}

# check NAME CMD…: one command that is a test as a whole.
check() {
        local name=$1 output
        shift
        if output=$("$@" 2>&1); then
                echo "ok      $name" | record
        else
                printf '%s\n' "$output" >&2
                echo "FAILED  $name" | record
                return 1
        fi
}

# spent START NAME…: for the table of where the time went; START is what SECONDS was before.
spent() {
        echo "$((SECONDS - $1)) ${*:2}" >>"$TIMES"
}

show_times() {
        awk '{ seconds = $1; sub(/^[0-9]+ /, ""); if (!($0 in sum)) names[++count] = $0; sum[$0] += seconds }
                END { for (i = 1; i <= count; i++) printf "%3d min %2d s  %s\n", sum[names[i]] / 60, sum[names[i]] % 60, names[i] }
        ' "$TIMES" >&2
}

summary() {
        local passed failed skipped unexcused
        passed=$(grep -c '^ok ' "$RESULTS") || true
        failed=$(grep -c '^FAILED ' "$RESULTS") || true
        skipped=$(grep -c '^skipped ' "$RESULTS") || true
        # What a machine cannot do is no fault of ours: GTEST_SKIP() << "machine: …". Every other skip is.
        unexcused=$(grep '^skipped ' "$RESULTS" | grep -cv '(machine: ') || true
        echo
        show_times
        say "$((SECONDS / 60)) min $((SECONDS % 60)) s in all; what runs side by side counts for each"
        grep -E '^(FAILED|skipped) ' "$RESULTS" || true
        if [ "$skipped" -gt 0 ]; then
                echo "$passed passed, $failed failed, $skipped skipped"
        else
                echo "$passed passed, $failed failed"
        fi
        [ "$failed" -eq 0 ] && [ "$unexcused" -eq 0 ] && [ "$passed" -gt 0 ]
}
