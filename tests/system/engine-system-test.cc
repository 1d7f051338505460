/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <iostream>
#include <unistd.h>

#include "engine-fixture.h"

/* With an engine of our own, fake-engine.py, which fails as it is told. */

/* What the service may need for any reply, over what it needs when it has nothing to do. */
static const size_t MEMORY_KIB = 16 * 1024;

TEST_F(Engine, CutAnywhere)
{
        get_over("cut", 40, 20000, "");
        EXPECT_GE(container_count("fake", "Reconnects"), 40U);
}

TEST_F(Engine, KilledWhileItIsCut)
{
        start_engine("cut", 40, 20000);
        must_follow("fake", fake());
        kill_often(20, 60);
        expect_all(20000);
}

TEST_F(Engine, OneByteAtATime)
{
        get_over("drip", 0, 1000, "");
}

TEST_F(Engine, SmallPieces)
{
        get_over("pieces", 0, 20000, "");
}

TEST_F(Engine, GarbageInsteadOfAFrame)
{
        get_over("garbage", 2, 5000, "not a log");
}

TEST_F(Engine, MessageOfTheEngine)
{
        get_over("message", 1, 5000, "the daemon has a problem");
}

TEST_F(Engine, Status500)
{
        get_over("500", 3, 1000, "out of order");
}

TEST_F(Engine, HeadersWithoutEnd)
{
        start_engine("headers", 2, 1000);
        must_follow("fake", fake());
        expect_all(1000);
        EXPECT_LT(memory_peak(), MEMORY_KIB + memory_now());
}

TEST_F(Engine, DescriptionWithoutEnd)
{
        start_engine("reply", 2, 1000);
        must_follow("fake", fake());
        expect_all(1000);
        EXPECT_LT(memory_peak(), MEMORY_KIB + memory_now());
}

TEST_F(Engine, HugeFrame)
{
        start_engine("huge", 1, 0);
        must_follow("fake", fake());
        reset_peak();
        EXPECT_EQ(result_of("fake"), "exited");
        EXPECT_EQ(run({ "sh", "-c", "cat /var/log/nomad/fake/fake.stdout.* | sha256sum" }).text,
                        run({ "sh", "-c", "(head -c 67108864 /dev/zero | tr '\\0' x; echo) | sha256sum" })
                                        .text);
        std::cout << "peak memory " << memory_peak() << " KiB" << std::endl;
        EXPECT_LT(memory_peak(), MEMORY_KIB + memory_now());
}

/* It is given 10 s, and not more than CONTAINER_STOP_WAITERS_MAX callers may wait for that. */
TEST_F(Engine, StopOfOneThatHangs)
{
        std::vector<std::shared_ptr<Pending>> calls;

        start_engine("hang", 1000, 1000);
        must_follow("fake", fake());
        for (int i = 0; i < 65; i++)
                calls.push_back(client.call_later(DOCKERLOG_NAME, DOCKERLOG_PATH, DOCKERLOG_MANAGER, "Stop",
                                [](sd_bus_message *m) {
                                        EXPECT_GE(sd_bus_message_append(m, "s", "fake"), 0);
                                }));
        for (const auto &call : calls) {
                ASSERT_TRUE(client.await(call));
                EXPECT_EQ(call->reply().error,
                                call == calls.back() ? "org.nomad.Executor.Error.LimitExceeded" : "");
        }
        EXPECT_EQ(container_property("fake", "Result"), "stopped");
        EXPECT_NE(container_property("fake", "LastError"), "");
}

TEST_F(Engine, ComesLate)
{
        must_follow("fake", fake());
        EXPECT_TRUE(await_state("fake", "waiting"));
        EXPECT_NE(container_property("fake", "LastError"), "");
        start_engine("normal", 0, 1000);
        expect_all(1000);
}

/* The pipe is full, the engine waits, and memory stays what it is. */
TEST_F(Engine, LogmonDoesNotRead)
{
        start_engine("normal", 0, 500000);
        must_follow("fake", fake());
        const pid_t logmon = logmon_pid();
        ASSERT_EQ(kill(logmon, SIGSTOP), 0);
        await_standstill();
        EXPECT_LT(container_count("fake", "StdoutBytes"), written(500000, false).size());
        EXPECT_LT(memory_peak(), MEMORY_KIB + memory_now());
        ASSERT_EQ(kill(logmon, SIGCONT), 0);
        expect_all(500000);
}

/* Stopped with what systemd keeps: it is gone on with all the same. */
TEST_F(Engine, StopAndStartOfTheService)
{
        start_engine("cut", 40, 20000);
        must_follow("fake", fake());
        for (int i = 0; i < 4; i++) {
                ASSERT_EQ(run({ "systemctl", "stop", DOCKERLOG_UNIT }).status, 0);
                ASSERT_EQ(run({ "systemctl", "start", DOCKERLOG_UNIT }).status, 0);
        }
        expect_all(20000);
}

/* From version 254 on, over "systemctl stop" too, and nothing is lost. */
static bool systemd_keeps_descriptors_of(const std::string &unit)
{
        return run({ "systemctl", "show", "-P", "FileDescriptorStorePreserve", unit }).text == "yes\n";
}

