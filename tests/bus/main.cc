/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <gtest/gtest.h>
#include <unistd.h>

#include "sandbox.h"

static int run_tests()
{
        /* a bus that goes away is a finding, not the end */
        (void) signal(SIGPIPE, SIG_IGN);
        return RUN_ALL_TESTS();
}

int main(int argc, char **argv)
{
        testing::InitGoogleTest(&argc, argv);
        /* without root every test skips itself and says why */
        return geteuid() == 0 ? run_in_sandbox(run_tests) : run_tests();
}
