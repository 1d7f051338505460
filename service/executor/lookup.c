/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup.h"

#include <inttypes.h>

#include "bus-error.h"
#include "cleanup.h"
#include "log.h"
#include "lookup-message.h"
#include "lookup-worker.h"

#define PROGRAM_NAME "nomad-lookup"

#define TIMEOUT_SEC ((unsigned) (LOOKUP_TIMEOUT_USEC / G_TIME_SPAN_SECOND))

struct Lookup {
        Lookups *lookups;
        char *caller;
        char *user, *group;
        LookupHandler handler;
        void *userdata;
        Lookup **slot;          /* the caller's pointer to this */
        LookupWorker *worker;   /* NULL: it is among those that wait */
        uint64_t begin_usec;    /* CLOCK_MONOTONIC, of the call, and then of the worker */
        uint64_t due_usec;      /* CLOCK_MONOTONIC */
        bool worker_is_new;     /* and was started for this */
        bool impatient;         /* LOOKUP_PATIENCE_USEC is over */
        sd_event_source *timer; /* for that, and then for when it is due; or to look whether it can begin */
};

static uint64_t now_usec(void)
{
        return (uint64_t) g_get_monotonic_time();
}

static void destroy(Lookup *lookup)
{
        sd_event_source_disable_unref(lookup->timer);
        g_free(lookup->caller);
        g_free(lookup->user);
        g_free(lookup->group);
        g_free(lookup);
}

static char *describe(const Lookup *lookup)
{
        const char *user = lookup->user ? lookup->user : "the service's own";

        return lookup->group ? g_strdup_printf("User '%s' and Group '%s'", user, lookup->group)
                             : g_strdup_printf("User '%s'", user);
}

/* It is neither a worker's nor in the queue any more. */
static void complete(Lookup *lookup, Credentials *credentials, const sd_bus_error *error)
{
        LookupHandler handler = lookup->handler;
        void *userdata = lookup->userdata;

        *lookup->slot = NULL;
        destroy(lookup);
        handler(credentials, error, userdata);
}

static int set_error(const Lookup *lookup, int r, sd_bus_error *error)
{
        g_autofree char *what = describe(lookup);

        return sd_bus_error_set_errnof(error, r, "Cannot look up %s: %s", what,
                        r == -ECONNRESET ? PROGRAM_NAME " died" : spawn_error_text(r));
}

static void fail(Lookup *lookup, int r)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        (void) set_error(lookup, r, &error);
        complete(lookup, NULL, &error);
}

static LookupWorker *find_idle(const Lookups *lookups)
{
        for (guint i = 0; i < lookups->workers->len; i++) {
                LookupWorker *worker = g_ptr_array_index(lookups->workers, i);

                if (!worker->lookup)
                        return worker;
        }

        return NULL;
}

/* Workers that have been at one look-up since SINCE or before: of CALLER, or of everybody if that is
 * NULL. */
static unsigned count_at_work(const Lookups *lookups, const char *caller, uint64_t since)
{
        unsigned n = 0;

        for (guint i = 0; i < lookups->workers->len; i++) {
                const LookupWorker *worker = g_ptr_array_index(lookups->workers, i);

                if (worker->lookup && worker->lookup->begin_usec <= since &&
                                (!caller || g_str_equal(worker->lookup->caller, caller)))
                        n++;
        }

        return n;
}

static bool is_stuck(const Lookups *lookups, const char *caller)
{
        uint64_t since = now_usec() - LOOKUP_STUCK_USEC;

        return count_at_work(lookups, caller, since) >= LOOKUP_WORKERS_PER_CALLER_MAX ||
                        count_at_work(lookups, NULL, since) >= LOOKUP_WORKERS_MAX;
}

/* Whether its turn has come: a worker is idle, or may be started for it. */
static bool can_begin(const Lookup *lookup)
{
        const Lookups *lookups = lookup->lookups;
        unsigned n = lookups->workers->len;

        if (!find_idle(lookups) && (n >= LOOKUP_WORKERS_MAX || (n > 0 && !lookup->impatient)))
                return false;

        return count_at_work(lookups, lookup->caller, UINT64_MAX) < LOOKUP_WORKERS_PER_CALLER_MAX;
}

