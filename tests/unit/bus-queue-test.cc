/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-queue.h"

#include <gtest/gtest.h>
#include <map>

#include "message-fixture.h"

namespace
{

/* A connection to a peer that never says anything. */
class Queue : public MessageTest
{
      protected:
        void SetUp() override
        {
                MessageTest::SetUp();
                if (HasFatalFailure())
                        return;
                bus_queue_init(&queue, bus);
        }

        void TearDown() override
        {
                bus_queue_clear(&queue);
                MessageTest::TearDown();
        }

        void call(BusCall **ret)
        {
                sd_bus_message *m = nullptr;

                ASSERT_GE(sd_bus_message_new_method_call(bus, &m, "x.y", "/", "x.y", "Z"), 0);
                ASSERT_GE(bus_queue_call(&queue, m, on_reply, this, 0, ret), 0);
                sd_bus_message_unref(m);
        }

        static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *)
        {
                const sd_bus_error *error = sd_bus_message_get_error(reply);

                static_cast<Queue *>(userdata)->errors[error ? error->name : "none"]++;
                return 0;
        }

        BusQueue queue = {};
        std::map<std::string, unsigned> errors;
};

/* Those that were sent are told by sd-bus, and those that waited by the queue: nothing hangs for want of an
 * answer. */
TEST_F(Queue, EveryCallIsAnsweredWhenTheConnectionGoes)
{
        const unsigned more = 10;
        BusCall *owned = nullptr, *called_off = nullptr;

        for (unsigned i = 0; i < BUS_QUEUE_IN_FLIGHT_MAX + more - 2; i++)
                call(nullptr);
        call(&owned);
        call(&called_off);
        ASSERT_EQ(queue.sent.length, BUS_QUEUE_IN_FLIGHT_MAX);
        ASSERT_EQ(queue.waiting.length, more);
        (void) bus_call_free(called_off);

        close_other_end();
        while (sd_bus_process(bus, nullptr) >= 0)
                ;
        unsigned answered = 0;
        for (const auto &[name, n] : errors) {
                EXPECT_NE(name, "none");
                answered += n;
        }
        EXPECT_EQ(answered, BUS_QUEUE_IN_FLIGHT_MAX + more - 1);
        EXPECT_EQ(queue.sent.length, 0U);
        EXPECT_EQ(queue.waiting.length, 0U);
        (void) bus_call_free(owned);
}

} // namespace
