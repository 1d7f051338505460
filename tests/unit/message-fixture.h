/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "cleanup.h"

/* Messages without a bus: sd-bus lets one be built, sealed and read on any connection that has been started,
 * and the other end of this one never answers. */
class MessageTest : public testing::Test
{
      protected:
        void SetUp() override
        {
                ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
                ASSERT_GE(sd_bus_new(&bus), 0);
                ASSERT_GE(sd_bus_set_fd(bus, fds[0], fds[0]), 0);
                ASSERT_GE(sd_bus_start(bus), 0);
        }

        void TearDown() override
        {
                sd_bus_close_unref(bus); /* closes fds[0] */
                close_other_end();
        }

        void close_other_end()
        {
                fds[1] = safe_close(fds[1]);
        }

        /* A message with the body that FILL writes, ready to be read from its start. */
        sd_bus_message *message(const std::function<void(sd_bus_message *)> &fill)
        {
                sd_bus_message *m = nullptr;

                EXPECT_GE(sd_bus_message_new_method_call(bus, &m, "a.b", "/a", "a.b", "C"), 0);
                fill(m);
                EXPECT_GE(sd_bus_message_seal(m, 1, 0), 0);
                EXPECT_GE(sd_bus_message_rewind(m, true), 0);
                return m;
        }

        sd_bus *bus = nullptr;

      private:
        int fds[2] = { -1, -1 };
};
