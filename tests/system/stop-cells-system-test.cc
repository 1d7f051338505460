/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stop-fixture.h"

/* docs/stopping.md, cell by cell: a pairwise selection of what can be the matter when a task is to end. */

static const Exit LOST = { "lost", -1, 0, false };
static const Exit OBEYED = { "exit-code", 7, 0, false };
static const Exit KILLED = { "signal", 137, 9, false };
static const Exit OBEYED_LATE = { "timeout", 7, 0, false };
static const Exit KILLED_LATE = { "timeout", 137, 9, false };

static const Cell cells[] = {
        { RUNNING, SUPERVISED, THERE, CRUN, KILL_TERM, POLITE, OBEYED },
        { RUNNING, SUPERVISED, THERE, RUNC_HOST, STOP, POLITE, OBEYED },
        { RUNNING, SUPERVISED, AWAY, CRUN, UNIT_STOP, DEAF, KILLED },
        { RUNNING, SUPERVISOR_STOPPED, AWAY, CRUN_HOST, FREEZE_AND_STOP, POLITE, OBEYED },
        { RUNNING, SUPERVISOR_STOPPED, AWAY, RUNC, RUNTIME_MAX, POLITE, OBEYED_LATE, AT_RETURN },
        { RUNNING, SUPERVISOR_STOPPED, THERE, PLAIN, UNIT_TERM, POLITE, OBEYED },
        { RUNNING, SUPERVISOR_STOPPED, RESTARTED, CRUN, KILL_TERM, POLITE, OBEYED },
        { RUNNING, SUPERVISOR_KILLED, RESTARTED, PLAIN, UNIT_TERM, DEAF, LOST },
        { RUNNING, SUPERVISOR_KILLED, RESTARTED, PLAIN, SLICE_STOP, DEAF, LOST },
        { STOPPED, SUPERVISED, THERE, PLAIN, RUNTIME_MAX, POLITE, OBEYED_LATE },
        { STOPPED, SUPERVISED, AWAY, RUNC, SLICE_STOP, POLITE, OBEYED },
        { STOPPED, SUPERVISOR_STOPPED, THERE, PLAIN, UNIT_STOP, POLITE, OBEYED },
        { STOPPED, SUPERVISOR_STOPPED, THERE, CRUN_HOST, STOP, POLITE, OBEYED },
        { STOPPED, SUPERVISOR_STOPPED, RESTARTED, CRUN, UNIT_SIGKILL, POLITE, LOST },
        { STOPPED, SUPERVISOR_KILLED, AWAY, RUNC, FREEZE_AND_STOP, DEAF, LOST, AT_RETURN },
        { STOPPED, SUPERVISOR_KILLED, AWAY, RUNC_HOST, KILL_TERM, DEAF, LOST, AT_RETURN },
        { FROZEN, SUPERVISED, AWAY, PLAIN, UNIT_TERM, POLITE, OBEYED },
        { FROZEN, SUPERVISED, RESTARTED, CRUN, FREEZE_AND_STOP, POLITE, OBEYED },
        { FROZEN, SUPERVISED, RESTARTED, CRUN_HOST, RUNTIME_MAX, POLITE, OBEYED_LATE },
        { FROZEN, SUPERVISED, RESTARTED, RUNC, STOP, POLITE, OBEYED },
        { FROZEN, SUPERVISOR_STOPPED, THERE, CRUN_HOST, UNIT_STOP, POLITE, OBEYED },
        { FROZEN, SUPERVISOR_STOPPED, THERE, RUNC_HOST, KILL_SIGKILL, POLITE, KILLED },
        { FROZEN, SUPERVISOR_KILLED, RESTARTED, RUNC, SLICE_STOP, DEAF, LOST },
        { SCOPE_FROZEN, SUPERVISED, AWAY, CRUN_HOST, SLICE_STOP, POLITE, OBEYED },
        { SCOPE_FROZEN, SUPERVISED, RESTARTED, RUNC_HOST, UNIT_STOP, POLITE, OBEYED },
        { SCOPE_FROZEN, SUPERVISOR_STOPPED, THERE, CRUN, KILL_SIGKILL, POLITE, KILLED },
        { SCOPE_FROZEN, SUPERVISOR_STOPPED, AWAY, PLAIN, RUNTIME_MAX, POLITE, OBEYED_LATE, AT_RETURN },
        { SCOPE_FROZEN, SUPERVISOR_STOPPED, RESTARTED, RUNC, STOP, POLITE, OBEYED },
        { SCOPE_FROZEN, SUPERVISOR_KILLED, THERE, RUNC, UNIT_SIGKILL, DEAF, LOST },
        { SLICE_FROZEN, SUPERVISED, AWAY, RUNC, KILL_SIGKILL, DEAF, KILLED },
        { SLICE_FROZEN, SUPERVISED, RESTARTED, CRUN_HOST, UNIT_SIGKILL, DEAF, LOST },
        { SLICE_FROZEN, SUPERVISOR_STOPPED, THERE, RUNC_HOST, SLICE_STOP, DEAF, KILLED },
        { SLICE_FROZEN, SUPERVISOR_STOPPED, RESTARTED, CRUN_HOST, RUNTIME_MAX, DEAF, KILLED_LATE },
        { SLICE_FROZEN, SUPERVISOR_KILLED, THERE, PLAIN, UNIT_STOP, DEAF, LOST },
        { SLICE_FROZEN, SUPERVISOR_KILLED, AWAY, CRUN, STOP, DEAF, LOST, AT_RETURN },
        { OUTSIDE, SUPERVISED, AWAY, RUNC, UNIT_TERM, DEAF, KILLED },
        { OUTSIDE, SUPERVISED, RESTARTED, RUNC, KILL_TERM, POLITE, OBEYED },
        { OUTSIDE, SUPERVISOR_STOPPED, THERE, CRUN, SLICE_STOP, DEAF, KILLED },
        { OUTSIDE, SUPERVISOR_STOPPED, AWAY, PLAIN, STOP, DEAF, KILLED },
        { OUTSIDE, SUPERVISOR_STOPPED, AWAY, CRUN_HOST, UNIT_STOP, POLITE, OBEYED },
        { OUTSIDE, SUPERVISOR_STOPPED, RESTARTED, RUNC_HOST, RUNTIME_MAX, DEAF, KILLED_LATE },
        { OUTSIDE, SUPERVISOR_KILLED, THERE, RUNC, FREEZE_AND_STOP, DEAF, LOST },
        { CHILD_OUTSIDE, SUPERVISED, THERE, CRUN_HOST, SLICE_STOP, POLITE, OBEYED },
        { CHILD_OUTSIDE, SUPERVISED, AWAY, PLAIN, FREEZE_AND_STOP, POLITE, OBEYED },
        { CHILD_OUTSIDE, SUPERVISED, AWAY, RUNC, KILL_TERM, POLITE, OBEYED },
        { CHILD_OUTSIDE, SUPERVISED, AWAY, RUNC, UNIT_TERM, POLITE, OBEYED },
        { CHILD_OUTSIDE, SUPERVISED, RESTARTED, RUNC, STOP, POLITE, OBEYED },
        { CHILD_OUTSIDE, SUPERVISOR_STOPPED, AWAY, RUNC, RUNTIME_MAX, POLITE, OBEYED_LATE, AT_RETURN },
        { CHILD_OUTSIDE, SUPERVISOR_STOPPED, RESTARTED, RUNC_HOST, FREEZE_AND_STOP, POLITE, OBEYED },
        { CHILD_OUTSIDE, SUPERVISOR_KILLED, RESTARTED, CRUN, UNIT_STOP, DEAF, LOST },
        { LEADERLESS, SUPERVISED, THERE, CRUN, RUNTIME_MAX, DEAF, KILLED_LATE },
        { LEADERLESS, SUPERVISED, THERE, RUNC_HOST, STOP, DEAF, KILLED },
        { LEADERLESS, SUPERVISED, THERE, RUNC_HOST, FREEZE_AND_STOP, DEAF, KILLED },
        { LEADERLESS, SUPERVISED, AWAY, RUNC, UNIT_STOP, DEAF, KILLED },
        { LEADERLESS, SUPERVISOR_STOPPED, THERE, PLAIN, KILL_SIGKILL, DEAF, KILLED },
        { LEADERLESS, SUPERVISOR_KILLED, RESTARTED, CRUN_HOST, KILL_SIGKILL, DEAF, LOST },
        { LEADERLESS, SUPERVISOR_KILLED, RESTARTED, RUNC_HOST, UNIT_TERM, DEAF, LOST },
        { LEADERLESS, SUPERVISOR_KILLED, RESTARTED, RUNC_HOST, SLICE_STOP, DEAF, LOST },
};