static void on_answer(LookupWorker *worker, int error, JsonObject *answer, void *userdata);

static int hand_over(Lookup *lookup, LookupWorker *worker)
{
        Lookups *lookups = lookup->lookups;
        int r;

        r = lookup_worker_send(worker, ++lookups->last_sequence, lookup->user, lookup->group);
        if (r < 0) {
                (void) g_ptr_array_remove(lookups->workers, worker);
                return r;
        }

        lookup->begin_usec = now_usec();
        lookup->worker = worker;
        worker->lookup = lookup;
        return 0;
}

static int begin(Lookup *lookup)
{
        Lookups *lookups = lookup->lookups;
        LookupWorker *worker = find_idle(lookups);
        int r;

        lookup->worker_is_new = false;
        r = worker ? hand_over(lookup, worker) : -EPIPE;
        /* there is none, or it has died with nothing to do */
        if (r != -EPIPE)
                return r;

        lookup->worker_is_new = true;
        r = lookup_worker_new(lookups, on_answer, lookups, &worker);
        if (r < 0)
                return r;
        g_ptr_array_add(lookups->workers, worker);
        return hand_over(lookup, worker);
}

static Lookup *next_lookup(const Lookups *lookups)
{
        for (GList *l = lookups->waiting.head; l; l = l->next)
                if (can_begin(l->data))
                        return l->data;

        return NULL;
}

/* One is kept for the next look-up. */
static void drop_idle(Lookups *lookups)
{
        const LookupWorker *kept = find_idle(lookups);

        for (guint i = lookups->workers->len; i-- > 0;) {
                LookupWorker *worker = g_ptr_array_index(lookups->workers, i);

                if (!worker->lookup && worker != kept)
                        (void) g_ptr_array_remove_index(lookups->workers, i);
        }
}

static void begin_waiting(Lookups *lookups)
{
        Lookup *lookup;
        int r;

        while ((lookup = next_lookup(lookups))) {
                (void) g_queue_remove(&lookups->waiting, lookup);
                r = begin(lookup);
                if (r < 0)
                        fail(lookup, r);
        }
        drop_idle(lookups);
}

static int read_answer(JsonObject *answer, Credentials *ret, sd_bus_error *error)
{
        g_auto(Credentials) credentials = { 0 };
        JsonNode *node = json_object_get_member(answer, LOOKUP_CREDENTIALS);
        int r;

        if (!node)
                return sd_bus_error_set(error, json_object_get_string_member(answer, LOOKUP_ERROR),
                                json_object_get_string_member(answer, LOOKUP_TEXT));
        r = options_from_json(json_node_get_object(node), credentials_options, n_credentials_options,
                        &credentials, NULL);
        if (r < 0)
                return r;

        *ret = credentials;
        credentials = (Credentials){ 0 };
        return 0;
}

static void complete_with_answer(Lookup *lookup, JsonObject *answer)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(Credentials) credentials = { 0 };
        int r;

        r = read_answer(answer, &credentials, &error);
        if (r < 0 && !sd_bus_error_is_set(&error))
                fail(lookup, r);
        else if (r < 0)
                complete(lookup, NULL, &error);
        else
                complete(lookup, &credentials, NULL);
}

/* The worker may have been dead before it was given this. */
static void wait_again(Lookup *lookup)
{
        lookup->worker = NULL;
        lookup->impatient = true;
        g_queue_push_head(&lookup->lookups->waiting, lookup);
}

static void on_answer(LookupWorker *worker, int error, JsonObject *answer, void *userdata)
{
        Lookup *lookup = g_steal_pointer(&worker->lookup);
        Lookups *lookups = userdata;

        if (error < 0)
                (void) g_ptr_array_remove(lookups->workers, worker);
        if (lookup && error == -ECONNRESET && !lookup->worker_is_new)
                wait_again(lookup);
        else if (lookup && error < 0)
                fail(lookup, error);
        else if (lookup)
                complete_with_answer(lookup, answer);
        begin_waiting(lookups);
}

