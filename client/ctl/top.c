/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "format.h"
#include "table.h"
#include "terminal.h"
#include "usage.h"

#define BAR_WIDTH 10

typedef enum SortBy {
        SORT_CPU,
        SORT_MEMORY,
        SORT_TASKS,
        SORT_ID,
} SortBy;

static const char *const sort_names[] = { "cpu", "memory", "tasks", "id" };

static const Column columns[] = {
        { .title = "ID", .shrink = 8 },
        { .title = "CPU%", .right = true },
        { .title = "" },
        { .title = "MEMORY", .right = true },
        { .title = "" },
        { .title = "TASKS", .right = true },
        { .title = "CPU", .right = true },
        { .title = "READ", .right = true },
        { .title = "WRITTEN", .right = true },
};

typedef struct Top {
        Ctl *ctl;
        SortBy sort_by;
        bool full_screen;
        sigset_t pause_mask; /* of signals, between two looks */
        int64_t interval_msec;
        GArray *usages;
} Top;

static int compare(uint64_t a, uint64_t b)
{
        /* not known is least */
        a = a == UINT64_MAX ? 0 : a;
        b = b == UINT64_MAX ? 0 : b;
        return a < b ? 1 : a > b ? -1 : 0;
}

static int compare_usages(const void *first, const void *second, void *userdata)
{
        const Usage *a = first, *b = second;
        const Top *top = userdata;
        int order = 0;

        if (top->sort_by == SORT_CPU)
                order = a->cpu_percent < b->cpu_percent ? 1 : a->cpu_percent > b->cpu_percent ? -1 : 0;
        else if (top->sort_by == SORT_MEMORY)
                order = compare(a->memory, b->memory);
        else if (top->sort_by == SORT_TASKS)
                order = compare(a->tasks, b->tasks);
        return order != 0 ? order : strcmp(a->id, b->id);
}

/* PART of WHOLE; what is more than it fills the bar. */
static char *make_bar(double part, double whole)
{
        GString *bar = g_string_new(NULL);
        int filled = whole > 0 ? (int) (MIN(part / whole, 1.0) * BAR_WIDTH + 0.5) : 0;

        for (int i = 0; i < BAR_WIDTH; i++)
                g_string_append(bar,
                                terminal_is_utf8() ? (i < filled ? "█" : "░") : (i < filled ? "#" : "."));
        return g_string_free(bar, FALSE);
}

