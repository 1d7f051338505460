#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# A job by python3-dbus: start it, wait, say how it ended and what it wrote, forget it.

import os

import dbus

FOR_EVER = 2**31 / 1000 - 1  # what libdbus takes for it

bus = dbus.SystemBus()
manager = dbus.Interface(bus.get_object("org.nomad.Executor", "/org/nomad/Executor"), "org.nomad.Executor.Manager")

path = manager.StartTask(
    "example",
    {
        "Command": "/bin/sh",
        "Arguments": dbus.Array(["-c", "echo working; exit 3"], signature="s"),
        "User": "nobody",
        "LogTargets": dbus.Array(["files"], signature="s"),
    },
    dbus.UInt64(0),
)
task = dbus.Interface(bus.get_object("org.nomad.Executor", path), "org.nomad.Executor.Task")

result, exit_code, exit_signal, oom_killed = task.Wait(timeout=FOR_EVER)
print(f"result: {result}")
print(f"status: {exit_code}")
with os.fdopen(task.OpenLog("stdout", {}).take()) as log:
    print(f"output: {log.read()}", end="")

task.Release()
