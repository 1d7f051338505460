#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The life of a task by python3-dbus, which is libdbus. Says what differs and ends with status 1, or is
# silent.

import os
import sys
import time

import xml.etree.ElementTree

import dbus

ERROR = "org.nomad.Executor.Error."

bus = dbus.SystemBus()
manager_object = bus.get_object("org.nomad.Executor", "/org/nomad/Executor")


# Every method that is called, to be compared with those that there are.
called = set()


class Recorder:
    def __init__(self, interface):
        self.interface = interface

    def __getattr__(self, member):
        called.add(member)
        return getattr(self.interface, member)


def methods(path, interface):
    introspectable = dbus.Interface(bus.get_object("org.nomad.Executor", path), "org.freedesktop.DBus.Introspectable")
    node = xml.etree.ElementTree.fromstring(introspectable.Introspect())
    return {method.get("name") for method in node.findall(f"interface[@name='{interface}']/method")}


def expect(value, expected, what):
    if value != expected:
        sys.exit(f"{what}: {value!r} instead of {expected!r}")


def expect_error(name, function, *arguments):
    try:
        function(*arguments)
    except dbus.DBusException as error:
        expect(error.get_dbus_name(), name, str(error))
    else:
        sys.exit(f"{name} was expected")


manager = Recorder(dbus.Interface(manager_object, "org.nomad.Executor.Manager"))


def task_at(path):
    task = bus.get_object("org.nomad.Executor", path)
    return (
        Recorder(dbus.Interface(task, "org.nomad.Executor.Task")),
        dbus.Interface(task, "org.freedesktop.DBus.Properties"),
    )


def strings(*values):
    return dbus.Array(values, signature="s")


def read_to_end(fd):
    with os.fdopen(fd, "rb") as file:
        return file.read()


def test_life():
    read_end, write_end = os.pipe()
    path = manager.StartTask(
        "python",
        {
            "Command": "/bin/sh",
            "Arguments": strings("-c", "echo started; trap 'exit 3' TERM; while :; do sleep 0.05; done"),
            "Environment": strings("LANG=C"),
            "StandardOutput": dbus.types.UnixFd(write_end),
            "RuntimeMaxUSec": dbus.UInt64(60000000),
            "Labels": dbus.Dictionary({"job": "demo"}, signature="ss"),
        },
        dbus.UInt64(0),
    )
    os.close(write_end)
    expect(path, "/org/nomad/Executor/task/python", "StartTask")
    expect(manager.GetTask("python"), path, "GetTask")
    expect(os.read(read_end, 100), b"started\n", "StandardOutput")

    task, properties = task_at(path)
    expect(properties.Get("org.nomad.Executor.Task", "State"), "running", "State")
    everything = properties.GetAll("org.nomad.Executor.Task")
    expect(everything["Labels"], {"job": "demo"}, "Labels")
    expect(os.path.exists(f"/proc/{everything['MainPID']}"), True, "MainPID")

    code, signal, timed_out, truncated, output = task.Run(strings("/bin/sh", "-c", "echo check; exit 2"), dbus.UInt64(0))
    expect((code, signal, timed_out, truncated), (2, 0, False, False), "Run")
    expect(bytes(output), b"check\n", "output of Run")

    expect_error(ERROR + "TaskRunning", task.Release)
    task.Kill("main", "SIGTERM")
    expect(task.Wait(), ("exit-code", 3, 0, False), "Wait")
    expect(read_to_end(read_end), b"", "StandardOutput")
    task.Release()
    expect_error(ERROR + "NoSuchTask", manager.GetTask, "python")


