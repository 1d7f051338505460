/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

/* Kills the service; returns the seconds until it has its tasks again and answers. */
double control_adopt(const Bench *bench);

G_END_DECLS