static uint64_t physical_memory(void)
{
        return (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
}

static void add_row(Table *table, const Usage *usage)
{
        double memory = usage->memory == UINT64_MAX ? 0 : (double) usage->memory;
        const char *hot = usage->cpu_percent >= 90 ? COLOUR_RED : COLOUR_GREEN;

        table_add(table, g_strdup(usage->id), COLOUR_BOLD);
        table_add(table, g_strdup_printf("%.1f", usage->cpu_percent), NULL);
        table_add(table, make_bar(usage->cpu_percent, 100), hot);
        table_add(table, format_bytes(usage->memory), NULL);
        table_add(table, make_bar(memory, (double) physical_memory()), COLOUR_YELLOW);
        table_add(table, usage->tasks == UINT64_MAX ? NULL : g_strdup_printf("%" PRIu64, usage->tasks),
                        NULL);
        table_add(table, format_cpu_time(usage->cpu_nsec), NULL);
        table_add(table, format_bytes(usage->read_bytes), NULL);
        table_add(table, format_bytes(usage->write_bytes), NULL);
}

static char *describe(const Top *top)
{
        uint64_t memory = top->usages->len > 0 ? UINT64_MAX : 0;
        double cpu = 0;
        g_autofree char *memory_text = NULL;

        for (guint i = 0; i < top->usages->len; i++) {
                const Usage *usage = &g_array_index(top->usages, Usage, i);

                cpu += usage->cpu_percent;
                if (usage->memory != UINT64_MAX)
                        memory = (memory == UINT64_MAX ? 0 : memory) + usage->memory;
        }
        memory_text = format_bytes(memory);
        return g_strdup_printf("%u task%s running, CPU %.1f%%, memory %s", top->usages->len,
                        top->usages->len == 1 ? "" : "s", cpu, memory_text ? memory_text : "-");
}

static void add_line(GString *screen, const char *text, unsigned width)
{
        g_autofree char *shown = width > 0 ? text_ellipsize(text, width) : g_strdup(text);

        g_string_append_printf(screen, "%s\n", shown);
}

/* Every line, as wide as the screen at most; the caller cuts what is too long. */
static GString *format_screen(const Top *top, unsigned width)
{
        g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
        GString *screen = g_string_new(NULL);
        g_autoptr(GString) rows = NULL;
        g_autofree char *summary = describe(top);

        for (guint i = 0; i < top->usages->len; i++)
                add_row(table, &g_array_index(top->usages, Usage, i));
        rows = table_format(table, width, !top->ctl->no_legend);

        if (!top->ctl->no_legend) {
                add_line(screen, summary, width);
                if (top->full_screen) {
                        g_autofree char *keys = g_strdup_printf(
                                        "Sorted by %s. Keys: c CPU, m memory, t tasks, i id, q quit",
                                        sort_names[top->sort_by]);

                        add_line(screen, keys, width);
                }
                g_string_append_c(screen, '\n');
        }
        g_string_append_len(screen, rows->str, (gssize) rows->len);
        return screen;
}

/* Over what is there, line by line, so that nothing flickers; the last line has no line break, which would
 * scroll. */
static void draw(const Top *top)
{
        TerminalSize size = { .rows = 24, .columns = 80 };
        g_autoptr(GString) screen = NULL;
        g_auto(GStrv) lines = NULL;
        guint n;

        (void) terminal_size(&size);
        screen = format_screen(top, size.columns);
        g_string_truncate(screen, screen->len > 0 ? screen->len - 1 : 0);
        lines = g_strsplit(screen->str, "\n", -1);
        n = MIN(g_strv_length(lines), size.rows);

        (void) fputs("\033[H", stdout);
        for (guint i = 0; i < n; i++)
                (void) printf("%s\033[K%s", lines[i], i + 1 < n ? "\r\n" : "");
        (void) fputs("\033[J", stdout);
        (void) fflush(stdout);
}

static void show(const Top *top)
{
        g_autoptr(GString) screen = NULL;

        if (top->full_screen) {
                draw(top);
                return;
        }
        screen = format_screen(top, terminal_width());
        (void) fputs(screen->str, stdout);
        (void) fflush(stdout);
}

/* False: the user wants to leave. */
static bool handle_key(Top *top)
{
        char key;

        if (read(STDIN_FILENO, &key, 1) <= 0)
                return false;
        switch (key) {
        case 'q':
        case 'Q':
        case 0x03: /* ^C, raw */
        case 0x04:
                return false;
        case 'c':
                top->sort_by = SORT_CPU;
                break;
        case 'm':
                top->sort_by = SORT_MEMORY;
                break;
        case 't':
                top->sort_by = SORT_TASKS;
                break;
        case 'i':
                top->sort_by = SORT_ID;
                break;
        default:
                return true;
        }

        g_array_sort_with_data(top->usages, compare_usages, top);
        draw(top);
        return true;
}

/* Until it is time for the next look; false: leave. Without a terminal at standard input there are no
 * keys. */
static bool pause_top(Top *top)
{
        int64_t end = g_get_monotonic_time() / 1000 + top->interval_msec, left;

        while ((left = end - g_get_monotonic_time() / 1000) > 0) {
                struct pollfd p = { .fd = top->full_screen && isatty(STDIN_FILENO) ? STDIN_FILENO : -1,
                        .events = POLLIN };
                const struct timespec timeout = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };
                int n = ppoll(&p, 1, &timeout, &top->pause_mask);

                if (n < 0) /* a signal: the terminal has another size now */
                        break;
                if (n > 0 && !handle_key(top))
                        return false;
        }

        return true;
}

static void restore_screen(void)
{
        (void) !write(STDOUT_FILENO, "\033[?25h\033[?1049l", 14);
        terminal_restore();
}

