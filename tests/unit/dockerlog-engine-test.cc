/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

#include "backoff.h"
#include "bus-error.h"
#include "cleanup.h"
#include "endpoint.h"
#include "inspect.h"
#include "manager.h"
#include "sink.h"
#include "slot.h"

namespace
{

TEST(DockerLogger, TestNextBackoff)
{
        uint64_t lowest = UINT64_MAX, highest = 0;

        for (int i = 0; i < 1000; i++) {
                const uint64_t next = backoff_next(0);

                EXPECT_GE(next, 500000U);
                EXPECT_LE(next, 1150000U);
                EXPECT_GE(backoff_next(5000000), 5000000U);
                EXPECT_LE(backoff_next(5000000), 16000000U);
                EXPECT_EQ(backoff_next(120000000), 120000000U);
                lowest = std::min(lowest, next);
                highest = std::max(highest, next);
        }
        EXPECT_GT(highest - lowest, 100000U) << "there is no jitter";
}

TEST(DockerLogger, TestIsLoggingTerminalError)
{
        EXPECT_TRUE(engine_error_is_terminal("configured logging driver does not support reading"));
        EXPECT_TRUE(engine_error_is_terminal(
                        "Error: Configured Logging Driver DOES NOT support reading, sorry"));
        EXPECT_TRUE(engine_error_is_terminal("API error (501): Not Implemented"));
        EXPECT_TRUE(engine_error_is_terminal(
                        "this container is using the 'none' log driver, cannot read logs: …"));
        EXPECT_FALSE(engine_error_is_terminal("not terminal error"));
        EXPECT_FALSE(engine_error_is_terminal(""));
}

TEST(Endpoint, Forms)
{
        struct {
                const char *text, *ca, *url, *socket;
        } static const cases[] = {
                { "unix:///run/docker.sock", nullptr, "http://localhost", "/run/docker.sock" },
                { "tcp://10.0.0.1:99", nullptr, "http://10.0.0.1:99", nullptr },
                { "tcp://engine.example", nullptr, "http://engine.example:2375", nullptr },
                { "tcp://engine.example", "/ca.pem", "https://engine.example:2376", nullptr },
                { "tcp://[::1]:80/", "/ca.pem", "https://[::1]:80", nullptr },
        };

        for (const auto &c : cases) {
                Endpoint endpoint = {};

                EXPECT_EQ(endpoint_parse(c.text, nullptr, nullptr, c.ca, &endpoint), 0) << c.text;
                EXPECT_STREQ(endpoint.url, c.url);
                EXPECT_STREQ(endpoint.socket_path, c.socket);
                EXPECT_STREQ(endpoint.ca, c.ca);
                endpoint_clear(&endpoint);
        }
}

TEST(Endpoint, OthersAreNone)
{
        for (const char *text : { "", "unix://", "unix://relative", "/run/docker.sock", "http://host",
                             "tcp://", "tcp://host/path", "tcp://user@host", "tcp://host?query",
                             "ftp://host", "tcp://host:99999" }) {
                Endpoint endpoint = {};

                EXPECT_EQ(endpoint_parse(text, nullptr, nullptr, nullptr, &endpoint), -EINVAL) << text;
        }
        Endpoint endpoint = {};
        EXPECT_EQ(endpoint_parse("unix:///run/docker.sock", nullptr, nullptr, "/ca.pem", &endpoint),
                        -EINVAL);
        const std::string long_path = "unix:///" + std::string(200, 'x');
        EXPECT_EQ(endpoint_parse(long_path.c_str(), nullptr, nullptr, nullptr, &endpoint), -EINVAL);
}

TEST(Inspection, OfAnEngine)
{
        const std::string text =
                        R"({"Id": "abc", "State": {"Status": "running", "Running": true, "Restarting": false,
                "StartedAt": "2026-11-23T23:55:51.06928401Z"}, "HostConfig": {"RestartPolicy": {"Name": "always"}}})";
        Inspection inspection = {};

        ASSERT_EQ(inspection_parse(text.data(), text.size(), &inspection), 0);
        EXPECT_STREQ(inspection.id, "abc");
        EXPECT_TRUE(inspection.running);
        EXPECT_FALSE(inspection.created);
        EXPECT_TRUE(inspection.restarts);
        EXPECT_STREQ(inspection.run, "2026-11-23T23:55:51.06928401Z");
        inspection_clear(&inspection);
}

