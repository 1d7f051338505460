/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-id128.h>

#include "bus-error.h"
#include "cgroup.h"
#include "cleanup.h"
#include "container-config.h"
#include "container.h"
#include "log.h"
#include "protocol.h"
#include "reap.h"
#include "systemd.h"
#include "task-launch.h"

/* systemd kills the rest of the scope, supervisor included, that much later than the supervisor or, after
 * STOP_BACKSTOP_USEC and a look at what is left, we would kill the task. */
#define SCOPE_STOP_MARGIN_USEC UINT64_C(10000000)

/* The version that got OOMPolicy= for scopes, with a default that would kill the supervisor along with a
 * victim. */
#define SYSTEMD_VERSION_OOM_POLICY 253U

static uint64_t scope_stop_usec(const Task *task)
{
        uint64_t usec = task->spec.stop_timeout_usec;

        return usec >= UINT64_MAX - SCOPE_STOP_MARGIN_USEC ? UINT64_MAX : usec + SCOPE_STOP_MARGIN_USEC;
}

static void take_controller(Task *task)
{
        if (task->controlled || task->manager->n_controlled_scopes >= CONTROLLED_SCOPES_MAX)
                return;

        task->controlled = true;
        task->manager->n_controlled_scopes++;
}

void task_scope_release_controller(Task *task)
{
        if (!task->controlled)
                return;

        task->controlled = false;
        task->manager->n_controlled_scopes--;
}

/* At shutdown the scopes go first, while somebody is there to end them well and to take their last lines.
 * nomad.slice has that order, and a scope has that of its slice; to give it to each scope too makes systemd
 * announce a change of both services with every start. */
static bool slice_is_ours(const char *slice)
{
        return !slice || strcmp(slice, DEFAULT_SLICE) == 0 || g_str_has_prefix(slice, "nomad-");
}

static int append_properties(sd_bus_message *m, const Task *task, pid_t supervisor)
{
        const TaskSpec *spec = &task->spec;
        int r;

        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
                        spec->description ? spec->description : task->id, "Slice", "s",
                        spec->slice ? spec->slice : DEFAULT_SLICE, "PIDs", "au", 1, (uint32_t) supervisor,
                        "Delegate", "b", 1, "CollectMode", "s", "inactive-or-failed", "KillSignal", "i",
                        SUPERVISOR_STOP_SIGNAL, "TimeoutStopUSec", "t", scope_stop_usec(task));
        if (r < 0)
                return r;

        if (task->controlled) {
                r = sd_bus_message_append(m, "(sv)", "Controller", "s", task->manager->service.bus_name);
                if (r < 0)
                        return r;
        }

        if (!slice_is_ours(spec->slice)) {
                r = sd_bus_message_append(m, "(sv)", "After", "as", 2, "nomad-executor.service",
                                "nomad-logmon.service");
                if (r < 0)
                        return r;
        }

        r = resources_append(m, &spec->resources, task_spec_resources_set(spec));
        if (r < 0)
                return r;

        if (task_is_container(task)) {
                r = container_append_device_policy(m, &spec->isolation);
                if (r < 0)
                        return r;
        }

        if (task->manager->systemd_version >= SYSTEMD_VERSION_OOM_POLICY)
                return sd_bus_message_append(m, "(sv)", "OOMPolicy", "s", "continue");

        return 0;
}

static void scope_refused(Task *task, const char *reason)
{
        task->launch->systemd_source = sd_event_source_disable_unref(task->launch->systemd_source);
        task->launch->scope_requested = false;
        if (task_launch_has_failed(task))
                task_launch_scope_settled(task, false);
        else
                task_launch_fail(task, BUS_ERROR_SCOPE_FAILED, "systemd refused %s: %s", task->unit, reason);
}

static int on_reset(G_GNUC_UNUSED sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        Task *task = userdata;
        int r;

        if (!task->launch)
                return 0;

        /* whether it helped, the second try tells */
        task->launch->scope_call = bus_call_free(task->launch->scope_call);
        if (task_launch_has_failed(task)) {
                scope_refused(task, "");
                return 0;
        }
        r = task_scope_start(task, (pid_t) task->progress.supervisor_pid, &task->launch->scope_call);
        if (r < 0)
                scope_refused(task, g_strerror(-r));
        return 0;
}