TEST_F(Engine, LogmonIsStoppedForGood)
{
        start_engine("pieces", 0, 100000);
        must_follow("fake", fake());
        EXPECT_TRUE(eventually([&] { return container_count("fake", "StdoutBytes") > 1000; }));
        ASSERT_EQ(run({ "systemctl", "stop", LOGMON_UNIT }).status, 0);
        if (systemd_keeps_descriptors_of(LOGMON_UNIT)) {
                ASSERT_EQ(run({ "systemctl", "start", LOGMON_UNIT }).status, 0);
                expect_all(100000);
                return;
        }
        EXPECT_EQ(result_of("fake"), "exited");
        /* what was in the pipe then is lost, see docs/logging.md, but nothing else, and nothing is
         * doubled */
        const std::vector<std::string> lines = lines_of(contents_of("fake"));
        EXPECT_EQ(lines.back(), "99999");
        EXPECT_GT(lines.size(), 20000U);
}

TEST_F(Engine, TLS)
{
        const std::string port = "23760";

        ASSERT_EQ(run({ "sh", "-ec",
                                      "cd " + scratch +
                                                      "; for i in ca other; do openssl req -x509 -newkey rsa:2048 -nodes "
                                                      "-keyout $i.key -out $i.pem -days 2 -subj /CN=$i; done 2>/dev/null; "
                                                      "for i in engine client; do openssl req -newkey rsa:2048 -nodes -keyout $i.key "
                                                      "-out $i.csr -subj /CN=localhost 2>/dev/null; printf 'subjectAltName=IP:127.0.0.1' "
                                                      ">ext; openssl x509 -req -in $i.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
                                                      "-out $i.pem -days 2 -extfile ext 2>/dev/null; done" })
                                        .status,
                        0);
        start_engine("normal", 0, 1000,
                        { port, scratch + "/engine.pem", scratch + "/engine.key", scratch + "/ca.pem" });
        const Spec keys = Spec().set("ContainerID", "fake")
                                          .set("Endpoint", "tcp://127.0.0.1:" + port)
                                          .set("TLSCertificate", scratch + "/client.pem")
                                          .set("TLSKey", scratch + "/client.key");
        must_follow("fake", Spec(keys).set("TLSCA", scratch + "/other.pem"));
        EXPECT_TRUE(eventually([&] {
                return container_property("fake", "LastError").find("certificate") != std::string::npos;
        })) << container_property("fake", "LastError");
        EXPECT_TRUE(dockerlog("Stop", "fake").ok());
        EXPECT_EQ(contents_of("fake"), "");

        must_follow("fake", Spec(keys).set("TLSCA", scratch + "/ca.pem"));
        expect_all(1000);
}

/* Its time is that of the 500th line. */
TEST_F(Engine, Since)
{
        const std::string before = written(500, false), before_err = written(500, true);

        start_engine("normal", 0, 1000);
        must_follow("fake", fake().set("Since", UINT64_C(1700000000000100)));
        EXPECT_EQ(result_of("fake"), "exited");
        EXPECT_TRUE(same_text(contents_of("fake"), written(1000, false).substr(before.size())));
        EXPECT_TRUE(same_text(contents_of("fake", "stderr"), written(1000, true).substr(before_err.size())));
}

TEST_F(Engine, BadConfigs)
{
        const std::string invalid = "org.nomad.Executor.Error.InvalidSpec";
        const std::vector<std::pair<Spec, std::string>> bad = {
                { Spec(), "ContainerID" },
                { Spec().set("ContainerID", ""), "ContainerID" },
                { Spec().set("ContainerID", "../x"), "ContainerID" },
                { Spec().set("ContainerID", "x?follow=0"), "ContainerID" },
                { Spec().set("ContainerID", "x").set("Endpoint", "http://x"), "Endpoint" },
                { Spec().set("ContainerID", "x").set("Since", UINT64_MAX), "Since" },
                { Spec().set("ContainerID", "x").set("TLSCA", "relative"), "TLSCA" },
                { Spec().set("ContainerID", "x").set("TLSKey", "/key").set("Endpoint", "tcp://x"),
                                "TLSKey" },
                { Spec().set("ContainerID", "x").set("LogMaxFiles", 0U), "LogMaxFiles" },
                { Spec().set("ContainerID", "x").set("LogTargets", std::vector<std::string>{ "x" }),
                                "LogTargets" },
                { Spec().set("ContainerID", "x").set("Group", "nogroup"), "User" },
                { Spec().set("ContainerID", "x").set("User", "nobody-knows"), "User" },
                { Spec().set("ContainerID", "x").set("Container", "x"), "Container" },
        };

        for (const auto &[spec, key] : bad) {
                Reply reply = follow("bad", spec);

                EXPECT_EQ(reply.error, invalid) << key;
                EXPECT_NE(reply.text.find(key), std::string::npos) << reply.text;
        }
        Reply reply = follow("bad", Spec(fake()).set("LogDirectory", "/nowhere"));
        EXPECT_EQ(reply.error, "org.nomad.Executor.Error.LogFailed") << reply;
        EXPECT_NE(reply.text.find("/nowhere"), std::string::npos) << reply;
        EXPECT_EQ(follow("", fake()).error, invalid);
        EXPECT_EQ(container_property("bad", "State"), "") << "it is there";
        followed.erase("");
}

TEST_F(Engine, NobodyElseMayCall)
{
        const Output output = run_as_nobody({ "busctl", "call", DOCKERLOG_NAME, DOCKERLOG_PATH,
                        DOCKERLOG_MANAGER, "Stop", "s", "fake" });

        EXPECT_NE(output.status, 0);
        EXPECT_NE(output.text.find("Access denied"), std::string::npos) << output;
}
