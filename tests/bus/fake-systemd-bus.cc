/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-systemd-bus.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "cgroup-tree.h"

#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"
#define UNIT_EXISTS  "org.freedesktop.systemd1.UnitExists"

int FakeSystemdBus::export_on(FakeSystemd *systemd, sd_bus *bus)
{
        return sd_bus_add_fallback(bus, nullptr, "/org/freedesktop/systemd1", handle, systemd);
}

int FakeSystemdBus::handle(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        static const struct {
                const char *interface, *member, *signature;
                int (*call)(FakeSystemd &, sd_bus_message *, sd_bus_error *);
        } methods[] = {
                { "org.freedesktop.systemd1.Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))",
                                start_transient_unit },
                { "org.freedesktop.systemd1.Manager", "GetUnit", "s", get_unit },
                { "org.freedesktop.systemd1.Manager", "GetUnitByPID", "u", get_unit_by_pid },
                { "org.freedesktop.systemd1.Manager", "StopUnit", "ss", stop_unit },
                { "org.freedesktop.systemd1.Manager", "KillUnit", "ssi", kill_unit },
                { "org.freedesktop.systemd1.Manager", "ThawUnit", "s", thaw_unit },
                { "org.freedesktop.systemd1.Manager", "ResetFailedUnit", "s", reset_failed_unit },
                { "org.freedesktop.systemd1.Manager", "SetUnitProperties", "sba(sv)", set_unit_properties },
                { "org.freedesktop.systemd1.Manager", "Subscribe", "", subscribe },
                { "org.freedesktop.systemd1.Manager", "Unsubscribe", "", unsubscribe },
                { "org.freedesktop.DBus.Properties", "Get", "ss", get_property },
        };

        for (const auto &method : methods) {
                if (!sd_bus_message_is_method_call(m, method.interface, method.member))
                        continue;
                if (!sd_bus_message_has_signature(m, method.signature))
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s takes (%s), not (%s)",
                                        method.member, method.signature, sd_bus_message_get_signature(m, 1));
                return method.call(*static_cast<FakeSystemd *>(userdata), m, error);
        }
        return 0; /* sd-bus answers UnknownMethod */
}

FakeUnit *FakeSystemdBus::named(FakeSystemd &systemd, const char *name, sd_bus_error *error)
{
        FakeUnit *unit = systemd.find(name);

        if (!unit)
                (void) sd_bus_error_setf(error, NO_SUCH_UNIT, "Unit %s not loaded.", name);
        return unit;
}

static int read_list(sd_bus_message *m, std::vector<std::string> *ret)
{
        const char *value;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &value)) > 0)
                ret->emplace_back(value);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_pids(sd_bus_message *m, std::vector<pid_t> *ret)
{
        uint32_t pid;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "u");
        while (r >= 0 && (r = sd_bus_message_read(m, "u", &pid)) > 0)
                ret->push_back((pid_t) pid);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_text(sd_bus_message *m, std::string *ret)
{
        const char *value;
        int r;

        r = sd_bus_message_read(m, "s", &value);
        if (r >= 0)
                *ret = value;
        return r;
}

/* The value of a property whose effect the tests look at, into UNIT; others are skipped. */
static int read_property(sd_bus_message *m, const std::string &key, const char *signature, FakeUnit &unit)
{
        int flag = 0, r;

        if (key == "PIDs")
                return read_pids(m, &unit.pids);
        if (key == "After")
                return read_list(m, &unit.after);
        if (key == "Slice")
                return read_text(m, &unit.slice);
        if (key == "Description")
                return read_text(m, &unit.description);
        if (key == "Controller")
                return read_text(m, &unit.controller);
        if (key == "CollectMode")
                return read_text(m, &unit.collect_mode);
        if (key == "KillSignal")
                return sd_bus_message_read(m, "i", &unit.kill_signal);
        if (key == "TimeoutStopUSec")
                return sd_bus_message_read(m, "t", &unit.timeout_stop_usec);
        if (key == "Delegate") {
                r = sd_bus_message_read(m, "b", &flag);
                unit.delegate = flag;
                return r;
        }
        return sd_bus_message_skip(m, signature);
}