def test_exec():
    task, _ = task_at(
        manager.StartTask(
            "python-exec",
            {"Command": "/bin/sleep", "Arguments": strings("infinity"), "LogTargets": strings()},
            dbus.UInt64(0),
        )
    )
    session, stdin, stdout, stderr = task.Exec(strings("/bin/sh", "-c", "cat; echo errors >&2; exit 4"), {})
    fds = [fd.take() for fd in (stdin, stdout, stderr)]
    os.write(fds[0], b"through python")
    os.close(fds[0])
    expect(read_to_end(fds[1]), b"through python", "standard output")
    expect(read_to_end(fds[2]), b"errors\n", "standard error")
    expect(task.WaitExec(session), (4, 0), "WaitExec")

    options = {"Tty": True, "Rows": dbus.UInt16(10), "Columns": dbus.UInt16(20)}
    session, terminal, *others = task.Exec(strings("/bin/sh", "-c", "stty size; read line; stty size"), options)
    fds = [fd.take() for fd in (terminal, *others)]
    expect(os.isatty(fds[0]), True, "isatty")
    expect(os.read(fds[0], 100), b"10 20\r\n", "stty size")
    task.ResizeExec(session, dbus.UInt16(30), dbus.UInt16(40))
    os.write(fds[0], b"\n")
    expect(task.WaitExec(session), (0, 0), "WaitExec")
    expect(os.read(fds[0], 100), b"\r\n30 40\r\n", "stty size")
    for fd in fds:
        os.close(fd)

    expect_error(ERROR + "NoSuchExec", task.WaitExec, dbus.UInt64(1))
    expect_error(ERROR + "CommandNotFound", task.Exec, strings("/no/such"), {})
    task.Stop("", dbus.UInt64(0))
    expect(task.Wait(), ("signal", 137, 9, False), "Wait")
    task.Release()


def test_log():
    task, _ = task_at(
        manager.StartTask("python-log", {"Command": "/bin/echo", "Arguments": strings("logged")}, dbus.UInt64(0))
    )
    expect(task.Wait(), ("success", 0, 0, False), "Wait")
    expect(read_to_end(task.OpenLog("stdout", {}).take()), b"logged\n", "OpenLog")
    task.Release()


def test_control():
    path = manager.StartTask(
        "python-control",
        {"Command": "/bin/sleep", "Arguments": strings("infinity"), "LogTargets": strings()},
        dbus.UInt64(0),
    )
    task, properties = task_at(path)
    expect(manager.ListTasks(), [("python-control", "running", path)], "ListTasks")
    pid = properties.Get("org.nomad.Executor.Task", "MainPID")
    pidfd = os.pidfd_open(pid)
    expect(manager.GetTaskByPIDFD(dbus.types.UnixFd(pidfd)), path, "GetTaskByPIDFD")
    os.close(pidfd)

    task.Freeze()
    before = task.GetProcessStats()
    expect([process["PID"] for process in before], [pid], "GetProcessStats")
    task.Thaw()
    expect(task.GetStats()["CPUUsageNSec"] > 0, True, "GetStats")
    task.SetResources(dbus.Dictionary({}, signature="sv"))
    expect_error(ERROR + "InvalidSpec", task.SetResources, {"MemoryMaxx": dbus.UInt64(1)})

    session, *fds = task.Exec(strings("/bin/sleep", "infinity"), {})
    for fd in fds:
        os.close(fd.take())
    task.KillExec(session, "SIGTERM")
    expect(task.WaitExec(session), (143, 15), "WaitExec")

    stream = task.StreamStats(dbus.UInt64(1000000)).take()
    task.Stop("", dbus.UInt64(0))
    expect(task.Wait(), ("signal", 137, 9, False), "Wait")
    expect(b'"CPUUsageNSec":' in read_to_end(stream), True, "StreamStats")
    members = methods(path, "org.nomad.Executor.Task") | methods("/org/nomad/Executor", "org.nomad.Executor.Manager")
    task.Release()
    expect(members - called, set(), "methods that were not called")
    expect(len(members) > 10, True, "Introspect")


def test_errors():
    expect_error(ERROR + "InvalidSpec", manager.StartTask, "bad", {"Command": "/bin/true", "Comand": ""}, dbus.UInt64(0))
    expect_error(ERROR + "InvalidSpec", manager.StartTask, "bad", {"Command": dbus.UInt32(1)}, dbus.UInt64(0))
    expect_error(ERROR + "CommandNotFound", manager.StartTask, "bad", {"Command": "/no/such"}, dbus.UInt64(0))


# A client that holds a terminal until it is killed.
def hold_terminal():
    task, _ = task_at("/org/nomad/Executor/task/held")
    _, terminal, *_ = task.Exec(strings("/bin/sh", "-c", "echo up; exec sleep 43210"), {"Tty": True})
    fd = terminal.take()
    os.read(fd, 100)
    print("holding", flush=True)
    time.sleep(1000)


if sys.argv[1:] == ["hold-terminal"]:
    hold_terminal()
else:
    for test in (test_life, test_exec, test_log, test_control, test_errors):
        test()