TEST(Inspection, WhatIsNone)
{
        for (const std::string text : { "", "[]", "{}", "{\"Id\": 3, \"State\": {}}", "{\"Id\": \"x\"}",
                             "{\"Id\": \"x\", \"State\": []}", "null", "{" }) {
                Inspection inspection = {};

                EXPECT_EQ(inspection_parse(text.data(), text.size(), &inspection), -EBADMSG) << text;
        }
}

/* all slots but one, without the files that so many logs would need */
TEST(DockerLogger, AtMostContainersMax)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        char path[] = "/tmp/dockerlog-test-XXXXXX";
        g_autoptr(Manager) manager = nullptr;
        uint32_t last = 0;
        ContainerLog *log;
        sd_event *event;
        sd_bus *bus;

        ASSERT_NE(mkdtemp(path), nullptr);
        ASSERT_GE(sd_event_new(&event), 0);
        ASSERT_GE(sd_bus_new(&bus), 0);
        ASSERT_GE(manager_new(event, bus, open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), &manager), 0);
        for (uint32_t slot; slot_file_take(manager->slots, &slot) >= 0;)
                last = slot;
        ASSERT_EQ(last, CONTAINERS_MAX - 1);
        slot_file_release(manager->slots, last);

        EXPECT_GE(manager_obtain_log(manager, "last", &log, &error), 0);
        EXPECT_GE(manager_obtain_log(manager, "last", &log, &error), 0);
        EXPECT_LT(manager_obtain_log(manager, "one-too-many", &log, &error), 0);
        EXPECT_STREQ(error.name, BUS_ERROR_LIMIT_EXCEEDED);
        manager_remove_log(manager, log);
        EXPECT_GE(manager_obtain_log(manager, "one-too-many", &log, nullptr), 0) << "there is room again";

        EXPECT_EQ(unlink((std::string(path) + "/positions").c_str()), 0);
        EXPECT_EQ(rmdir(path), 0);
        sd_bus_unref(bus);
        sd_event_unref(event);
}

/* --- the stage, the pipe and the slot: a process that dies at every step --- */