/* From where it is: with its worker, or from among those that wait. */
static void detach(Lookup *lookup)
{
        Lookups *lookups = lookup->lookups;

        if (lookup->worker)
                (void) g_ptr_array_remove(lookups->workers, lookup->worker);
        else
                (void) g_queue_remove(&lookups->waiting, lookup);
}

/* Later, from the loop. */
static void look_at_waiting(const Lookups *lookups)
{
        const Lookup *oldest = g_queue_peek_head((GQueue *) &lookups->waiting);

        if (oldest)
                (void) sd_event_source_set_time(oldest->timer, 0);
}

static void give_up(Lookup *lookup)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *what = describe(lookup);
        Lookups *lookups = lookup->lookups;

        if (lookup->worker) {
                log_warning("Nothing has answered for %u s who %s is, " PROGRAM_NAME " is killed",
                                TIMEOUT_SEC, what);
                (void) sd_bus_error_set_errnof(&error, -ETIMEDOUT,
                                "Cannot look up %s: nothing has answered for %u s", what, TIMEOUT_SEC);
        } else
                (void) sd_bus_error_setf(&error, BUS_ERROR_LIMIT_EXCEEDED,
                                "Cannot look up %s: other look-ups have come to no end for %u s", what,
                                TIMEOUT_SEC);

        detach(lookup);
        complete(lookup, NULL, &error);
        begin_waiting(lookups);
}

static int on_timer(sd_event_source *source, G_GNUC_UNUSED uint64_t usec, void *userdata)
{
        Lookup *lookup = userdata;
        int r;

        if (now_usec() >= lookup->due_usec) {
                give_up(lookup);
                return 0;
        }

        lookup->impatient = true;
        r = sd_event_source_set_time(source, lookup->due_usec);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;

        begin_waiting(lookup->lookups);
        return 0;
}

int lookups_init(Lookups *lookups, sd_event *event, Spawner *spawner)
{
        *lookups = LOOKUPS_NULL;
        lookups->event = event;
        lookups->spawner = spawner;
        lookups->workers = g_ptr_array_new_with_free_func(lookup_worker_free);
        return spawner_open_program(PROGRAM_NAME, &lookups->program_fd);
}

void lookups_clear(Lookups *lookups)
{
        g_clear_pointer(&lookups->workers, g_ptr_array_unref);
        safe_closep(&lookups->program_fd);
}

static int begin_or_wait(Lookup *lookup)
{
        int r;

        r = sd_event_add_time(lookup->lookups->event, &lookup->timer, CLOCK_MONOTONIC,
                        lookup->begin_usec + LOOKUP_PATIENCE_USEC, 1, on_timer, lookup);
        if (r < 0)
                return r;
        if (can_begin(lookup))
                return begin(lookup);

        g_queue_push_tail(&lookup->lookups->waiting, lookup);
        return 0;
}

int lookup_start(Lookups *lookups, sd_bus_message *call, const char *user, const char *group,
                LookupHandler handler, void *userdata, Lookup **ret, sd_bus_error *error)
{
        const char *caller = sd_bus_message_get_sender(call);
        uint64_t now = now_usec();
        Lookup *lookup;
        int r;

        if (is_stuck(lookups, caller))
                return sd_bus_error_setf(error, BUS_ERROR_LIMIT_EXCEEDED,
                                "Cannot look up User '%s': other look-ups have come to no end yet",
                                user ? user : "");

        lookup = g_new(Lookup, 1);
        *lookup = (Lookup){
                .lookups = lookups,
                .caller = g_strdup(caller),
                .user = g_strdup(user),
                .group = g_strdup(group),
                .handler = handler,
                .userdata = userdata,
                .slot = ret,
                .begin_usec = now,
                .due_usec = now + LOOKUP_TIMEOUT_USEC,
        };
        r = begin_or_wait(lookup);
        if (r < 0) {
                (void) set_error(lookup, r, error);
                destroy(lookup);
                return r;
        }

        *ret = lookup;
        return 0;
}

Lookup *lookup_free(Lookup *lookup)
{
        Lookups *lookups;

        if (!lookup)
                return NULL;

        lookups = lookup->lookups;
        detach(lookup);
        destroy(lookup);
        look_at_waiting(lookups);
        return NULL;
}
