#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes nomad-task-spec(5) from the description of the keys in org.nomad.Executor.Manager.xml: spec-man.py XML"""
import re
import sys

TYPES = {
    "s": "string", "as": "list of strings", "a{ss}": "names and values", "a{s(tt)}": "limits by name", "t": "number",
    "u": "number", "i": "number", "b": "yes or no", "h": "descriptor", "a(ssas)": "list of mounts",
    "a(sss)": "list of devices",
}

HEAD = r'''.\" SPDX-License-Identifier: LGPL-2.1-or-later
.\" Made from org.nomad.Executor.Manager.xml by spec-man.py.
.TH NOMAD-TASK-SPEC 5 "2026-11-30" "nomad-executor" "File Formats"
.SH NAME
nomad-task-spec \- what to run as a task, and how
.SH SYNOPSIS
.B nomad\-executorctl run \-p
.IR KEY = VALUE
.B \-\-
.I COMMAND
.br
.B nomad\-executorctl run
.BI \-\-spec= FILE.json
.SH DESCRIPTION
A task of
.BR nomad-executord (8)
is described by keys and values, of which only Command is required. They are the same in the call StartTask on D\-Bus, whose types
and defaults are in brackets below, in
.BR libnomad-executor (3),
and on the command line:
.TP
Strings
as they are.
.TP
Lists
\-p is given again for each element; an empty value empties the list.
.TP
Names and values
KEY=NAME=VALUE. ResourceLimits=NOFILE=1024:4096 is a soft and a hard limit, ResourceLimits=NOFILE=1024 both.
.TP
Sizes
in bytes, or with K, M, G and T to the base of 1024: MemoryMax=512M.
.TP
Times
(keys that end in USec) in microseconds, or with units: StopTimeoutUSec=1min 30s. CPUQuotaPerSecUSec=150% is one and a half CPUs, and can be
written CPUQuota=150%.
.TP
UMask
is octal.
.TP
infinity
is no limit.
.PP
In a JSON file the keys are the members of one object. A number may be a string as above, ResourceLimits is an object of
[soft, hard], Mounts an array of [source, destination, [option, ...]], Devices one of [path, destination, permissions].
.PP
A task is started once. It is never restarted by the service, whatever it ended with.
.SH KEYS
'''

TAIL = r'''.SH CHANGING A TASK THAT RUNS
.B nomad\-executorctl set\-property
changes %s. No other key can be changed while the task runs.
.SH EXAMPLES
.nf
{
        "Command": "/usr/bin/python3",
        "Arguments": ["\-m", "http.server", "8000"],
        "User": "nobody",
        "MemoryMax": "512M",
        "ResourceLimits": { "NOFILE": [1024, 4096] },
        "StopSignal": "SIGTERM",
        "StopTimeoutUSec": "10s"
}
.fi
.SH SEE ALSO
.BR nomad-executorctl (1),
.BR libnomad-executor (3),
.BR nomad-executord (8),
.BR systemd.resource-control (5)
'''

KEY = re.compile(r"^([A-Z][A-Za-z]+) \(([^,]+), (.+?)\): (.*)$")


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    text = text.replace("…", "...")
    return "\\&" + text if text[:1] in ".'" else text


def unfold(block):
    """The lines of a block; one that is indented more than the first one goes on with the line before."""
    lines = []
    indent = len(block) - len(block.lstrip(" "))
    for line in block.splitlines():
        if lines and line.startswith(" " * (indent + 1)):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.strip())
    return lines


def paragraphs(xml):
    """The lines between the two marks, joined to paragraphs; each key is one."""
    text = xml[xml.index("Keys of @spec."):]
    text = text[:text.index("\n      Errors:")]
    for block in re.split(r"\n\s*\n", text):
        lines = unfold(block)
        if all(KEY.match(line) for line in lines):
            yield from lines
        else:
            yield " ".join(lines)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        xml = file.read()
    resources = []
    in_resources = False
    page = HEAD
    for text in paragraphs(xml):
        key = KEY.match(text)
        text = text.replace("@spec", "a spec")
        if not key:
            in_resources = text.startswith("Resources")
            page += ".PP\n" + escape(text) + "\n"
            continue
        name, signature, default, meaning = key.groups()
        if in_resources:
            resources.append(name)
        default = default if default == "required" else "default " + default.replace("UINT64_MAX", "infinity")
        page += ".TP\n.BR %s \" (%s; %s)\"\n" % (name, TYPES[signature], escape(default).replace('"', "\\(dq"))
        page += escape(meaning.replace("UINT64_MAX", "infinity")) + "\n"
    page += TAIL % (", ".join(resources[:-1]) + " and " + resources[-1])
    sys.stdout.write(page)


main()