class StopCells : public StopTest, public testing::WithParamInterface<Cell>
{
      protected:
        using Clock = std::chrono::steady_clock;

        /* Whether the task is in the state that it is to end in. */
        bool prepare()
        {
                const bool is_timed = cell.asked == RUNTIME_MAX;

                if (!start_target(cell, is_timed ? (uint64_t) runtime_max.count() : 0))
                        return false;
                over = Clock::now() + runtime_max;
                /* before the rest, as a frozen process does not stop */
                if (cell.supervisor == SUPERVISOR_STOPPED && !put_supervisor(cell.supervisor))
                        return false;
                if (!put_main(cell.main))
                        return false;
                if (cell.service == RESTARTED || (cell.service == AWAY && !is_a_call()))
                        end_service();
                if (cell.service == RESTARTED)
                        start_service();
                if (cell.supervisor == SUPERVISOR_KILLED && !put_supervisor(cell.supervisor))
                        return false;
                return true;
        }

        /* Again, with more time, if RuntimeMaxUSec was over before that. */
        bool prepare_in_time()
        {
                const std::chrono::seconds enough(60);

                for (; runtime_max < enough; runtime_max *= 2) {
                        const auto due = Clock::now() + runtime_max;
                        const bool is_ready = prepare();

                        if (cell.asked != RUNTIME_MAX || Clock::now() < due)
                                return is_ready;
                        drop_target();
                }
                return false;
        }

