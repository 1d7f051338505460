/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

/* PSS of the services and of all supervisors. */
double cost_memory_kib(const Bench *bench);

G_END_DECLS