/* A call of systemd's manager whose first argument is the task's unit. */
static int new_unit_call(const Task *task, const char *member, sd_bus_message **ret)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = systemd_new_call(task->manager->service.bus, &m, member);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", task->unit);
        if (r < 0)
                return r;

        *ret = g_steal_pointer(&m);
        return 0;
}

/* A unit of that name that failed and was not collected only stands in the way until it is reset. */
static int reset_failed_unit(Task *task)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        task->launch->scope_was_reset = true;
        task->launch->scope_call = bus_call_free(task->launch->scope_call);
        r = new_unit_call(task, "ResetFailedUnit", &m);
        if (r < 0)
                return r;

        return bus_queue_call(
                        &task->manager->systemd_calls, m, on_reset, task, 0, &task->launch->scope_call);
}

/* systemd moves the supervisor as the last step of the start. */
static bool supervisor_is_in_scope(const Task *task)
{
        g_autofree char *cgroup = NULL, *name = NULL;

        if (process_cgroup((pid_t) task->progress.supervisor_pid, &cgroup) < 0)
                return false;

        name = g_path_get_basename(cgroup);
        return strcmp(name, task->unit) == 0;
}

/* The scope is there, or is asked for again: if systemd knows it after all it says so. */
static void start_again(Task *task)
{
        TaskLaunch *launch = task->launch;
        int r;

        launch->systemd_source = sd_event_source_disable_unref(launch->systemd_source);
        if (supervisor_is_in_scope(task)) {
                task_launch_scope_settled(task, true);
                return;
        }
        if (!launch->scope_is_lost)
                return;

        launch->scope_call = bus_call_free(launch->scope_call);
        r = task_scope_start(task, (pid_t) task->progress.supervisor_pid, &launch->scope_call);
        if (r < 0)
                scope_refused(task, g_strerror(-r));
}

void task_scope_systemd_returned(Task *task)
{
        if (task->launch->scope_requested && !task->launch->scope_settled)
                start_again(task);
}

static int on_systemd_away(
                G_GNUC_UNUSED sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        scope_refused(userdata, "it has left the bus");
        return 0;
}

/* Whether systemd has left the bus for good is not known yet. */
static int await_systemd(Task *task)
{
        TaskLaunch *launch = task->launch;

        launch->scope_is_lost = true;
        if (launch->systemd_owners != task->manager->systemd.n_owners) {
                start_again(task);
                return 0;
        }

        launch->systemd_source = sd_event_source_disable_unref(launch->systemd_source);
        return sd_event_add_time_relative(task->manager->service.event, &launch->systemd_source,
                        CLOCK_MONOTONIC, BUS_QUEUE_AWAY_USEC, 0, on_systemd_away, task);
}

static int on_started(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        Task *task = userdata;
        const char *job;
        int r;

        if (!task->launch || task->launch->scope_settled)
                return 0;
        if (!failure) {
                /* the job goes on, and manager-systemd.c hears of its end */
                r = sd_bus_message_read(reply, "o", &job);
                if (r >= 0)
                        task->launch->job = g_strdup(job);
                return r;
        }
        if (bus_reply_is_lost(reply) && await_systemd(task) >= 0)
                return 0;
        if (task->launch->scope_is_lost && supervisor_is_in_scope(task)) {
                task_launch_scope_settled(task, true);
                return 0;
        }
        if (sd_bus_error_has_name(failure, SYSTEMD_ERROR_UNIT_EXISTS) && !task->launch->scope_was_reset &&
                        reset_failed_unit(task) >= 0)
                return 0;

        scope_refused(task, failure->message);
        return 0;
}

int task_scope_start(Task *task, pid_t supervisor, BusCall **ret)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = new_unit_call(task, "StartTransientUnit", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", "fail");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "(sv)");
        if (r < 0)
                return r;
        take_controller(task);
        r = append_properties(m, task, supervisor);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r < 0)
                return r;

        task->launch->systemd_owners = task->manager->systemd.n_owners;
        /* systemd may do late what it did not answer: the launch has a deadline of its own */
        return bus_queue_call(&task->manager->systemd_calls, m, on_started, task, UINT64_MAX, ret);
}

static int on_invocation(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        Task *task = userdata;
        char text[SD_ID128_STRING_MAX];
        const void *bytes;
        sd_id128_t id;
        size_t size;

        if (sd_bus_message_is_method_error(reply, NULL) ||
                        sd_bus_message_enter_container(reply, SD_BUS_TYPE_VARIANT, "ay") < 0 ||
                        sd_bus_message_read_array(reply, 'y', &bytes, &size) < 0 || size != sizeof id) {
                task_launch_invocation_known(task, NULL);
                return 0;
        }

        (void) memcpy(&id, bytes, sizeof id);
        task_launch_invocation_known(task, sd_id128_to_string(id, text));
        return 0;
}

