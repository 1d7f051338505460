#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tasks of known behaviour, started, signalled, checked and released at random, while the services and their
spawner are killed, scopes and the slice are stopped and frozen for a moment, and processes are moved out of
their cgroup.

chaos.py [SEED [SECONDS [CLIENTS]]]: run as root in a booted machine. Every task has to end as its program does,
with a log that is exact, and nothing may be left. What a client did before something went wrong is printed,
with the seed.
"""

import collections
import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import dbus

EXECUTOR = "org.nomad.Executor"
ERROR = EXECUTOR + ".Error."
# What a call comes back with whose service died under it, or was not there yet: the call is to be made
# again.
DIED = {
    "org.freedesktop.DBus.Error." + name
    for name in ("NoReply", "Disconnected", "ServiceUnknown", "NameHasNoOwner", "TimedOut", "UnknownObject")
}
# The same for one whose program was to be started by the spawner when that was killed.
SPAWNER = "nomad-spawner"
SPAWNER_AGE = 0.1  # seconds
START_TIME = 19  # among the fields of /proc/PID/stat that follow the name
UNITS = ("nomad-executor.service", "nomad-logmon.service", "nomad-dockerlog.service")
TASK_DIRECTORY = "/srv/chaos"
# One that is made again and again is not answered for longer than any answer takes.
CALL_SECONDS = 100
DISTURBERS = 2
SLICE = "nomad.slice"
SLICE_CGROUP = f"/sys/fs/cgroup/{SLICE}"
ELSEWHERE = "/sys/fs/cgroup/chaos-elsewhere"
# What the tasks and their checks consist of. A runtime would not know how to go on elsewhere.
PROGRAMS = ("sh", "sleep", "seq", "cat")


class Failed(Exception):
    pass


class Client:
    def __init__(self, number, seed):
        self.random = random.Random(f"{seed}-{number}")
        self.number = number
        self.bus = dbus.SystemBus(private=True)
        self.story = []

    def call(self, path, interface, member, signature, *arguments):
        """Again and again until there is an answer: the result, or the short name of the error."""
        deadline = time.monotonic() + CALL_SECONDS
        while time.monotonic() < deadline:
            try:
                return self.bus.call_blocking(
                    EXECUTOR, path, f"{EXECUTOR}.{interface}", member, signature, arguments, byte_arrays=True, timeout=60
                )
            except dbus.DBusException as error:
                name = error.get_dbus_name()
                self.story.append(f"{member}: {name}: {error.get_dbus_message()}")
                if name not in DIED and SPAWNER not in error.get_dbus_message():
                    return name.removeprefix(ERROR)
                time.sleep(0.02)
        raise Failed(f"{member} is not answered")

    def start(self, task, script, isolation):
        spec = dbus.Dictionary(
            {
                "Command": "/bin/sh",
                "Arguments": dbus.Array(["-c", script], signature="s"),
                "LogMaxFiles": dbus.UInt32(1000),
                "LogMaxFileSize": dbus.UInt64(self.random.choice((2000, 100000))),
                **isolation,
            },
            signature="sv",
        )
        result = None
        for _ in range(100):
            result = self.call("/org/nomad/Executor", "Manager", "StartTask", "sa{sv}t", task, spec, 0)
            # A start whose answer was lost has happened, or it has not: GetTask knows.
            if result == "TaskExists":
                result = self.call("/org/nomad/Executor", "Manager", "GetTask", "s", task)
            if isinstance(result, dbus.ObjectPath):
                return result
            # From version 257 on systemd starts nothing in a slice that is frozen.
            if result == "ScopeFailed" and self.story[-1].endswith(": frozen"):
                time.sleep(0.05)
            elif result not in ("NoSuchTask", "TaskExists"):
                break
        raise Failed(f"not started: {result}")

    def expect(self, what, got, *wanted):
        self.story.append(f"{what}: {got}")
        if got not in wanted:
            raise Failed(f"{what} gave {got}, not {' or '.join(map(str, wanted))}")

    def run_task(self, number):
        lines = self.random.choice((0, 1, 10, 3000))
        code = self.random.randrange(256)
        ending = self.random.choice(("exit", "signal", "stop", "stop", "kill"))
        isolated = self.random.random() < 0.3
        task = f"chaos/{self.number}-{number}"
        output = f"seq 1 {lines};" if lines else ""
        # A signal whose call was answered by nobody is sent again, so that it may arrive twice.
        traps = f"trap 'echo end; exit {code}' INT; trap '[ $seen ] || echo signalled; seen=1' USR1;"
        script = {
            "exit": f"{output} exit {code}",
            "signal": f"{output} kill -TERM $$; sleep 1000",
            "stop": f"{traps} {output} echo ready; while :; do sleep 0.02; done",
            "kill": f"setsid sleep 1000 & {output} echo ready; exec sleep 1000",
        }[ending]
        isolation = {"Isolation": "container", "TaskDirectory": TASK_DIRECTORY} if isolated else {}
        # The first process of a PID namespace does not die of a signal that it sends itself.
        if isolated and ending == "signal":
            isolation["PIDMode"] = "host"
        self.story = [f"{task}: {script} {isolation}"]

        path = self.start(task, script, isolation)
        directory = f"/var/log/nomad/{os.path.basename(path)}"
        text = "".join(f"{i}\n" for i in range(1, lines + 1))
        if ending in ("stop", "kill"):
            text += "ready\n"
            self.await_log(directory, text)
            if self.random.random() < 0.5:
                self.check(path)
            if self.random.random() < 0.5:
                self.session(path)
        if ending == "stop" and self.random.random() < 0.5:
            self.expect("Kill", self.call(path, "Task", "Kill", "ss", "main", "SIGUSR1"), None)
            text += "signalled\n"
            self.await_log(directory, text)
        if ending == "stop":
            text += "end\n"
            self.call(path, "Task", "Stop", "st", "", dbus.UInt64(60000000))
        if ending == "kill":
            self.call(path, "Task", "Stop", "st", "", dbus.UInt64(0))

        expected = {
            "exit": ("success" if code == 0 else "exit-code", code, 0, False),
            "signal": ("signal", 143, 15, False),
            "stop": ("success" if code == 0 else "exit-code", code, 0, False),
            "kill": ("signal", 137, 9, False),
        }[ending]
        self.expect("Wait", tuple(self.call(path, "Task", "Wait", "")), expected)
        self.expect("log", self.read_log(directory) == text, True)
        self.expect("Release", self.call(path, "Task", "Release", ""), None, "NoSuchTask")
        subprocess.run(["rm", "-rf", directory], check=True)

    def check(self, path):
        """A check, or a session, in the task. One that was under way when the service died is lost, and says so."""
        result = self.call(path, "Task", "Run", "ast", ["sh", "-c", "echo checked; exit 9"], dbus.UInt64(60000000))
        self.expect("Run", tuple(result), (9, 0, False, False, b"checked\n"))

    def session(self, path):
        """What it was given comes back whatever happens to the service; how it ended may go with the service."""
        options = dbus.Dictionary({}, signature="sv")
        result = self.call(path, "Task", "Exec", "asa{sv}", ["sh", "-c", "cat; exit 7"], options)
        self.expect("Exec", type(result), tuple, dbus.Struct, list)
        session, stdin, stdout, stderr = result[0], *(fd.take() for fd in result[1:])
        with open(stdin, "wb") as file:
            file.write(b"given\n" * 1000)
        with open(stdout, "rb") as file, open(stderr, "rb") as errors:
            self.expect("session", (file.read() == b"given\n" * 1000, errors.read()), (True, b""))
        result = self.call(path, "Task", "WaitExec", "t", session)
        self.expect("WaitExec", result if isinstance(result, str) else tuple(result), (7, 0), "NoSuchExec")

    @staticmethod
    def read_log(directory):
        names = os.listdir(directory) if os.path.isdir(directory) else []
        names = sorted((n for n in names if ".stdout." in n), key=lambda n: int(n.rpartition(".")[2]))
        text = ""
        for name in names:
            with open(f"{directory}/{name}", encoding="ascii") as file:
                text += file.read()
        return text

    def await_log(self, directory, text):
        deadline = time.monotonic() + 30
        while self.read_log(directory) != text:
            if time.monotonic() > deadline:
                raise Failed(f"the log has {len(self.read_log(directory))} bytes, not {len(text)}")
            time.sleep(0.01)


def client_main(number, seed, until, results):
    client = Client(number, seed)
    done = 0
    try:
        while time.monotonic() < until:
            client.run_task(done)
            done += 1
        results.put((done, None))
    except Exception as error:  # whatever it is, the story is what helps
        results.put((done, f"{type(error).__name__}: {error}\n    " + "\n    ".join(client.story[-30:])))


def kill_services(chance, until):
    kills = 0
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.2, 2.0))
        for unit in chance.sample(UNITS, chance.randint(1, len(UNITS))):
            kill = ["systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", unit]
            kills += subprocess.run(kill, stderr=subprocess.DEVNULL, check=False).returncode == 0
    return kills


def read_text(path):
    """Empty when it is not there, or not any more."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def pids_below(cgroup):
    texts = [read_text(f"{directory}/cgroup.procs") for directory, _, _ in os.walk(cgroup)]
    return [int(pid) for text in texts for pid in text.split()]