        bool is_a_call() const
        {
                return cell.asked == STOP || cell.asked == KILL_TERM || cell.asked == KILL_SIGKILL;
        }

        /* Before it stops a unit; systemd 252 with the slices above it. */
        bool systemd_thaws() const
        {
                return cell.asked == UNIT_STOP || cell.asked == FREEZE_AND_STOP || cell.asked == SLICE_STOP;
        }

        /* What can be done without the service is done without it. */
        void await_return()
        {
                if (cell.ends == ALONE) {
                        EXPECT_TRUE(eventually([&] { return main.has_ended(); })) << "not by itself";
                } else if (cell.asked == RUNTIME_MAX) {
                        EXPECT_TRUE(eventually([&] { return Clock::now() > over; }));
                }
                start_service();
        }

        const Cell cell = GetParam();
        std::chrono::microseconds runtime_max = std::chrono::seconds(2);
        Clock::time_point over; /* RuntimeMaxUSec */
};

TEST_P(StopCells, EndAsTheyShould)
{
        ASSERT_TRUE(prepare_in_time()) << main.state() << " " << main.cgroup() << " " << supervisor.state();

        ask(cell);
        if (cell.service == AWAY && is_a_call())
                end_service();
        if (cell.service == AWAY)
                await_return();

        EXPECT_EQ(wait_end(), cell.exit);
        expect_empty(cell);
        if (cell.main == SLICE_FROZEN && !systemd_thaws()) {
                EXPECT_EQ(read_file("/sys/fs/cgroup/nomad.slice/cgroup.freeze"), "1\n") << "it is not ours";
        }
}

static std::string name_of(const testing::TestParamInfo<Cell> &info)
{
        return info.param.name();
}

INSTANTIATE_TEST_SUITE_P(, StopCells, testing::ValuesIn(cells), name_of);
