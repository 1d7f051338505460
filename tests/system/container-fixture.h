/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <functional>

#include "log-fixture.h"

#define DOCKERLOG_UNIT    "nomad-dockerlog.service"
#define DOCKERLOG_NAME    "org.nomad.DockerLogger"
#define DOCKERLOG_PATH    "/org/nomad/DockerLogger"
#define DOCKERLOG_MANAGER "org.nomad.DockerLogger.Manager"
#define DOCKERLOG_LOG     "org.nomad.DockerLogger.Log"

/* Tests of logs that come from an engine. All of them are stopped and released at the end. */
class ContainerLogTest : public LogTest
{
      protected:
        /* Those that have a suite's own call it first. */
        static void SetUpTestSuite();
        void TearDown() override;

        Reply dockerlog(const std::string &member, const std::string &id);
        /* Start of nomad-dockerlog's manager. */
        Reply follow(const std::string &id, const Spec &config);
        /* A failure is one of the test, and is thrown, since nothing that follows makes sense. */
        void must_follow(const std::string &id, const Spec &config);
        std::string container_property(const std::string &id, const std::string &name);
        uint64_t container_count(const std::string &id, const std::string &name);
        /* Waits for its end; what has it come to. */
        std::string result_of(const std::string &id, std::chrono::seconds limit = std::chrono::seconds(60));
        bool await_state(const std::string &id, const std::string &state);
        /* That it is followed, after N interruptions. */
        bool await_reconnect(const std::string &id, unsigned n);

        pid_t dockerlog_pid(pid_t old = 0);
        void kill_dockerlog();
        /* N times, each time after it runs for up to MAX_MSEC; ALSO is called with each number, from 0
         * on. */
        void kill_often(unsigned n, unsigned max_msec, const std::function<void(unsigned)> &also = {});
        /* Until it has been followed again N times, which on a slow machine is not so after each kill. */
        bool kill_until_reconnected(const std::string &id, unsigned n);
        /* What ALSO is for: logmon is killed at every third. */
        void kill_logmon_too(unsigned i);

        /* Resident memory of the service, and how much it was at most since reset_peak(), in KiB. */
        static size_t memory_peak();
        static size_t memory_now();
        static void reset_peak();

        std::set<std::string> followed;
};

/* A file system of a container: busybox, for "import". */
std::string image_archive();

/* A shell script that writes lines, numbered from FROM to before TO, in bursts. */
std::string numbered_bursts(unsigned bursts, unsigned lines, const std::string &pause);
/* One that writes such lines to both streams until the container is sent SIGTERM, so that what is done to it
 * meanwhile may take as long as it takes. The last line of a stream has the number of its lines. */
std::string numbered_until_told(unsigned lines, const std::string &pause);
/* Whether TEXT is that, in full. */
testing::AssertionResult is_numbered_to_its_end(const std::string &text);
/* And what they write. */
std::string numbered(unsigned long from, unsigned long to);