def start_time(pid):
    """In seconds of CLOCK_BOOTTIME; 0 when it is not there any more."""
    fields = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[START_TIME]) / os.sysconf("SC_CLK_TCK") if fields else 0


class Disturbance:
    """What others may do to tasks, one thing after the other. Counts by name what was really done."""

    def __init__(self, seed):
        self.random = random.Random(f"disturbance {seed}")
        self.done = collections.Counter(stop=0, freeze_scope=0, freeze_slice=0, move=0, kill_spawner=0)

    def run(self, until):
        while time.monotonic() < until:
            for name in self.random.sample(sorted(self.done), len(self.done)):
                time.sleep(self.random.uniform(0.02, 0.3))
                self.done[name] += self.attempt(getattr(self, name))

    @staticmethod
    def attempt(function):
        """Most tasks are short: again with another one if it has gone before anything was done to it."""
        return any(function() for _ in range(10))

    def choose_scope(self):
        names = os.listdir(SLICE_CGROUP) if os.path.isdir(SLICE_CGROUP) else []
        names = sorted(name for name in names if name.startswith("nomad-task-chaos"))
        return self.random.choice(names) if names else None

    def pause(self):
        time.sleep(self.random.uniform(0.02, 0.6))

    def stop(self):
        """SIGSTOP to everything in a scope, the supervisor too, and SIGCONT."""
        scope = self.choose_scope()
        stopped = []
        for pid in pids_below(f"{SLICE_CGROUP}/{scope}") if scope else []:
            with contextlib.suppress(ProcessLookupError):
                stopped.append(os.pidfd_open(pid))
                signal.pidfd_send_signal(stopped[-1], signal.SIGSTOP)
        if stopped:
            self.pause()
        for pidfd in stopped:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGCONT)
            os.close(pidfd)
        return stopped

    def freeze(self, unit):
        is_frozen = self.systemctl("freeze", unit)
        if is_frozen:
            self.pause()
        self.systemctl("thaw", unit)
        return is_frozen

    def freeze_scope(self):
        scope = self.choose_scope()
        return bool(scope) and self.freeze(scope)

    def freeze_slice(self):
        return self.freeze(SLICE)

    @staticmethod
    def systemctl(verb, unit):
        """One that waits for a unit which has gone meanwhile waits in vain."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            command = ["systemctl", verb, unit]
            call = subprocess.run(command, stderr=subprocess.DEVNULL, timeout=10, check=False)
            return call.returncode == 0
        return False

    def move(self):
        scope = self.choose_scope()
        pids = pids_below(f"{SLICE_CGROUP}/{scope}/task") if scope else []
        pids = [pid for pid in pids if read_text(f"/proc/{pid}/comm").strip() in PROGRAMS]
        if not pids:
            return False
        with contextlib.suppress(OSError), open(f"{ELSEWHERE}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(self.random.choice(pids)))
            file.flush()
            return True
        return False

    @staticmethod
    def kill_spawner():
        """What it forks has its name for a moment, but is younger, or in a task's cgroup."""
        pids = [int(pid) for pid in os.listdir("/proc") if read_text(f"/proc/{pid}/comm") == f"{SPAWNER}\n"]
        pids = [pid for pid in pids if read_text(f"/proc/{pid}/cgroup").strip().endswith(f"/{UNITS[0]}")]
        starts = sorted((start_time(pid), pid) for pid in pids)
        if not starts or time.clock_gettime(time.CLOCK_BOOTTIME) - starts[0][0] < SPAWNER_AGE:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(starts[0][1], signal.SIGKILL)
            return True
        return False


