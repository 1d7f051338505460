/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The precompiled header of the test programs: GoogleTest and what most of them include besides. A test
 * still includes everything that it uses. There is no "#pragma once" here, since gcc warns of it in a file
 * that it compiles by itself. */
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>
