/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-client.h"

#include <errno.h>
#include <string.h>

#include "call-again.h"
#include "cleanup.h"
#include "error.h"
#include "log-config.h"
#include "spec.h"

#define MANAGER LOGMON_NAME ".Manager"
#define LOG     LOGMON_NAME ".Log"

typedef int (*Fill)(sd_bus_message *m, const void *userdata);

static int call_once(nx_connection *connection, const char *path, const char *interface, const char *member,
                Fill fill, const void *userdata, uint64_t timeout_usec, sd_bus_message **ret,
                sd_bus_error *bus_error)
{
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = sd_bus_message_new_method_call(connection->bus, &m, LOGMON_NAME, path, interface, member);
        if (r < 0)
                return r;
        r = fill(m, userdata);
        if (r < 0)
                return r;

        return sd_bus_call(connection->bus, m, timeout_usec, bus_error, ret);
}

/* All calls here may be made twice without harm. */
static int call(nx_connection *connection, const char *path, const char *interface, const char *member,
                Fill fill, const void *userdata, sd_bus_message **ret, sd_bus_error *bus_error)
{
        CallAgain again = call_again_begin(LOG_CALL_TIMEOUT_USEC);
        uint64_t delay;
        int r;

        for (;;) {
                r = call_once(connection, path, interface, member, fill, userdata, call_again_send(&again),
                                ret, bus_error);
                if (r >= 0 || !call_again_after(&again, bus_error, &delay))
                        return r;

                sd_bus_error_free(bus_error);
                g_usleep(delay);
        }
}

static int fill_get_state(sd_bus_message *m, G_GNUC_UNUSED const void *userdata)
{
        return sd_bus_message_append(m, "ss", LOG, "State");
}

int log_client_is_running(nx_connection *connection, const char *path, nx_error **ret_error)
{
        g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        const char *state;
        int r;

        r = call(connection, path, "org.freedesktop.DBus.Properties", "Get", fill_get_state, NULL, &reply,
                        &bus_error);
        if (sd_bus_error_has_name(&bus_error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
                        sd_bus_error_has_name(&bus_error, SD_BUS_ERROR_UNKNOWN_METHOD))
                return 0;
        if (r >= 0)
                r = sd_bus_message_read(reply, "v", "s", &state);
        if (r < 0)
                return error_set_bus(ret_error, &bus_error, r);

        return strcmp(state, "running") == 0;
}

typedef struct StartCall {
        const char *id;
        const nx_spec *config;
        char *const *fifos;
} StartCall;

static int fill_start(sd_bus_message *m, const void *userdata)
{
        const StartCall *start = userdata;
        int r;

        r = sd_bus_message_append(m, "s", start->id);
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}", "StdoutFifo", "s", start->fifos[0], "StderrFifo",
                                "s", start->fifos[1]);
        for (size_t i = 0; r >= 0 && i < n_task_spec_options; i++)
                if (start->config->values.set & UINT64_C(1) << i &&
                                options_find(log_config_table, log_config_table_size,
                                                task_spec_options[i].key))
                        r = option_append_entry(m, task_spec_options + i, &start->config->values);

        return r < 0 ? r : sd_bus_message_close_container(m);
}

int log_client_start(nx_connection *connection, const char *id, const nx_spec *config, char *const fifos[2],
                char **ret_path, nx_error **ret_error)
{
        const StartCall start = { .id = id, .config = config, .fifos = fifos };
        g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        const char *path;
        int r;

        r = call(connection, LOGMON_PATH, MANAGER, "Start", fill_start, &start, &reply, &bus_error);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return error_set_bus(ret_error, &bus_error, r);

        *ret_path = g_strdup(path);
        return 0;
}

static int fill_id(sd_bus_message *m, const void *userdata)
{
        return sd_bus_message_append(m, "s", userdata);
}

int log_client_stop(nx_connection *connection, const char *id, nx_error **ret_error)
{
        static const char *const members[] = { "Stop", "Release" };

        for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
                g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
                int r;

                r = call(connection, LOGMON_PATH, MANAGER, members[i], fill_id, id, NULL, &bus_error);
                if (r < 0)
                        return error_set_bus(ret_error, &bus_error, r);
        }

        return 0;
}