/* What a scope takes in systemd 252. */
static const char *property_signature(const std::string &key)
{
        static const std::map<std::string, const char *> known = {
                { "PIDs", "au" },
                { "Delegate", "b" },
                { "Slice", "s" },
                { "CollectMode", "s" },
                { "Controller", "s" },
                { "After", "as" },
                { "Before", "as" },
                { "Wants", "as" },
                { "Requires", "as" },
                { "Conflicts", "as" },
                { "KillSignal", "i" },
                { "KillMode", "s" },
                { "SendSIGKILL", "b" },
                { "SendSIGHUP", "b" },
                { "FinalKillSignal", "i" },
                { "TimeoutStopUSec", "t" },
                { "RuntimeMaxUSec", "t" },
                { "Description", "s" },
                { "Documentation", "as" },
                { "DefaultDependencies", "b" },
                { "AddRef", "b" },
                { "User", "s" },
                { "Group", "s" },
                { "MemoryMax", "t" },
                { "MemoryHigh", "t" },
                { "MemoryLow", "t" },
                { "MemorySwapMax", "t" },
                { "MemoryAccounting", "b" },
                { "CPUAccounting", "b" },
                { "IOAccounting", "b" },
                { "TasksAccounting", "b" },
                { "CPUWeight", "t" },
                { "CPUQuotaPerSecUSec", "t" },
                { "AllowedCPUs", "ay" },
                { "IOWeight", "t" },
                { "TasksMax", "t" },
        };
        auto found = known.find(key);

        return found == known.end() ? nullptr : found->second;
}

static int read_properties(sd_bus_message *m, FakeUnit &unit, sd_bus_error *error)
{
        const char *key, *signature;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sv)");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        return r;

                const char *expected = property_signature(key);
                if (!expected)
                        return sd_bus_error_setf(error, SD_BUS_ERROR_PROPERTY_READ_ONLY,
                                        "Cannot set property %s, or unknown property.", key);
                r = sd_bus_message_peek_type(m, nullptr, &signature);
                if (r < 0)
                        return r;
                if (strcmp(signature, expected) != 0)
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "%s is of type %s, not %s", key, expected, signature);

                std::string type = signature;
                unit.properties[key] = type;
                r = sd_bus_message_enter_container(m, 'v', type.c_str());
                if (r >= 0)
                        r = read_property(m, key, type.c_str(), unit);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int check_unit(const FakeUnit &unit, sd_bus_error *error)
{
        const std::string suffix = ".scope";
        size_t n = unit.name.size();

        if (n <= suffix.size() || n > 255 ||
                        unit.name.compare(n - suffix.size(), suffix.size(), suffix) != 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                "Unit name %s is not valid, or is not of a scope.", unit.name.c_str());
        if (unit.slice.find(".slice") == std::string::npos || unit.slice.find("--") != std::string::npos)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Unit name '%s' is not a slice",
                                unit.slice.c_str());
        if (unit.pids.empty())
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "No PIDs given");
        for (pid_t pid : unit.pids)
                if (kill(pid, 0) < 0)
                        return sd_bus_error_setf(error, "org.freedesktop.DBus.Error.UnixProcessIdUnknown",
                                        "Failed to set unit properties: No such process");
        return 0;
}

static std::string new_invocation_id()
{
        char text[SD_ID128_STRING_MAX];
        sd_id128_t id;

        (void) sd_id128_randomize(&id);
        return sd_id128_to_string(id, text);
}

void FakeSystemdBus::answer(FakeSystemd &systemd, sd_bus_message *m)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) sd_bus_message_rewind(m, true);
        if (handle(m, &systemd, &error) < 0)
                (void) sd_bus_reply_method_error(m, &error);
        sd_bus_error_free(&error);
}

