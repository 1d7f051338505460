/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-systemd.h"

#include <algorithm>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <mutex>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cgroup-tree.h"
#include "fake-systemd-bus.h"

/* For what can only fail when the test itself is wrong. */
#define CHECK(expression) check((expression) >= 0, #expression)

static void check(bool ok, const char *expression)
{
        if (ok)
                return;
        fprintf(stderr, "fake systemd: %s failed: %m\n", expression);
        abort();
}

struct FakeSystemd::Queue {
        std::mutex mutex;
        std::condition_variable done;
        std::vector<std::function<void()>> calls;
        unsigned long posted = 0, finished = 0;
};

FakeSystemd::FakeSystemd(const std::string &bus_address_, const std::string &version_)
    : bus_address(bus_address_), version(version_), queue(std::make_unique<Queue>())
{
        wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        CHECK(wake_fd);
        thread = std::thread([this] { run(); });
        /* the first call is answered once the name is owned */
        post([] {});
}

FakeSystemd::~FakeSystemd()
{
        post([this] { (void) sd_event_exit(event, 0); });
        thread.join();
        (void) close(wake_fd);
}

void FakeSystemd::post(const std::function<void()> &call)
{
        std::unique_lock<std::mutex> lock(queue->mutex);
        unsigned long ticket = ++queue->posted;
        uint64_t one = 1;

        queue->calls.push_back(call);
        check(write(wake_fd, &one, sizeof one) == sizeof one, "write to eventfd");
        queue->done.wait(lock, [&] { return queue->finished >= ticket; });
}

void FakeSystemd::run()
{
        CHECK(sd_event_new(&event));
        connect();

        auto on_wake = [](sd_event_source *, int fd, uint32_t, void *userdata) {
                auto self = static_cast<FakeSystemd *>(userdata);
                std::vector<std::function<void()>> calls;
                uint64_t value;

                (void) !read(fd, &value, sizeof value);
                std::unique_lock<std::mutex> lock(self->queue->mutex);
                calls.swap(self->queue->calls);
                lock.unlock();
                for (const auto &call : calls)
                        call();
                lock.lock();
                self->queue->finished += calls.size();
                self->queue->done.notify_all();
                return 0;
        };
        CHECK(sd_event_add_io(event, nullptr, wake_fd, EPOLLIN, on_wake, this));
        CHECK(sd_event_loop(event));
        teardown();
}

void FakeSystemd::connect()
{
        CHECK(sd_bus_new(&bus));
        CHECK(sd_bus_set_address(bus, bus_address.c_str()));
        CHECK(sd_bus_set_bus_client(bus, true));
        CHECK(sd_bus_negotiate_creds(bus, true, SD_BUS_CREDS_UNIQUE_NAME));
        CHECK(sd_bus_start(bus));
        CHECK(sd_bus_track_new(bus, &subscribers, nullptr, nullptr));
        CHECK(FakeSystemdBus::export_on(this, bus));
        CHECK(sd_bus_request_name(bus, "org.freedesktop.systemd1", 0));
        CHECK(sd_bus_attach_event(bus, event, 0));
}

void FakeSystemd::disconnect()
{
        post([this] {
                for (sd_bus_message *m : swallowed)
                        sd_bus_message_unref(m);
                swallowed.clear();
                subscribers = sd_bus_track_unref(subscribers);
                (void) sd_bus_detach_event(bus);
                bus = sd_bus_flush_close_unref(bus);
        });
}

void FakeSystemd::reconnect()
{
        post([this] { connect(); });
}

void FakeSystemd::teardown()
{
        for (auto &[name, unit] : scopes) {
                sd_event_source_disable_unref(unit->watch);
                sd_event_source_disable_unref(unit->stop_timer);
        }
        for (auto &[name, socket] : notify_sockets) {
                sd_event_source_disable_unref(socket.source);
                (void) close(socket.fd);
                for (auto &[fd_name, fd] : socket.stored)
                        (void) close(fd);
        }
        for (sd_bus_message *m : swallowed)
                sd_bus_message_unref(m);
        sd_bus_track_unref(subscribers);
        sd_bus_flush_close_unref(bus);
        sd_event_unref(event);
}

void FakeSystemd::set_behaviour(const ScopeBehaviour &wanted)
{
        post([&] { behaviour = wanted; });
}

void FakeSystemd::release_jobs()
{
        post([this] {
                std::vector<Job> jobs;

                jobs.swap(held_jobs);
                for (const auto &job : jobs)
                        finish_job(job);
        });
}

void FakeSystemd::answer_calls()
{
        post([this] {
                std::vector<sd_bus_message *> calls;

                calls.swap(swallowed);
                for (sd_bus_message *m : calls) {
                        FakeSystemdBus::answer(*this, m);
                        sd_bus_message_unref(m);
                }
        });
}

void FakeSystemd::stop_unit(const std::string &name)
{
        post([&] {
                FakeUnit *unit = find(name);

                if (unit)
                        begin_stop(*unit);
        });
}

