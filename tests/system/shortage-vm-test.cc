/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shortage.h"

/* The number of processes, which only a kernel with the pids controller limits. */

class PidShortage : public Shortage
{
      protected:
        static void set_tasks_max(const std::string &unit, const std::string &value)
        {
                command({ "systemctl", "set-property", "--runtime", unit, "TasksMax=" + value });
        }
};

TEST_F(PidShortage, OfTheExecutor)
{
        const pid_t pid = main_pid(EXECUTOR_UNIT);

        set_tasks_max(EXECUTOR_UNIT, "1");
        Reply reply = expect_refused("no-supervisor");
        set_tasks_max(EXECUTOR_UNIT, "infinity");
        EXPECT_NE(reply.text.find("Resource temporarily unavailable"), std::string::npos) << reply;
        expect_nothing_left("no-supervisor");
        EXPECT_EQ(main_pid(EXECUTOR_UNIT), pid);
        expect_well();
}

/* Room for the bystander alone: its supervisor and its shell. */
TEST_F(PidShortage, OfAllTasks)
{
        set_tasks_max("nomad.slice", "2");
        Reply reply = expect_refused("no-process");
        set_tasks_max("nomad.slice", "infinity");
        EXPECT_NE(reply.text.find("Resource temporarily unavailable"), std::string::npos) << reply;
        expect_nothing_left("no-process");
        expect_well();
}