def disturb_main(seed, until, results):
    disturbance = Disturbance(seed)
    disturbance.run(until)
    results.put(disturbance.done)


def end_elsewhere():
    """Its children live on when a task has ended, and nobody but us knows of them."""
    with open(f"{ELSEWHERE}/cgroup.kill", "w", encoding="ascii") as file:
        file.write("1")
    deadline = time.monotonic() + 10
    while pids_below(ELSEWHERE) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.rmdir(ELSEWHERE)


def mounts():
    with open("/proc/self/mountinfo", encoding="ascii") as file:
        return file.read()


def leftovers():
    found = []
    for directory in ("/run/nomad-executor/tasks", "/sys/fs/cgroup/nomad.slice"):
        names = os.listdir(directory) if os.path.isdir(directory) else []
        found += [f"{directory}/{name}" for name in names if "chaos" in name]
    found += [name for name in os.listdir("/run/nomad-logmon") if "chaos" in name]
    pgrep = subprocess.run(["pgrep", "-a", "-f", "nomad-supervisor chaos"], capture_output=True, text=True, check=False)
    return found + pgrep.stdout.splitlines()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int(time.time())
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20
    clients = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    until = time.monotonic() + seconds
    results = multiprocessing.Queue()
    print(f"seed {seed}, {seconds} s, {clients} clients", flush=True)

    os.makedirs(TASK_DIRECTORY, exist_ok=True)
    os.makedirs(ELSEWHERE, exist_ok=True)
    mounts_before = mounts()
    processes = [
        multiprocessing.Process(target=client_main, args=(number, seed, until, results)) for number in range(clients)
    ]
    for process in processes:
        process.start()
    disturbances = multiprocessing.Queue()
    disturbers = [
        multiprocessing.Process(target=disturb_main, args=(f"{seed}-{number}", until, disturbances))
        for number in range(DISTURBERS)
    ]
    for process in disturbers:
        process.start()
    kills = kill_services(random.Random(seed), until)
    done = sum((disturbances.get(timeout=150) for _ in disturbers), collections.Counter())
    ended = [results.get(timeout=150) for _ in range(clients)]
    for process in processes + disturbers:
        process.join()

    end_elsewhere()
    deadline = time.monotonic() + 10
    while leftovers() and time.monotonic() < deadline:
        time.sleep(0.1)
    stories = [story for _, story in ended if story] + [f"left behind: {name}" for name in leftovers()]
    stories += [f"mounted: {mounts()}"] if mounts() != mounts_before else []
    for story in stories:
        print(story)
    print(f"{sum(tasks for tasks, _ in ended)} tasks, {kills} kills, {len(stories)} failures; {dict(done)}")
    return 1 if stories or kills == 0 or not all(tasks for tasks, _ in ended) or not done else 0


if __name__ == "__main__":
    sys.exit(main())