int FakeSystemdBus::start_transient_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error)
{
        auto unit = std::make_unique<FakeUnit>();
        const char *name, *mode;
        char *path = nullptr;
        int r;

        if (systemd.behaviour.no_reply) {
                systemd.swallowed.push_back(sd_bus_message_ref(m));
                return 1;
        }
        if (!systemd.behaviour.call_error.empty())
                return sd_bus_error_set(error, systemd.behaviour.call_error.c_str(), "As the test asked");

        r = sd_bus_message_read(m, "ss", &name, &mode);
        if (r < 0)
                return r;
        unit->name = name;
        unit->slice = "system.slice";
        unit->invocation_id = new_invocation_id();
        r = read_properties(m, *unit, error);
        if (r >= 0)
                r = check_unit(*unit, error);
        if (r < 0)
                return r;
        if (systemd.find(name))
                return sd_bus_error_setf(error, UNIT_EXISTS,
                                "Unit %s was already loaded or has a fragment file.", name);

        r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", name, &path);
        if (r < 0)
                return r;
        unit->path = path;
        free(path);

        FakeSystemd::Job job = { systemd.next_job++, name, systemd.behaviour.job_result };
        std::string job_path = "/org/freedesktop/systemd1/job/" + std::to_string(job.id);
        systemd.started++;
        r = systemd.behaviour.no_answer ? 1 : sd_bus_reply_method_return(m, "o", job_path.c_str());
        if (r < 0)
                return r;

        FakeUnit &added = *(systemd.scopes[name] = std::move(unit));
        systemd.emit("UnitNew", "so", name, added.path.c_str());
        if (job.result == "done" && systemd.realize(added) < 0)
                job.result = "failed";
        if (job.result != "done") {
                std::string gone = added.path;

                systemd.scopes.erase(job.unit);
                systemd.finish_job(job);
                systemd.emit("UnitRemoved", "so", job.unit.c_str(), gone.c_str());
        } else if (systemd.behaviour.hold_job || systemd.behaviour.no_answer)
                systemd.held_jobs.push_back(job);
        else {
                systemd.finish_job(job);
                /* the processes may have ended while they were moved */
                systemd.check_empty(job.unit);
        }
        return 1;
}

int FakeSystemdBus::get_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error)
{
        const char *name;
        FakeUnit *unit;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        unit = named(systemd, name, error);
        return unit ? sd_bus_reply_method_return(m, "o", unit->path.c_str()) : -ENOENT;
}

int FakeSystemdBus::get_unit_by_pid(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error)
{
        uint32_t pid;
        int r;

        r = sd_bus_message_read(m, "u", &pid);
        if (r < 0)
                return r;
        for (const auto &[name, unit] : systemd.scopes) {
                std::vector<pid_t> pids = cgroup_processes(unit->cgroup);

                if (std::find(pids.begin(), pids.end(), (pid_t) pid) != pids.end())
                        return sd_bus_reply_method_return(m, "o", unit->path.c_str());
        }
        return sd_bus_error_setf(error, "org.freedesktop.systemd1.NoUnitForPID",
                        "PID %u does not belong to any loaded unit.", pid);
}

int FakeSystemdBus::stop_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error)
{
        const char *name, *mode;
        FakeUnit *unit;
        int r;

        r = sd_bus_message_read(m, "ss", &name, &mode);
        if (r < 0)
                return r;
        unit = named(systemd, name, error);
        if (!unit)
                return -ENOENT;

        if (unit->stop_job == 0)
                unit->stop_job = systemd.next_job++;
        std::string path = "/org/freedesktop/systemd1/job/" + std::to_string(unit->stop_job);
        r = sd_bus_reply_method_return(m, "o", path.c_str());
        systemd.begin_stop(*unit);
        return r;
}

int FakeSystemdBus::kill_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error)
{
        const char *name, *whom;
        FakeUnit *unit;
        int signal, r;

        r = sd_bus_message_read(m, "ssi", &name, &whom, &signal);
        if (r < 0)
                return r;
        unit = named(systemd, name, error);
        if (!unit)
                return -ENOENT;
        if (strcmp(whom, "all") != 0)
                return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchProcess",
                                "Scope units have no main or control process.");
        cgroup_signal_all(unit->cgroup, signal);
        return sd_bus_reply_method_return(m, nullptr);
}

/* With the slices above it, as systemd 252 does it. */
static void thaw_upwards(std::string cgroup)
{
        for (; !cgroup.empty(); cgroup.erase(cgroup.rfind('/')))
                (void) (std::ofstream(cgroup_full_path(cgroup) + "/cgroup.freeze") << "0" << std::flush);
}

