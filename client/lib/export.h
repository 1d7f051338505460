/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For what libnomad-executor.sym lists; everything else is hidden. */
#define EXPORT __attribute__((__visibility__("default")))
