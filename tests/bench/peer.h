/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

/* Other ways to start a program: seconds from the start of the tool to the first instruction of the program.
 * Each has ended, and left nothing behind, on return. */
double peer_scope_start(void);
double peer_service_start(void);
double peer_container_start(void);

void peer_prepare_container(void);

G_END_DECLS
