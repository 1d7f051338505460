/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot.h"

#define CHECKPOINT_MASK UINT64_C(1)
#define FILLING         UINT64_C(2)

static uint64_t get_state(const Slot *slot)
{
        return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
}

/* In this order for whoever reads the file next, however this process ends. */
static void set_state(Slot *slot, uint64_t state)
{
        __atomic_store_n(&slot->state, state, __ATOMIC_SEQ_CST);
}

static uint64_t get_index(const Slot *slot)
{
        return get_state(slot) & CHECKPOINT_MASK;
}

const Checkpoint *slot_current(const Slot *slot)
{
        return slot->checkpoints + get_index(slot);
}

void slot_begin(Slot *slot)
{
        set_state(slot, get_index(slot) | FILLING);
}

void slot_commit(Slot *slot, const Checkpoint *checkpoint)
{
        uint64_t next = get_index(slot) ^ CHECKPOINT_MASK;

        slot->checkpoints[next] = *checkpoint;
        set_state(slot, next);
}

bool slot_is_filling(const Slot *slot)
{
        return get_state(slot) & FILLING;
}

void slot_abandon(Slot *slot)
{
        set_state(slot, get_index(slot));
}

void slot_recover(Slot *slot)
{
        uint64_t index = get_index(slot);
        const Checkpoint *current = slot->checkpoints + index;
        Checkpoint back = slot->checkpoints[index ^ CHECKPOINT_MASK];
        bool empty = true;

        for (size_t i = 0; i < STREAM_MAX; i++)
                empty = empty && slot->moved[i] == current->bytes[i];
        if (empty || slot_is_filling(slot)) {
                slot_abandon(slot);
                return;
        }

        /* what was to be skipped before is to be skipped still, before what had been moved */
        for (size_t i = 0; i < STREAM_MAX; i++) {
                back.skip[i] += slot->moved[i] - back.bytes[i];
                back.bytes[i] = slot->moved[i];
        }
        slot_commit(slot, &back);
}

void slot_restart(Slot *slot)
{
        Checkpoint first = {};

        for (size_t i = 0; i < STREAM_MAX; i++)
                first.bytes[i] = slot->moved[i];
        slot_commit(slot, &first);
}
