/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Places where a service can be made to die, for the tests of what a crash leaves behind. In a build without
 * -Dfault-injection=true they are nothing. A test writes "NAME" or "NAME N" (the Nth time, from 1) to
 * FAULT_FILE; whoever comes to that place takes the file away and dies of SIGKILL. */

#define FAULT_FILE "/run/nomad-fault"

#define FAULT_POINTS(X)                                           \
        /* nomad-executord */                                     \
        X(LAUNCH_BEGIN, "launch-begin")                           \
        X(LAUNCH_SPAWNED, "launch-spawned")                       \
        X(LAUNCH_SAVED, "launch-saved")                           \
        X(LAUNCH_REQUESTED, "launch-requested")                   \
        X(LAUNCH_LOG_READY, "launch-log-ready")                   \
        X(LAUNCH_SCOPE_READY, "launch-scope-ready")               \
        X(LAUNCH_GATE_OPEN, "launch-gate-open")                   \
        X(LAUNCH_STARTED, "launch-started")                       \
        X(LAUNCH_BEFORE_REPLY, "launch-before-reply")             \
        X(LAUNCH_REPLIED, "launch-replied")                       \
        X(STATE_BEFORE_WRITE, "state-before-write")               \
        X(STATE_AFTER_WRITE, "state-after-write")                 \
        X(STOP_SAVED, "stop-saved")                               \
        X(STOP_SENT, "stop-sent")                                 \
        X(END_BEGIN, "end-begin")                                 \
        X(END_LOG_COMPLETE, "end-log-complete")                   \
        X(END_SAVED, "end-saved")                                 \
        X(RELEASE_BEGIN, "release-begin")                         \
        X(RELEASE_LOG_RELEASED, "release-log-released")           \
        X(RELEASE_STATE_REMOVED, "release-state-removed")         \
        /* nomad-spawner */                                       \
        X(SPAWNER_FORKED, "spawner-forked")                       \
        /* nomad-supervisor */                                    \
        X(SUPERVISOR_GATE_PASSED, "supervisor-gate-passed")       \
        X(SUPERVISOR_IN_CGROUP, "supervisor-in-cgroup")           \
        X(SUPERVISOR_TASK_STARTED, "supervisor-task-started")     \
        X(SUPERVISOR_START_RECORDED, "supervisor-start-recorded") \
        X(SUPERVISOR_TASK_ENDED, "supervisor-task-ended")         \
        X(SUPERVISOR_EXIT_RECORDED, "supervisor-exit-recorded")   \
        /* nomad-logmon */                                        \
        X(LOG_START_BEGIN, "log-start-begin")                     \
        X(LOG_START_SAVED, "log-start-saved")                     \
        X(LOG_START_STORED, "log-start-stored")                   \
        X(LOG_SHELF_TURNED, "log-shelf-turned")                   \
        X(LOG_MOVED, "log-moved")                                 \
        X(LOG_ROTATED, "log-rotated")                             \
        X(LOG_STOP_BEGIN, "log-stop-begin")                       \
        X(LOG_STOP_SAVED, "log-stop-saved")                       \
        X(LOG_STOP_UNSTORED, "log-stop-unstored")                 \
        X(LOG_RELEASED, "log-released")                           \
        /* nomad-dockerlog */                                     \
        X(CONTAINER_START_SAVED, "container-start-saved")         \
        X(CONTAINER_START_OPENED, "container-start-opened")       \
        X(CONTAINER_STARTED, "container-started")                 \
        X(CONTAINER_FILLED, "container-filled")                   \
        X(CONTAINER_COMMITTED, "container-committed")             \
        X(CONTAINER_MOVED, "container-moved")                     \
        X(CONTAINER_CLOSED, "container-closed")                   \
        X(CONTAINER_ENDED, "container-ended")

#define FAULT_ENUM(symbol, name) FAULT_##symbol,
typedef enum FaultPoint { FAULT_POINTS(FAULT_ENUM) FAULT_MAX } FaultPoint;
#undef FAULT_ENUM

#ifdef FAULT_INJECTION
#ifdef __cplusplus
extern "C" {
#endif
void fault_point(FaultPoint point);
#ifdef __cplusplus
}
#endif
#else
static inline void fault_point(FaultPoint point)
{
        (void) point;
}
#endif