std::vector<FakeUnit> FakeSystemd::units()
{
        std::vector<FakeUnit> result;

        post([&] {
                for (const auto &[name, unit] : scopes)
                        result.push_back(*unit);
        });
        return result;
}

unsigned FakeSystemd::n_started()
{
        unsigned result = 0;

        post([&] { result = started; });
        return result;
}

FakeUnit *FakeSystemd::find(const std::string &name)
{
        auto found = scopes.find(name);

        return found == scopes.end() ? nullptr : found->second.get();
}

/* As systemd: broadcast once anybody has subscribed. */
void FakeSystemd::emit(const char *member, const char *types, ...)
{
        sd_bus_message *m = nullptr;
        va_list ap;

        if (!bus || sd_bus_track_count(subscribers) == 0)
                return;

        CHECK(sd_bus_message_new_signal(
                        bus, &m, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", member));
        va_start(ap, types);
        CHECK(sd_bus_message_appendv(m, types, ap));
        va_end(ap);
        CHECK(sd_bus_send(bus, m, nullptr));
        sd_bus_message_unref(m);
}

/* Makes the scope's cgroup and moves its processes in. Negative errno when it cannot. */
int FakeSystemd::realize(FakeUnit &unit)
{
        std::string full;

        unit.cgroup = cgroup_of_slice(unit.slice) + "/" + unit.name;
        if (!cgroup_make(unit.cgroup))
                return -errno;

        full = cgroup_full_path(unit.cgroup);
        /* "trusted." is for systemd, "user." what everybody may read */
        for (const char *name : { "trusted.invocation_id", "user.invocation_id" })
                (void) setxattr(full.c_str(), name, unit.invocation_id.data(), unit.invocation_id.size(), 0);

        for (pid_t pid : unit.pids)
                if (!cgroup_attach(unit.cgroup, pid)) {
                        (void) cgroup_remove(unit.cgroup);
                        return -ESRCH;
                }

        watch_cgroup(unit);
        unit.active_state = "active";
        return 0;
}

void FakeSystemd::watch_cgroup(FakeUnit &unit)
{
        auto on_event = [](sd_event_source *source, const struct inotify_event *, void *userdata) {
                const char *name = nullptr;

                CHECK(sd_event_source_get_description(source, &name));
                /* frees the source */
                static_cast<FakeSystemd *>(userdata)->check_empty(std::string(name));
                return 0;
        };
        std::string events = cgroup_full_path(unit.cgroup) + "/cgroup.events";

        CHECK(sd_event_add_inotify(event, &unit.watch, events.c_str(), IN_MODIFY, on_event, this));
        CHECK(sd_event_source_set_description(unit.watch, unit.name.c_str()));
}

size_t FakeSystemd::n_swallowed()
{
        size_t result = 0;

        post([&] { result = swallowed.size(); });
        return result;
}

void FakeSystemd::remove_units()
{
        post([this] {
                std::vector<std::string> names;

                behaviour.hold_removal = false;
                for (const auto &[name, unit] : scopes)
                        names.push_back(name);
                for (const auto &name : names)
                        check_empty(name);
        });
}

/* A scope without processes is over. */
void FakeSystemd::check_empty(const std::string &name)
{
        FakeUnit *unit = find(name);

        if (!unit || behaviour.hold_removal || unit->active_state == "activating" ||
                        cgroup_populated(unit->cgroup))
                return;

        std::unique_ptr<FakeUnit> dead = std::move(scopes[name]);
        scopes.erase(name);
        sd_event_source_disable_unref(dead->watch);
        sd_event_source_disable_unref(dead->stop_timer);
        (void) cgroup_remove(dead->cgroup);
        if (dead->stop_job > 0)
                finish_job({ dead->stop_job, name, "done" });
        emit("UnitRemoved", "so", name.c_str(), dead->path.c_str());
}

void FakeSystemd::finish_job(const Job &job)
{
        std::string path = "/org/freedesktop/systemd1/job/" + std::to_string(job.id);

        emit("JobRemoved", "uoss", job.id, path.c_str(), job.unit.c_str(), job.result.c_str());
}

/* To the controller while it is on the bus, else as KillMode=control-group does; SIGKILL when the time is
 * over. */
void FakeSystemd::begin_stop(FakeUnit &unit)
{
        auto on_timeout = [](sd_event_source *, uint64_t, void *userdata) {
                cgroup_signal_all(static_cast<FakeUnit *>(userdata)->cgroup, SIGKILL);
                return 0;
        };
        bool asked = false;

        unit.active_state = "deactivating";
        if (bus && !unit.controller.empty() &&
                        sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "GetNameOwner", nullptr, nullptr, "s",
                                        unit.controller.c_str()) >= 0) {
                sd_bus_message *m = nullptr;

                CHECK(sd_bus_message_new_signal(bus, &m, unit.path.c_str(), "org.freedesktop.systemd1.Scope",
                                "RequestStop"));
                asked = sd_bus_send_to(bus, m, unit.controller.c_str(), nullptr) >= 0;
                sd_bus_message_unref(m);
        }
        if (!asked)
                cgroup_signal_all(unit.cgroup, unit.kill_signal);
        if (!unit.stop_timer)
                CHECK(sd_event_add_time_relative(event, &unit.stop_timer, CLOCK_MONOTONIC,
                                unit.timeout_stop_usec, 0, on_timeout, &unit));
}

std::string FakeSystemd::add_service(const std::string &name, const std::string &socket_path)
{
        auto on_message = [](sd_event_source *, int, uint32_t, void *userdata) {
                auto found = static_cast<std::pair<FakeSystemd *, std::string> *>(userdata);

                found->first->handle_notify(found->first->notify_sockets[found->second]);
                return 0;
        };

        post([&] {
                NotifySocket &socket = notify_sockets[name];
                struct sockaddr_un address = {};
                int on = 1;

                if (socket.fd >= 0)
                        return;
                address.sun_family = AF_UNIX;
                check(socket_path.size() < sizeof address.sun_path, "socket path");
                memcpy(address.sun_path, socket_path.c_str(), socket_path.size());
                socket.fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                CHECK(socket.fd);
                CHECK(setsockopt(socket.fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
                CHECK(bind(socket.fd, (struct sockaddr *) &address, sizeof address));
                CHECK(sd_event_add_io(event, &socket.source, socket.fd, EPOLLIN, on_message,
                                new std::pair<FakeSystemd *, std::string>(this, name)));
                CHECK(sd_event_source_set_destroy_callback(socket.source, [](void *userdata) {
                        delete static_cast<std::pair<FakeSystemd *, std::string> *>(userdata);
                }));
                /* what a service has sent is taken before calls are answered */
                CHECK(sd_event_source_set_priority(socket.source, -10));
        });
        return socket_path;
}

static std::string value_of(const std::string &text, const std::string &key)
{
        for (size_t start = 0; start < text.size();) {
                size_t end = std::min(text.find('\n', start), text.size());

                if (text.compare(start, key.size() + 1, key + "=") == 0)
                        return text.substr(start + key.size() + 1, end - start - key.size() - 1);
                start = end + 1;
        }
        return "";
}

void FakeSystemd::handle_notify(NotifySocket &socket)
{
        alignas(struct cmsghdr) char
                        control[CMSG_SPACE(sizeof(int) * 253) + CMSG_SPACE(sizeof(struct ucred))];
        char buffer[8192];
        struct iovec iov = { buffer, sizeof buffer };
        struct msghdr header = {};
        std::vector<int> fds;

        header.msg_iov = &iov;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        ssize_t n = recvmsg(socket.fd, &header, MSG_CMSG_CLOEXEC);
        if (n < 0)
                return;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
                        auto first = reinterpret_cast<int *>(CMSG_DATA(c));

                        fds.assign(first, first + (c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
                }

        std::string text(buffer, (size_t) n), name = value_of(text, "FDNAME");
        if (value_of(text, "READY") == "1")
                socket.ready = true;
        if (value_of(text, "FDSTORE") == "1") {
                for (int fd : fds)
                        socket.stored.emplace_back(name.empty() ? "stored" : name, fd);
                return;
        }
        if (value_of(text, "FDSTOREREMOVE") == "1") {
                auto is_named = [&](const auto &entry) { return entry.first == name; };

                for (const auto &entry : socket.stored)
                        if (is_named(entry))
                                (void) close(entry.second);
                socket.stored.erase(std::remove_if(socket.stored.begin(), socket.stored.end(), is_named),
                                socket.stored.end());
        }
        /* BARRIER=1 is answered by closing its descriptor */
        for (int fd : fds)
                (void) close(fd);
}

bool FakeSystemd::service_is_ready(const std::string &name)
{
        bool result = false;

        post([&] { result = notify_sockets[name].ready; });
        return result;
}

void FakeSystemd::forget_ready(const std::string &name)
{
        post([&] { notify_sockets[name].ready = false; });
}

std::vector<std::pair<std::string, int>> FakeSystemd::stored_fds(const std::string &name)
{
        std::vector<std::pair<std::string, int>> result;

        post([&] {
                for (const auto &[fd_name, fd] : notify_sockets[name].stored)
                        result.emplace_back(fd_name, fcntl(fd, F_DUPFD_CLOEXEC, 3));
        });
        return result;
}

size_t FakeSystemd::count_shelved(const std::string &name)
{
        const std::string key = "scm_fds:";
        size_t count = 0;

        post([&] {
                for (const auto &[fd_name, fd] : notify_sockets[name].stored) {
                        std::ifstream info("/proc/self/fdinfo/" + std::to_string(fd));
                        struct stat st;

                        if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
                                count++;
                        for (std::string line; std::getline(info, line);)
                                if (line.rfind(key, 0) == 0)
                                        count += std::stoul(line.substr(key.size()));
                }
        });
        return count;
}

void FakeSystemd::drop_stored_fds(const std::string &name)
{
        post([&] {
                for (const auto &[fd_name, fd] : notify_sockets[name].stored)
                        (void) close(fd);
                notify_sockets[name].stored.clear();
        });
}
