/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

#include "cleanup.h"
#include "counters.h"
#include "pump.h"
#include "state-file.h"
#include "stream-move.h"

/* A folder of its own for one test. */
class TempDir
{
      public:
        TempDir()
        {
                char name[] = "/tmp/logmon-test-XXXXXX";

                path = mkdtemp(name) ? name : "";
        }

        ~TempDir()
        {
                (void) remove_tree_at(AT_FDCWD, path.c_str());
        }

        TempDir(const TempDir &) = delete;
        TempDir &operator=(const TempDir &) = delete;

        std::string operator/(const std::string &name) const
        {
                return path + "/" + name;
        }

        void write(const std::string &name, const std::string &text) const
        {
                std::ofstream(path + "/" + name, std::ios::binary) << text;
        }

        std::string read(const std::string &name) const
        {
                std::ifstream file(path + "/" + name, std::ios::binary);

                return { std::istreambuf_iterator<char>(file), {} };
        }

        bool has(const std::string &name) const
        {
                return access((path + "/" + name).c_str(), F_OK) == 0;
        }

        /* The files NAME.N, by N. */
        std::map<uint64_t, std::string> files(const std::string &name) const
        {
                std::map<uint64_t, std::string> found;
                DIR *dir = opendir(path.c_str());

                while (struct dirent *entry = readdir(dir)) {
                        std::string file = entry->d_name;

                        if (file.rfind(name + ".", 0) == 0)
                                found[std::stoull(file.substr(name.size() + 1))] = read(file);
                }
                (void) closedir(dir);
                return found;
        }

        std::vector<std::string> contents(const std::string &name) const
        {
                std::vector<std::string> all;

                for (const auto &file : files(name))
                        all.push_back(file.second);
                return all;
        }

        std::string path;
};

/* A stream with files and no event loop going: what is written to it is moved at once. */
class StreamTest : public testing::Test
{
      protected:
        void SetUp() override
        {
                ASSERT_FALSE(dir.path.empty());
                ASSERT_GE(sd_event_new(&event), 0);
                ASSERT_GE(pump_init(&pump), 0);
                ASSERT_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);

                handler.ended = [](Stream *, void *) {};
                handler.moved = [](Stream *, void *) {};
                handler.failed = [](Stream *, const char *message, void *userdata) {
                        static_cast<StreamTest *>(userdata)->errors.emplace_back(message);
                };
                handler.warned = [](Stream *, const char *, void *) {};
                handler.userdata = this;
                stream = stream_new(STREAM_STDOUT, event, &pump, &counters, &handler);
        }

        void TearDown() override
        {
                stream_free(stream);
                safe_close(fds[1]);
                pump_clear(&pump);
                sd_event_unref(event);
        }

        Rotator *rotator(uint32_t max_files, uint64_t max_size)
        {
                Rotator *made = rotator_new(dir.path.c_str(), "redis.stdout");

                made->max_files = max_files;
                made->max_size = max_size;
                return made;
        }

        void start(uint32_t max_files, uint64_t max_size)
        {
                stream->rotator = rotator(max_files, max_size);
                ASSERT_GE(rotator_open(stream->rotator), 0);
                ASSERT_GE(stream_start(stream, fds[0], false), 0);
        }

        MoveResult move()
        {
                MoveResult result;
                size_t moved;

                do
                        result = stream_move(stream, &moved);
                while (result == MOVE_MORE);
                return result;
        }

        /* Everything at once, as far as the pipe takes it at once. */
        void feed(const std::string &data)
        {
                size_t done = 0;

                while (done < data.size()) {
                        ssize_t n = write(fds[1], data.data() + done, data.size() - done);

                        ASSERT_TRUE(n > 0 || errno == EAGAIN);
                        done += n > 0 ? static_cast<size_t>(n) : 0;
                        (void) move();
                }
        }

        TempDir dir;
        sd_event *event = nullptr;
        Pump pump = {};
        Counters counters = {};
        StreamHandler handler = {};
        Stream *stream = nullptr;
        int fds[2] = { -1, -1 };
        std::vector<std::string> errors;
};
