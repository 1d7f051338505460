/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

G_BEGIN_DECLS

/* Takes PIDFD, which is that of a child that has ended or is about to, and waits for the child without
 * holding up the loop: one that the kernel cannot kill yet is reaped when it has ended. */
void reap_child(sd_event *event, int pidfd);

/* The same after SIGKILL. */
void kill_and_reap_child(sd_event *event, int pidfd);

G_END_DECLS