static int call_get_property(const Task *task, const char *interface, const char *property,
                sd_bus_message_handler_t handler, void *userdata, BusCall **ret)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autofree char *path = NULL;
        int r;

        r = sd_bus_path_encode(SYSTEMD_UNIT_PATH, task->unit, &path);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(task->manager->service.bus, &m, SYSTEMD_NAME, path,
                        "org.freedesktop.DBus.Properties", "Get");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "ss", interface, property);
        if (r < 0)
                return r;

        return bus_queue_query(&task->manager->systemd_calls, m, handler, userdata, 0, ret);
}

/* What systemd says about its units to journald. An unprivileged user's systemd does not. */
static char *read_exported_invocation(const Task *task)
{
        g_autofree char *path = g_strdup_printf("/run/systemd/units/invocation:%s", task->unit);
        g_autofree char *text = g_file_read_link(path, NULL);
        sd_id128_t id;

        if (!text || sd_id128_from_string(text, &id) < 0)
                return NULL;

        return g_steal_pointer(&text);
}

int task_scope_get_invocation(Task *task, BusCall **ret)
{
        g_autofree char *exported = read_exported_invocation(task);

        if (exported) {
                task_launch_invocation_known(task, exported);
                return 0;
        }

        return call_get_property(task, SYSTEMD_UNIT, "InvocationID", on_invocation, task, ret);
}

int task_scope_set_resources(Task *task, const Resources *resources, uint64_t set,
                sd_bus_message_handler_t handler, void *userdata)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = new_unit_call(task, "SetUnitProperties", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "b", 1);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "(sv)");
        if (r < 0)
                return r;
        r = resources_append(m, resources, set);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;

        /* a value that is set twice is the same value */
        return bus_queue_query(&task->manager->systemd_calls, m, handler, userdata, 0, NULL);
}

static int on_queried(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        Task *task = userdata;

        if (sd_bus_message_is_method_error(reply, SYSTEMD_ERROR_NO_SUCH_UNIT))
                task_ending_unit_gone(task);

        /* else it is about to go, which UnitRemoved will tell */
        return 0;
}

int task_scope_query(Task *task, BusCall **ret)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = new_unit_call(task, "GetUnit", &m);
        if (r < 0)
                return r;

        return bus_queue_query(&task->manager->systemd_calls, m, on_queried, task, 0, ret);
}

int task_scope_kill(const Task *task)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = new_unit_call(task, "KillUnit", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "si", "all", SIGKILL);
        if (r < 0)
                return r;

        return sd_bus_send(task->manager->service.bus, m, NULL);
}

int task_scope_thaw(const Task *task)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = new_unit_call(task, "ThawUnit", &m);
        if (r < 0)
                return r;

        return sd_bus_send(task->manager->service.bus, m, NULL);
}

static void on_visitor(int error, G_GNUC_UNUSED pid_t pid, int pidfd, void *userdata)
{
        Manager *manager = userdata;

        if (error >= 0)
                reap_child(manager->service.event, pidfd);
}

/* A process that comes and goes: the end of the last process is what systemd hears of. */
static int on_control_group(sd_bus_message *reply, void *userdata, G_GNUC_UNUSED sd_bus_error *error)
{
        Spawn spawn = { .kind = SPAWN_NOTHING, .name = "", .fds = { [0 ... SUPERVISOR_STATE_FD] = -1 } };
        _cleanup_close_ int fd = -1;
        Manager *manager = userdata;
        const char *path;
        int r;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "v", "s", &path) < 0 ||
                        *path == '\0')
                return 0;

        r = cgroup_open(path, &fd);
        if (r < 0)
                return 0;
        spawn.cgroup_fd = fd;
        (void) spawner_spawn(&manager->spawner, &spawn, on_visitor, manager, NULL);
        return 0;
}

int task_scope_notice_empty(const Task *task)
{
        return call_get_property(task, SYSTEMD_SCOPE, "ControlGroup", on_control_group, task->manager, NULL);
}

int task_scope_stop(Task *task)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = new_unit_call(task, "StopUnit", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", "replace");
        if (r < 0)
                return r;

        return sd_bus_send(task->manager->service.bus, m, NULL);
}