int FakeSystemdBus::thaw_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error)
{
        const char *name;
        FakeUnit *unit;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        unit = named(systemd, name, error);
        if (!unit)
                return -ENOENT;
        unit->n_thawed++;
        thaw_upwards(unit->cgroup);
        return sd_bus_reply_method_return(m, nullptr);
}

int FakeSystemdBus::reset_failed_unit(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error)
{
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        return named(systemd, name, error) ? sd_bus_reply_method_return(m, nullptr) : -ENOENT;
}

int FakeSystemdBus::set_unit_properties(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error)
{
        const char *name;
        FakeUnit *unit;
        int runtime, r;

        r = sd_bus_message_read(m, "sb", &name, &runtime);
        if (r < 0)
                return r;
        unit = named(systemd, name, error);
        if (!unit)
                return -ENOENT;
        r = read_properties(m, *unit, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, nullptr);
}

int FakeSystemdBus::subscribe(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error)
{
        if (sd_bus_track_contains(systemd.subscribers, sd_bus_message_get_sender(m)))
                return sd_bus_error_set(error, "org.freedesktop.systemd1.AlreadySubscribed",
                                "Client is already subscribed.");

        int r = sd_bus_track_add_sender(systemd.subscribers, m);
        return r < 0 ? r : sd_bus_reply_method_return(m, nullptr);
}

int FakeSystemdBus::unsubscribe(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *)
{
        int r = sd_bus_track_remove_sender(systemd.subscribers, m);

        return r < 0 ? r : sd_bus_reply_method_return(m, nullptr);
}

static int reply_unit_property(
                sd_bus_message *m, const FakeUnit &unit, const std::string &name, sd_bus_error *error)
{
        const std::map<std::string, std::string> texts = {
                { "Id", unit.name },
                { "ActiveState", unit.active_state },
                { "SubState", unit.active_state == "active" ? "running" : "dead" },
                { "LoadState", "loaded" },
                { "Description", unit.description },
                { "CollectMode", unit.collect_mode },
                { "ControlGroup", unit.cgroup },
                { "Slice", unit.slice },
                { "Controller", unit.controller },
                { "Result", "success" },
        };
        auto found = texts.find(name);

        if (found != texts.end())
                return sd_bus_reply_method_return(m, "v", "s", found->second.c_str());
        if (name == "InvocationID") {
                sd_bus_message *reply = nullptr;
                sd_id128_t id;
                int r;

                (void) sd_id128_from_string(unit.invocation_id.c_str(), &id);
                r = sd_bus_message_new_method_return(m, &reply);
                if (r >= 0)
                        r = sd_bus_message_open_container(reply, 'v', "ay");
                if (r >= 0)
                        r = sd_bus_message_append_array(reply, 'y', &id, sizeof id);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
                if (r >= 0)
                        r = sd_bus_send(nullptr, reply, nullptr);
                sd_bus_message_unref(reply);
                return r;
        }
        return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_PROPERTY, "Unknown property %s", name.c_str());
}

int FakeSystemdBus::get_property(FakeSystemd &systemd, sd_bus_message *m, sd_bus_error *error)
{
        const char *interface, *name;
        int r;

        r = sd_bus_message_read(m, "ss", &interface, &name);
        if (r < 0)
                return r;

        std::string path = sd_bus_message_get_path(m);
        if (strcmp(name, "InvocationID") == 0 && systemd.behaviour.hold_invocation) {
                systemd.swallowed.push_back(sd_bus_message_ref(m));
                return 1;
        }
        for (const auto &[key, unit] : systemd.scopes)
                if (unit->path == path)
                        return reply_unit_property(m, *unit, name, error);
        if (path != "/org/freedesktop/systemd1")
                return sd_bus_error_setf(error, NO_SUCH_UNIT, "Unit of %s not loaded.", path.c_str());
        if (strcmp(name, "Version") == 0 && systemd.behaviour.hold_version) {
                systemd.swallowed.push_back(sd_bus_message_ref(m));
                return 1;
        }
        if (strcmp(name, "Version") == 0)
                return sd_bus_reply_method_return(m, "v", "s", systemd.version.c_str());
        return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_PROPERTY, "Unknown property %s", name);
}
