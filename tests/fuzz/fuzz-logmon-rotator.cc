/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cinttypes>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "cleanup.h"
#include "line.h"
#include "rotator.h"
#include "state-file.h"

/* Random sizes and writes against what is to hold for any. Input: two bytes for the size of files and two
 * for what is in the first one, then records of two bytes: length, and whether a newline ends it. */

static const char *directory()
{
        static char path[] = "/tmp/fuzz-logmon-rotator-XXXXXX";
        static const char *made = mkdtemp(path);

        return made;
}

static std::string read_file(uint64_t index)
{
        std::string name = std::string("f.") + std::to_string(index), data;
        const int dir = open(directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *text = nullptr;
        size_t size = 0;

        if (read_file_at(dir, name.c_str(), SIZE_MAX, &text, &size) >= 0)
                data.assign(text, size);
        g_free(text);
        (void) close(dir);
        return data;
}

/* As stream-move.c does it, one chunk being all that is in the pipe. */
static void feed(Rotator *rotator, int pipe_fds[2], const std::string &data)
{
        size_t done = 0;

        if (write(pipe_fds[1], data.data(), data.size()) != static_cast<ssize_t>(data.size()))
                abort();
        while (done < data.size()) {
                const size_t take = rotator_plan(rotator, data.data() + done, data.size() - done);

                if (take > data.size() - done)
                        abort();
                if (take == 0) {
                        const uint64_t before = rotator->index;

                        if (rotator_rotate(rotator) < 0 || rotator->index != before + 1)
                                abort();
                        /* a new file always takes something */
                        if (rotator_plan(rotator, data.data() + done, data.size() - done) == 0)
                                abort();
                        continue;
                }
                if (rotator_splice(rotator, pipe_fds[0], take) != static_cast<ssize_t>(take))
                        abort();
                done += take;
        }
}

static void check(const Rotator *rotator, const std::string &input, uint64_t max_size)
{
        std::string all;

        for (uint64_t i = 0; i <= rotator->index; i++) {
                const std::string file = read_file(i);

                if (file.size() > max_size)
                        abort();
                all += file;
        }
        if (all != input)
                abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
        if (size < 4)
                return 0;

        const bool small = input[0] & 1; /* then little is written, for each file costs time */
        const uint64_t max_size = small ? 1 + input[1] % 32 : LINE_WHOLE_MAX - 128 + input[1] * 256U;
        const size_t first = (input[2] * 256U + input[3]) % (max_size + 1);
        std::string expected(first, 'f');
        int fds[2], dir;

        dir = open(directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const int file = openat(dir, "f.0", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (write(file, expected.data(), first) != static_cast<ssize_t>(first) || pipe2(fds, O_CLOEXEC) < 0)
                abort();
        (void) close(file);
        (void) fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);

        Rotator *rotator = rotator_new(directory(), "f");
        rotator->max_size = max_size;
        if (rotator_open(rotator) < 0)
                abort();

        for (size_t i = 4; i + 1 < size && i < 4 + 2 * 64; i += 2) {
                const size_t length = small ? input[i] % 32 : input[i] * (input[i + 1] & 0x40 ? 150U : 1U);
                const std::string data = std::string(length, 'x') + (input[i + 1] & 1 ? "\n" : "");

                feed(rotator, fds, data);
                expected += data;
        }
        check(rotator, expected, max_size);

        for (uint64_t i = 0; i <= rotator->index; i++)
                (void) unlinkat(dir, (std::string("f.") + std::to_string(i)).c_str(), 0);
        rotator_free(rotator);
        (void) close(fds[0]);
        (void) close(fds[1]);
        (void) close(dir);
        return 0;
}
