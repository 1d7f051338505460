/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <systemd/sd-bus.h>

#include "ctl.h"
#include "format.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus, sd_bus_flush_close_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(sd_bus_error, sd_bus_error_free)

#define DOCKERLOG_NAME    "org.nomad.DockerLogger"
#define DOCKERLOG_PATH    "/org/nomad/DockerLogger"
#define DOCKERLOG_MANAGER "org.nomad.DockerLogger.Manager"
#define DOCKERLOG_LOG     "org.nomad.DockerLogger.Log"

/* Stop waits for the engine, for nomad-logmon, and that for whoever holds a pipe. */
#define TIMEOUT_USEC (UINT64_C(60) * G_USEC_PER_SEC)

/* The engine's first answer is awaited for so long, to tell whether there is one. */
#define FIRST_ANSWER_USEC (INT64_C(10) * G_USEC_PER_SEC)
#define LOOK_USEC         (20U * 1000U)

typedef struct Options {
        gboolean stop, release, tty;
        char *id, *endpoint, *certificate, *key, *ca, *since, *directory, *name;
        uint64_t since_usec; /* since 1970; 0: not given */
        char **targets;
        gint64 max_files, max_file_size; /* -1: not given */
} Options;

static void options_clear(Options *options)
{
        g_free(options->id);
        g_free(options->endpoint);
        g_free(options->certificate);
        g_free(options->key);
        g_free(options->ca);
        g_free(options->since);
        g_free(options->directory);
        g_free(options->name);
        g_strfreev(options->targets);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static bool parse_since(const char *text, uint64_t *ret_usec)
{
        uint64_t now = (uint64_t) g_get_real_time(), ago;

        if (!parse_seconds(text, &ago))
                return false;

        *ret_usec = ago < now ? now - ago : 0;
        return true;
}

static bool parse(Ctl *ctl, Options *o, int *argc, char ***argv)
{
        const GOptionEntry entries[] = {
                { "id", 0, 0, ARG_TEXT, &o->id, "The log's id (CONTAINER)", "ID" },
                { "endpoint", 'H', 0, ARG_TEXT, &o->endpoint,
                                "The engine, unix:///path or tcp://host:port (unix:///run/docker.sock)",
                                "URL" },
                { "tty", 't', 0, G_OPTION_ARG_NONE, &o->tty,
                                "The container has a terminal, so that there is no stderr", NULL },
                { "tls-certificate", 0, 0, G_OPTION_ARG_FILENAME, &o->certificate, "Our certificate",
                                "FILE" },
                { "tls-key", 0, 0, G_OPTION_ARG_FILENAME, &o->key, "Its private key", "FILE" },
                { "tls-ca", 0, 0, G_OPTION_ARG_FILENAME, &o->ca, "What the engine's is to be signed by",
                                "FILE" },
                { "since", 0, 0, ARG_TEXT, &o->since, "Leave out what is older than so long", "TIME" },
                { "target", 0, 0, ARG_TEXT_ARRAY, &o->targets,
                                "Where to, 'files' or 'journal'; again for both (both)", "TARGET" },
                { "directory", 0, 0, G_OPTION_ARG_FILENAME, &o->directory,
                                "Directory of the files (/var/log/nomad/ID)", "DIR" },
                { "name", 0, 0, ARG_TEXT, &o->name, "First part of the names of the files (ID)", "NAME" },
                { "max-files", 0, 0, G_OPTION_ARG_INT64, &o->max_files, "Files kept per stream (10)", "N" },
                { "max-file-size", 0, 0, G_OPTION_ARG_INT64, &o->max_file_size, "Bytes per file (10 MiB)",
                                "BYTES" },
                { "stop", 0, 0, G_OPTION_ARG_NONE, &o->stop,
                                "Take what the engine has up to now, and end the log", NULL },
                { "release", 0, 0, G_OPTION_ARG_NONE, &o->release,
                                "Forget a log that has ended; its files stay", NULL },
                G_OPTION_ENTRY_NULL,
        };

        if (!ctl_parse(ctl, entries, false, 1, 1, argc, argv))
                return false;
        if (o->since && !parse_since(o->since, &o->since_usec)) {
                (void) ctl_fail_text(
                                ctl, 0, "--since must be a time such as '10s' or '2h', not '%s'", o->since);
                return false;
        }
        if (o->max_files < -1 || o->max_files > G_MAXUINT32 || o->max_file_size < -1) {
                (void) ctl_fail_text(ctl, 0, "--max-files and --max-file-size must be positive numbers");
                return false;
        }
        return true;
}

static int append_string(sd_bus_message *m, const char *key, const char *value)
{
        return value ? sd_bus_message_append(m, "{sv}", key, "s", value) : 0;
}

static int append_targets(sd_bus_message *m, char **targets)
{
        int r;

        if (!targets)
                return 0;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "LogTargets");
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, targets);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_config(sd_bus_message *m, const Options *o, const char *container)
{
        const struct {
                const char *key, *value;
        } strings[] = {
                { "ContainerID", container },
                { "Endpoint", o->endpoint },
                { "TLSCertificate", o->certificate },
                { "TLSKey", o->key },
                { "TLSCA", o->ca },
                { "LogDirectory", o->directory },
                { "LogName", o->name },
        };
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(strings); i++)
                r = append_string(m, strings[i].key, strings[i].value);
        if (r >= 0)
                r = append_targets(m, o->targets);
        if (r >= 0 && o->tty)
                r = sd_bus_message_append(m, "{sv}", "Tty", "b", true);
        if (r >= 0 && o->since)
                r = sd_bus_message_append(m, "{sv}", "Since", "t", o->since_usec);
        if (r >= 0 && o->max_files >= 0)
                r = sd_bus_message_append(m, "{sv}", "LogMaxFiles", "u", (uint32_t) o->max_files);
        if (r >= 0 && o->max_file_size >= 0)
                r = sd_bus_message_append(m, "{sv}", "LogMaxFileSize", "t", (uint64_t) o->max_file_size);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* One call of the manager; RET_REPLY may be NULL. The exit status. */
