/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cstdlib>
#include <iostream>

#include "support.h"

/* A short run of chaos.py, which says what it does; NOMAD_TEST_SEED replays one, NOMAD_TEST_SECONDS makes it
 * longer. */

#define CHAOS_PY "/usr/lib/nomad-executor/tests/chaos.py"

static std::string setting(const char *name, const std::string &otherwise)
{
        const char *value = getenv(name);

        return value ? value : otherwise;
}

TEST_F(SystemTest, ChaosEndsWithEveryResultTrueAndNothingLeft)
{
        std::string seed = setting("NOMAD_TEST_SEED", std::to_string(time(nullptr)));
        std::string seconds = setting("NOMAD_TEST_SECONDS", "20");
        Output output = run({ "python3", CHAOS_PY, seed, seconds },
                        RUN_LIMIT + std::chrono::seconds(std::stoul(seconds)));

        std::cout << output.text;
        EXPECT_EQ(output.status, 0) << output;
}
