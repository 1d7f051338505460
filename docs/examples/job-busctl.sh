#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A job by busctl: start it, wait, say how it ended and what it wrote, forget it.
set -eu

name=org.nomad.Executor
task=/org/nomad/Executor/task/example

busctl -- call $name /org/nomad/Executor $name.Manager StartTask 'sa{sv}t' example \
        4 Command s /bin/sh Arguments as 2 -c 'echo working; exit 3' User s nobody LogTargets as 1 files \
        0 >/dev/null

# siib "RESULT" EXIT_CODE EXIT_SIGNAL OOM_KILLED
# shellcheck disable=SC2046 # words
set -- $(busctl --timeout=infinity call $name $task $name.Task Wait)
echo "result: $(echo "$2" | tr -d '"')"
echo "status: $3"

directory=$(busctl get-property $name $task $name.Task LogDirectory | cut -d '"' -f 2)
echo "output: $(cat "$directory/example.stdout.0")"

busctl call $name $task $name.Task Release