class SinkTest : public testing::Test
{
      protected:
        void SetUp() override
        {
                const SinkHandler handler = { [](Sink *, void *userdata) { (*(int *) userdata)++; },
                        [](Sink *, int error, void *) { ADD_FAILURE() << error; }, &emptied };

                ASSERT_GE(sd_event_new(&event), 0);
                sink = sink_new(event, "label", STREAM_STDOUT, slot.moved, &handler);
                ASSERT_EQ(sink_open_stage(sink), 0);
                ASSERT_EQ(sink_open_pipe(sink, &reader), 0);
                ASSERT_GE(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
        }
        void TearDown() override
        {
                sink_free(sink);
                sd_event_unref(event);
                (void) close(reader);
        }
        std::string received()
        {
                char buffer[4096];
                std::string text;
                ssize_t n;

                while ((n = read(reader, buffer, sizeof buffer)) > 0)
                        text.append(buffer, (size_t) n);
                return text;
        }
        void fill(const std::string &text)
        {
                Checkpoint next = *slot_current(&slot);

                next.bytes[STREAM_STDOUT] += text.size();
                slot_begin(&slot);
                ASSERT_EQ(sink_fill(sink, text.data(), text.size()), 0);
                slot_commit(&slot, &next);
        }

        Slot slot = {};
        sd_event *event = nullptr;
        Sink *sink = nullptr;
        int reader = -1, emptied = 0;
};

TEST_F(SinkTest, GoesThroughTheStage)
{
        fill("hello");
        EXPECT_EQ(sink_staged(sink), 5U);
        EXPECT_EQ(received(), "");
        EXPECT_EQ(sink_flush(sink), 0);
        EXPECT_EQ(sink_staged(sink), 0U);
        EXPECT_EQ(received(), "hello");
        EXPECT_EQ(slot.moved[STREAM_STDOUT], 5U);
}

TEST_F(SinkTest, WaitsForTheReader)
{
        const std::string block(sink->capacity, 'x');
        size_t total = 0, got = 0;

        while (sink_staged(sink) == 0) {
                fill(block);
                total += block.size();
                ASSERT_EQ(sink_flush(sink), 0);
        }
        for (int i = 0; i < 1000 && got < total; i++) {
                got += received().size();
                ASSERT_GE(sd_event_run(event, 100000), 0);
        }
        EXPECT_EQ(got, total);
        EXPECT_EQ(sink_staged(sink), 0U);
        EXPECT_EQ(emptied, 1);
        EXPECT_EQ(slot.moved[STREAM_STDOUT], total);
}

TEST_F(SinkTest, ReaderIsGone)
{
        fill("hello");
        (void) close(reader);
        reader = -1;
        ASSERT_EQ(signal(SIGPIPE, SIG_IGN), SIG_DFL);
        EXPECT_EQ(sink_flush(sink), -EPIPE);
        EXPECT_EQ(sink_staged(sink), 5U) << "it is kept for another pipe";
        EXPECT_EQ(sink_open_pipe(sink, &reader), 0);
        EXPECT_EQ(sink_flush(sink), 0);
        EXPECT_EQ(read(reader, std::string(5, 0).data(), 5), 5);
}

/* Died while it was filling: what is in the stage is not committed. */
TEST_F(SinkTest, UncommittedIsDiscarded)
{
        fill("one");
        ASSERT_EQ(sink_flush(sink), 0);
        slot_begin(&slot);
        ASSERT_EQ(sink_fill(sink, "half of", 7), 0);
        EXPECT_TRUE(slot_is_filling(&slot));
        EXPECT_EQ(slot_current(&slot)->bytes[STREAM_STDOUT], 3U);
        ASSERT_EQ(sink_discard(sink), 0);
        slot_abandon(&slot);
        EXPECT_FALSE(slot_is_filling(&slot));
        EXPECT_EQ(sink_staged(sink), 0U);
        EXPECT_EQ(slot_current(&slot)->bytes[STREAM_STDOUT], 3U);
}

/* The stage is lost with a part of what was committed: that is skipped when it comes again. */
TEST(Slot, LostStage)
{
        Slot slot = {};
        Checkpoint first = {}, second = {};

        first.positions[STREAM_STDOUT].nsec = 1;
        first.bytes[STREAM_STDOUT] = 10;
        slot_commit(&slot, &first);
        slot.moved[STREAM_STDOUT] = 10;
        second = first;
        second.positions[STREAM_STDOUT].nsec = 2;
        second.bytes[STREAM_STDOUT] = 30;
        slot_commit(&slot, &second);
        slot.moved[STREAM_STDOUT] = 14;

        slot_recover(&slot);
        EXPECT_EQ(slot_current(&slot)->positions[STREAM_STDOUT].nsec, 1);
        EXPECT_EQ(slot_current(&slot)->skip[STREAM_STDOUT], 4U);
        EXPECT_EQ(slot_current(&slot)->bytes[STREAM_STDOUT], 14U);
        slot_recover(&slot);
        EXPECT_EQ(slot_current(&slot)->skip[STREAM_STDOUT], 4U) << "once more is the same";

        slot_restart(&slot);
        EXPECT_EQ(slot_current(&slot)->positions[STREAM_STDOUT].nsec, 0);
        EXPECT_EQ(slot_current(&slot)->skip[STREAM_STDOUT], 0U);
}

TEST(Slot, NothingIsLostWithAnEmptyStage)
{
        Slot slot = {};
        Checkpoint next = {};

        next.positions[STREAM_STDOUT].nsec = 5;
        next.bytes[STREAM_STDOUT] = 10;
        slot_commit(&slot, &next);
        slot.moved[STREAM_STDOUT] = 10;
        slot_recover(&slot);
        EXPECT_EQ(slot_current(&slot)->positions[STREAM_STDOUT].nsec, 5);
        EXPECT_EQ(slot_current(&slot)->skip[STREAM_STDOUT], 0U);
}

} // namespace
