/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "sequence.h"

/* The task of the tests of logs: log-writer TAG CHUNK PAUSE_USEC LIMIT STOP COUNT writes the sequence of TAG
 * to standard output, CHUNK bytes at a time with a pause in between, until it has written LIMIT bytes (0:
 * without end) or the file STOP is there, and then the number of bytes to the file COUNT. Fails when a write
 * does. */

static bool write_all(const std::vector<char> &chunk)
{
        for (size_t done = 0; done < chunk.size();) {
                const ssize_t n = write(STDOUT_FILENO, chunk.data() + done, chunk.size() - done);

                if (n < 0 && errno != EINTR)
                        return false;
                done += n > 0 ? (size_t) n : 0;
        }
        return true;
}

int main(int argc, char **argv)
{
        uint64_t pause, limit, position = 0;
        std::vector<char> chunk;
        unsigned tag;

        if (argc != 7)
                return 2;
        tag = (unsigned) std::stoul(argv[1]);
        chunk.resize(std::stoul(argv[2]));
        pause = std::stoull(argv[3]);
        limit = std::stoull(argv[4]);

        while ((limit == 0 || position < limit) && access(argv[5], F_OK) < 0) {
                if (limit > 0 && limit - position < chunk.size())
                        chunk.resize(limit - position);
                sequence_fill(tag, position, chunk.data(), chunk.size());
                if (!write_all(chunk))
                        return 1;
                position += chunk.size();
                if (pause > 0)
                        (void) usleep((useconds_t) pause);
        }

        const std::string name = argv[6];
        std::ofstream(name + ".new") << position << "\n";
        return std::rename((name + ".new").c_str(), name.c_str()) == 0 ? 0 : 1;
}