static int look(Top *top)
{
        g_autoptr(GArray) before = g_steal_pointer(&top->usages);
        g_autoptr(nx_error) error = NULL;

        if (usage_look(top->ctl->connection, NULL, before, &top->usages, &error) < 0) {
                if (top->full_screen)
                        restore_screen();
                return ctl_fail(top->ctl, error);
        }
        g_array_sort_with_data(top->usages, compare_usages, top);
        return STATUS_OK;
}

static void on_resize(G_GNUC_UNUSED int number)
{
}

static void on_terminate(int number)
{
        restore_screen();
        (void) signal(number, SIG_DFL);
        (void) raise(number);
}

/* Another screen, without a cursor, which goes with the program. A resize is handled in the pause only,
 * since sd-bus fails a call with EINTR when a handler runs meanwhile (before systemd 253). */
static void take_screen(Top *top)
{
        const struct sigaction resize = { .sa_handler = on_resize };
        const struct sigaction terminate = { .sa_handler = on_terminate };
        sigset_t blocked;

        (void) sigemptyset(&blocked);
        (void) sigaddset(&blocked, SIGWINCH);
        (void) sigprocmask(SIG_BLOCK, &blocked, &top->pause_mask);
        (void) sigdelset(&top->pause_mask, SIGWINCH);
        (void) sigaction(SIGWINCH, &resize, NULL);
        (void) sigaction(SIGTERM, &terminate, NULL);
        (void) sigaction(SIGHUP, &terminate, NULL);
        (void) sigaction(SIGINT, &terminate, NULL);
        (void) terminal_set_raw();
        (void) fputs("\033[?1049h\033[?25l", stdout);
        (void) fflush(stdout);
}

static int run(Top *top, int iterations)
{
        int status = STATUS_OK;

        for (int i = 0; status == STATUS_OK && (iterations < 0 || i < iterations); i++) {
                if (i > 0 && !pause_top(top))
                        break;
                if (i > 0 && !top->full_screen)
                        (void) printf("\n");
                status = look(top);
                if (status == STATUS_OK)
                        show(top);
        }

        return status;
}

static bool parse_sort(const char *name, SortBy *ret)
{
        for (size_t i = 0; i < G_N_ELEMENTS(sort_names); i++)
                if (strcmp(sort_names[i], name) == 0) {
                        *ret = (SortBy) i;
                        return true;
                }

        return false;
}

int verb_top(Ctl *ctl, int argc, char **argv)
{
        g_autofree char *sort = NULL;
        g_autofree char *interval = NULL;
        gboolean batch = FALSE;
        int iterations = -1, status;
        const GOptionEntry entries[] = {
                { "sort", 0, 0, ARG_TEXT, &sort, "What comes first (cpu)", "cpu|memory|tasks|id" },
                { "interval", 'd', 0, ARG_TEXT, &interval, "Time between two looks (1s)", "TIME" },
                { "iterations", 'n', 0, G_OPTION_ARG_INT, &iterations, "Leave after so many", "N" },
                { "batch", 'b', 0, G_OPTION_ARG_NONE, &batch, "Plain text, one look below the other", NULL },
                G_OPTION_ENTRY_NULL,
        };
        Top top = { .ctl = ctl };
        uint64_t usec = G_USEC_PER_SEC;

        if (!ctl_parse(ctl, entries, false, 0, 0, &argc, &argv))
                return STATUS_USAGE;
        if (sort && !parse_sort(sort, &top.sort_by))
                return ctl_fail_text(
                                ctl, STATUS_USAGE, "--sort is cpu, memory, tasks or id, not '%s'", sort);
        if (interval && (!parse_seconds(interval, &usec) || usec < 10000))
                return ctl_fail_text(ctl, STATUS_USAGE, "'%s' is not a time of at least 10ms", interval);
        if (!ctl_connect(ctl))
                return STATUS_FAILED;

        top.interval_msec = (int64_t) (MIN(usec, UINT64_C(1000000000000)) / 1000);
        top.full_screen = !batch && isatty(STDOUT_FILENO);
        if (top.full_screen)
                take_screen(&top);
        status = run(&top, iterations);
        if (top.full_screen)
                restore_screen();
        g_clear_pointer(&top.usages, g_array_unref);
        return status;
}