static int call(Ctl *ctl, sd_bus *bus, const char *member, const char *id, const Options *config,
                const char *container, sd_bus_message **ret_reply)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) m = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                        bus, &m, DOCKERLOG_NAME, DOCKERLOG_PATH, DOCKERLOG_MANAGER, member);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r >= 0 && config)
                r = append_config(m, config, container);
        if (r >= 0)
                r = sd_bus_call(bus, m, TIMEOUT_USEC, &error, ret_reply);
        if (r < 0)
                return ctl_fail_text(ctl, STATUS_FAILED, "Log '%s': %s", id,
                                error.message ? error.message : g_strerror(-r));

        return STATUS_OK;
}

static char *log_property(sd_bus *bus, const char *path, const char *name)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *value = NULL;

        if (sd_bus_get_property_string(bus, DOCKERLOG_NAME, path, DOCKERLOG_LOG, name, &error, &value) < 0)
                return g_strdup("");

        return g_steal_pointer(&value);
}

/* The service tries again for ever; that it has to is told to whoever has asked for the log. */
static int check_engine(Ctl *ctl, sd_bus *bus, const char *id, const char *path)
{
        int64_t end = g_get_monotonic_time() + FIRST_ANSWER_USEC;
        g_autofree char *state = log_property(bus, path, "State");
        g_autofree char *result = NULL;
        g_autofree char *error = NULL;
        g_autofree char *endpoint = log_property(bus, path, "Endpoint");

        while (strcmp(state, "connecting") == 0 && g_get_monotonic_time() < end) {
                g_usleep(LOOK_USEC);
                g_free(state);
                state = log_property(bus, path, "State");
        }

        result = log_property(bus, path, "Result");
        error = log_property(bus, path, "LastError");
        if (strcmp(result, "not-found") == 0 || strcmp(result, "unreadable") == 0)
                return ctl_fail_text(ctl, STATUS_FAILED, "The log '%s' has ended, %s%s%s", id, result,
                                *error != '\0' ? ": " : "", error);
        if (strcmp(state, "waiting") == 0 && *error != '\0')
                return ctl_fail_text(ctl, STATUS_FAILED,
                                "The engine at %s does not answer: %s; it is asked again and again, until '" PROGRAM
                                " docker-logs --stop --release %s'",
                                endpoint, error, id);

        return STATUS_OK;
}

static int start(Ctl *ctl, sd_bus *bus, const char *id, const Options *options, const char *container)
{
        g_autoptr(sd_bus_message) reply = NULL;
        const char *path;
        int status;

        status = call(ctl, bus, "Start", id, options, container, &reply);
        if (status != STATUS_OK)
                return status;
        if (sd_bus_message_read(reply, "o", &path) < 0)
                return ctl_fail_text(ctl, STATUS_FAILED,
                                "The reply of nomad-dockerlog about the log '%s' cannot be read", id);

        if (ctl->json) {
                g_autoptr(JsonObject) object = json_object_new();
                g_autoptr(JsonNode) node = NULL;

                json_object_set_string_member(object, "Id", id);
                json_object_set_string_member(object, "Path", path);
                node = json_node_init_object(json_node_alloc(), object);
                ctl_print_json(ctl, node);
        } else
                (void) printf("%s\n", id);
        return check_engine(ctl, bus, id, path);
}

int verb_docker_logs(Ctl *ctl, int argc, char **argv)
{
        g_auto(Options) options = { .max_files = -1, .max_file_size = -1 };
        g_autoptr(sd_bus) bus = NULL;
        int r, status = STATUS_OK;
        const char *id;

        if (!parse(ctl, &options, &argc, &argv))
                return STATUS_USAGE;

        id = options.id ? options.id : argv[1];
        r = ctl->user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
        if (r < 0)
                return ctl_fail_text(ctl, STATUS_FAILED, "Cannot connect to the bus: %s", g_strerror(-r));
        if (!options.stop && !options.release)
                return start(ctl, bus, id, &options, argv[1]);

        if (options.stop)
                status = call(ctl, bus, "Stop", id, NULL, NULL, NULL);
        if (status == STATUS_OK && options.release)
                status = call(ctl, bus, "Release", id, NULL, NULL, NULL);
        return status;
}
