#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A job by nomad-executorctl: start it, wait, say how it ended and what it wrote, forget it.
set -eu

nomad-executorctl run --detach --id=example --uid=nobody --property=LogTargets=files -- \
        /bin/sh -c 'echo working; exit 3' >/dev/null

status=0
nomad-executorctl wait example || status=$?
echo "result: $(nomad-executorctl show --property=Result --value example)"
echo "status: $status"
echo "output: $(nomad-executorctl logs example)"

nomad-executorctl release example

# All of that in one line, but for the result:
#   nomad-executorctl run --uid=nobody -- /bin/sh -c 'echo working; exit 3'
