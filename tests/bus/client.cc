/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include <algorithm>
#include <cinttypes>
#include <poll.h>
#include <sstream>

using Clock = std::chrono::steady_clock;

bool eventually(const std::function<bool()> &condition, std::chrono::milliseconds limit)
{
        auto end = Clock::now() + limit;

        while (!condition()) {
                if (Clock::now() > end)
                        return false;
                (void) poll(nullptr, 0, 5);
        }
        return true;
}

static Message own(sd_bus_message *m)
{
        return Message(m, [](sd_bus_message *p) { sd_bus_message_unref(p); });
}

std::ostream &operator<<(std::ostream &stream, const Reply &reply)
{
        return stream << (reply.ok() ? "success" : reply.error + ": " + reply.text);
}

std::ostream &operator<<(std::ostream &stream, const Exit &exit)
{
        return stream << exit.result << " " << exit.code << " " << exit.signal << " "
                      << (exit.oom ? "true" : "false");
}

std::string Reply::path() const
{
        const char *value = "";

        EXPECT_TRUE(ok()) << *this;
        if (ok()) {
                EXPECT_GT(sd_bus_message_read(message.get(), "o", &value), 0);
        }
        return value;
}

/* --- values --- */

static std::string list_to_text(sd_bus_message *m, const char *contents)
{
        bool dict = contents[0] == '{';
        std::string text;

        EXPECT_GE(sd_bus_message_enter_container(m, 'a', contents), 0);
        while (sd_bus_message_at_end(m, 0) == 0)
                text += (text.empty() ? "" : " ") + value_to_text(m);
        EXPECT_GE(sd_bus_message_exit_container(m), 0);
        return (dict ? "{" : "[") + text + (dict ? "}" : "]");
}

static std::string container_to_text(sd_bus_message *m, char type, const std::string &contents)
{
        std::string text, separator = type == 'e' ? "=" : " ";

        if (type == 'a')
                return list_to_text(m, contents.c_str());
        EXPECT_GE(sd_bus_message_enter_container(m, type, contents.c_str()), 0);
        while (sd_bus_message_at_end(m, 0) == 0)
                text += (text.empty() ? "" : separator) + value_to_text(m);
        EXPECT_GE(sd_bus_message_exit_container(m), 0);
        return type == 'r' ? "(" + text + ")" : text;
}

std::string value_to_text(sd_bus_message *m)
{
        const char *contents = nullptr;
        char type = 0;
        union {
                const char *s;
                uint8_t y;
                int b;
                int32_t i;
                uint16_t q;
                uint32_t u;
                int64_t x;
                uint64_t t;
        } value = {};

        EXPECT_GT(sd_bus_message_peek_type(m, &type, &contents), 0);
        if (contents)
                return container_to_text(m, type, contents);

        EXPECT_GT(sd_bus_message_read_basic(m, type, &value), 0);
        switch (type) {
        case 's':
        case 'o':
        case 'g':
                return value.s;
        case 'b':
                return value.b ? "true" : "false";
        case 'y':
                return std::to_string(value.y);
        case 'q':
                return std::to_string(value.q);
        case 'i':
                return std::to_string(value.i);
        case 'u':
                return std::to_string(value.u);
        case 'x':
                return std::to_string(value.x);
        case 't':
                return std::to_string(value.t);
        default:
                ADD_FAILURE() << "no text for type " << type;
                return "";
        }
}

/* --- specs --- */

Spec &Spec::add(const std::string &key, const std::string &signature, const Entry &append_value)
{
        entries.push_back([=](sd_bus_message *m) {
                int r = sd_bus_message_open_container(m, 'e', "sv");

                if (r >= 0)
                        r = sd_bus_message_append(m, "s", key.c_str());
                if (r >= 0)
                        r = sd_bus_message_open_container(m, 'v', signature.c_str());
                if (r >= 0)
                        r = append_value(m);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
                return r >= 0 ? sd_bus_message_close_container(m) : r;
        });
        return *this;
}

Spec &Spec::set(const std::string &key, const std::string &value)
{
        return add(key, "s",
                        [=](sd_bus_message *m) { return sd_bus_message_append(m, "s", value.c_str()); });
}

Spec &Spec::set(const std::string &key, const char *value)
{
        return set(key, std::string(value));
}

Spec &Spec::set(const std::string &key, const std::vector<std::string> &value)
{
        return add(key, "as", [=](sd_bus_message *m) {
                std::vector<char *> list;

                for (const auto &s : value)
                        list.push_back(const_cast<char *>(s.c_str()));
                list.push_back(nullptr);
                return sd_bus_message_append_strv(m, list.data());
        });
}

Spec &Spec::set(const std::string &key, const std::map<std::string, std::string> &value)
{
        return add(key, "a{ss}", [=](sd_bus_message *m) {
                int r = sd_bus_message_open_container(m, 'a', "{ss}");

                for (const auto &[k, v] : value)
                        if (r >= 0)
                                r = sd_bus_message_append(m, "{ss}", k.c_str(), v.c_str());
                return r >= 0 ? sd_bus_message_close_container(m) : r;
        });
}

Spec &Spec::set(const std::string &key, bool value)
{
        return add(key, "b", [=](sd_bus_message *m) { return sd_bus_message_append(m, "b", (int) value); });
}

Spec &Spec::set(const std::string &key, uint16_t value)
{
        return add(key, "q", [=](sd_bus_message *m) { return sd_bus_message_append(m, "q", value); });
}

Spec &Spec::set(const std::string &key, uint64_t value)
{
        return add(key, "t", [=](sd_bus_message *m) { return sd_bus_message_append(m, "t", value); });
}

Spec &Spec::set(const std::string &key, uint32_t value)
{
        return add(key, "u", [=](sd_bus_message *m) { return sd_bus_message_append(m, "u", value); });
}

Spec &Spec::set(const std::string &key, int32_t value)
{
        return add(key, "i", [=](sd_bus_message *m) { return sd_bus_message_append(m, "i", value); });
}

Spec &Spec::set_fd(const std::string &key, int fd)
{
        return add(key, "h", [=](sd_bus_message *m) { return sd_bus_message_append(m, "h", fd); });
}

Spec &Spec::set_limits(const std::string &key, const std::vector<std::string> &names, uint64_t value)
{
        return add(key, "a{s(tt)}", [=](sd_bus_message *m) {
                int r = sd_bus_message_open_container(m, 'a', "{s(tt)}");

                for (const auto &name : names)
                        if (r >= 0)
                                r = sd_bus_message_append(m, "{s(tt)}", name.c_str(), value, value);
                return r < 0 ? r : sd_bus_message_close_container(m);
        });
}

Spec &Spec::set_limit(const std::string &key, const std::string &name, uint64_t soft, uint64_t hard)
{
        return add(key, "a{s(tt)}", [=](sd_bus_message *m) {
                return sd_bus_message_append(m, "a{s(tt)}", 1, name.c_str(), soft, hard);
        });
}

using Binding = std::array<std::string, 3>;

static int append_mount(sd_bus_message *m, const Binding &mount)
{
        std::vector<const char *> options;
        std::vector<std::string> owned;
        std::stringstream stream(mount[2]);
        int r;

        for (std::string option; std::getline(stream, option, ',');)
                owned.push_back(option);
        for (const auto &option : owned)
                options.push_back(option.c_str());
        options.push_back(nullptr);

        r = sd_bus_message_open_container(m, 'r', "ssas");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", mount[0].c_str(), mount[1].c_str());
        if (r >= 0)
                r = sd_bus_message_append_strv(m, const_cast<char **>(options.data()));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

Spec &Spec::set_mounts(const std::vector<Binding> &mounts)
{
        return add("Mounts", "a(ssas)", [=](sd_bus_message *m) {
                int r = sd_bus_message_open_container(m, 'a', "(ssas)");

                for (const auto &mount : mounts)
                        if (r >= 0)
                                r = append_mount(m, mount);
                return r < 0 ? r : sd_bus_message_close_container(m);
        });
}

Spec &Spec::set_devices(const std::vector<Binding> &devices)
{
        return add("Devices", "a(sss)", [=](sd_bus_message *m) {
                int r = sd_bus_message_open_container(m, 'a', "(sss)");

                for (const auto &device : devices)
                        if (r >= 0)
                                r = sd_bus_message_append(m, "(sss)", device[0].c_str(), device[1].c_str(),
                                                device[2].c_str());
                return r < 0 ? r : sd_bus_message_close_container(m);
        });
}

void Spec::append_to(sd_bus_message *m) const
{
        EXPECT_GE(sd_bus_message_open_container(m, 'a', "{sv}"), 0);
        for (const auto &entry : entries)
                EXPECT_GE(entry(m), 0);
        EXPECT_GE(sd_bus_message_close_container(m), 0);
}

Spec shell(const std::string &script)
{
        return Spec().set("Command", "/bin/sh")
                        .set("Arguments", std::vector<std::string>{ "-c", script })
                        .set("LogTargets", std::vector<std::string>{});
}

/* --- the connection --- */

Client::Client(const std::string &bus_address)
{
        EXPECT_GE(sd_bus_new(&bus), 0);
        EXPECT_GE(sd_bus_set_address(bus, bus_address.c_str()), 0);
        EXPECT_GE(sd_bus_set_bus_client(bus, true), 0);
        EXPECT_GE(sd_bus_start(bus), 0);
        EXPECT_GE(sd_bus_set_method_call_timeout(
                                  bus, (uint64_t) std::chrono::microseconds(DEADLINE).count()),
                        0);
}

Client::~Client()
{
        signals.clear();
        sd_bus_flush_close_unref(bus);
}

Message Client::new_call(const std::string &destination, const std::string &path,
                const std::string &interface, const std::string &member, const Fill &fill)
{
        sd_bus_message *m = nullptr;

        EXPECT_GE(sd_bus_message_new_method_call(bus, &m, destination.c_str(), path.c_str(),
                                  interface.c_str(), member.c_str()),
                        0)
                        << path << " " << member;
        if (fill)
                fill(m);
        return own(m);
}

static Reply make_reply(int r, const sd_bus_error *error, sd_bus_message *m)
{
        Reply result;

        if (r < 0 && !sd_bus_error_is_set(error))
                result.error = "errno " + std::to_string(-r);
        else if (r < 0) {
                result.error = error->name;
                result.text = error->message ? error->message : "";
        } else
                result.message = own(sd_bus_message_ref(m));
        return result;
}

Reply Client::call(const std::string &destination, const std::string &path, const std::string &interface,
                const std::string &member, const Fill &fill)
{
        Message m = new_call(destination, path, interface, member, fill);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = nullptr;
        int r = sd_bus_call(bus, m.get(), 0, &error, &reply);
        Reply result = make_reply(r, &error, reply);

        sd_bus_error_free(&error);
        sd_bus_message_unref(reply);
        return result;
}

std::shared_ptr<Pending> Client::call_later(const std::string &destination, const std::string &path,
                const std::string &interface, const std::string &member, const Fill &fill)
{
        Message m = new_call(destination, path, interface, member, fill);
        auto pending = std::make_shared<Pending>();
        auto on_reply = [](sd_bus_message *reply, void *userdata, sd_bus_error *) {
                auto shared = static_cast<std::shared_ptr<Pending> *>(userdata);
                const sd_bus_error *error = sd_bus_message_get_error(reply);

                (*shared)->finished = true;
                (*shared)->result = make_reply(error ? -1 : 0, error, reply);
                return 1;
        };
        sd_bus_slot *slot = nullptr;

        EXPECT_GE(sd_bus_call_async(bus, &slot, m.get(), on_reply, new std::shared_ptr<Pending>(pending), 0),
                        0);
        EXPECT_GE(sd_bus_slot_set_destroy_callback(slot,
                                  [](void *userdata) {
                                          delete static_cast<std::shared_ptr<Pending> *>(userdata);
                                  }),
                        0);
        EXPECT_GE(sd_bus_slot_set_floating(slot, true), 0);
        sd_bus_slot_unref(slot);
        EXPECT_GE(sd_bus_flush(bus), 0);
        return pending;
}

bool Client::await(const std::function<bool()> &condition)
{
        auto end = Clock::now() + DEADLINE;

        while (!condition()) {
                int r = sd_bus_process(bus, nullptr);

                if (r < 0 || Clock::now() > end)
                        return false;
                if (r == 0 && sd_bus_wait(bus, 50000) < 0)
                        return false;
        }
        return true;
}

bool Client::await(const std::shared_ptr<Pending> &pending)
{
        return await([&] { return pending->done(); });
}

Reply Client::manager(const std::string &member, const Fill &fill)
{
        return call(EXECUTOR_NAME, MANAGER_PATH, MANAGER_INTERFACE, member, fill);
}

Reply Client::task(const std::string &path, const std::string &member, const Fill &fill)
{
        return call(EXECUTOR_NAME, path, TASK_INTERFACE, member, fill);
}

static Client::Fill fill_start(const std::string &id, const Spec &spec, uint64_t flags)
{
        return [=](sd_bus_message *m) {
                EXPECT_GE(sd_bus_message_append(m, "s", id.c_str()), 0);
                spec.append_to(m);
                EXPECT_GE(sd_bus_message_append(m, "t", flags), 0);
        };
}

Reply Client::start_task(const std::string &id, const Spec &spec, uint64_t flags)
{
        return manager("StartTask", fill_start(id, spec, flags));
}

std::shared_ptr<Pending> Client::start_task_later(const std::string &id, const Spec &spec)
{
        return call_later(EXECUTOR_NAME, MANAGER_PATH, MANAGER_INTERFACE, "StartTask",
                        fill_start(id, spec, 0));
}

Reply Client::get_task(const std::string &id)
{
        return manager("GetTask",
                        [&](sd_bus_message *m) { EXPECT_GE(sd_bus_message_append(m, "s", id.c_str()), 0); });
}

Exit Client::read_exit(const Reply &reply)
{
        const char *result = "";
        int oom = 0;
        Exit exit;

        EXPECT_TRUE(reply.ok()) << reply;
        if (!reply.ok())
                return exit;
        EXPECT_STREQ(sd_bus_message_get_signature(reply.message.get(), 1), "siib");
        EXPECT_GT(sd_bus_message_read(reply.message.get(), "siib", &result, &exit.code, &exit.signal, &oom),
                        0);
        exit.result = result;
        exit.oom = oom;
        return exit;
}

Exit Client::wait_task(const std::string &path)
{
        return read_exit(task(path, "Wait"));
}

std::shared_ptr<Pending> Client::wait_later(const std::string &path)
{
        return call_later(EXECUTOR_NAME, path, TASK_INTERFACE, "Wait");
}

Reply Client::stop_task(const std::string &path, const std::string &signal, uint64_t grace_usec)
{
        return task(path, "Stop", [&](sd_bus_message *m) {
                EXPECT_GE(sd_bus_message_append(m, "st", signal.c_str(), grace_usec), 0);
        });
}

Reply Client::kill_task(const std::string &path, const std::string &whom, const std::string &signal)
{
        return task(path, "Kill", [&](sd_bus_message *m) {
                EXPECT_GE(sd_bus_message_append(m, "ss", whom.c_str(), signal.c_str()), 0);
        });
}

Reply Client::release(const std::string &path)
{
        return task(path, "Release");
}

std::map<std::string, std::pair<std::string, std::string>> Client::list_tasks()
{
        std::map<std::string, std::pair<std::string, std::string>> result;
        Reply reply = manager("ListTasks");
        const char *id, *state, *path;

        EXPECT_TRUE(reply.ok()) << reply;
        if (!reply.ok())
                return result;
        EXPECT_GT(sd_bus_message_enter_container(reply.message.get(), 'a', "(sso)"), 0);
        while (sd_bus_message_read(reply.message.get(), "(sso)", &id, &state, &path) > 0)
                EXPECT_TRUE(result.emplace(id, std::make_pair(state, path)).second)
                                << id << " is listed twice";
        return result;
}

std::string Client::property(const std::string &path, const std::string &name, const std::string &interface)
{
        Reply reply = call(EXECUTOR_NAME, path, "org.freedesktop.DBus.Properties", "Get",
                        [&](sd_bus_message *m) {
                                EXPECT_GE(sd_bus_message_append(m, "ss", interface.c_str(), name.c_str()),
                                                0);
                        });

        EXPECT_TRUE(reply.ok()) << path << " " << name << ": " << reply;
        return reply.ok() ? value_to_text(reply.message.get()) : "";
}

static std::map<std::string, std::string> read_dict(sd_bus_message *m)
{
        std::map<std::string, std::string> result;
        const char *key;

        EXPECT_GE(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                EXPECT_GT(sd_bus_message_read(m, "s", &key), 0);
                std::string name = key;
                result[name] = value_to_text(m);
                EXPECT_GE(sd_bus_message_exit_container(m), 0);
        }
        EXPECT_GE(sd_bus_message_exit_container(m), 0);
        return result;
}

std::map<std::string, std::string> Client::properties(const std::string &path, const std::string &interface)
{
        Reply reply = call(EXECUTOR_NAME, path, "org.freedesktop.DBus.Properties", "GetAll",
                        [&](sd_bus_message *m) {
                                EXPECT_GE(sd_bus_message_append(m, "s", interface.c_str()), 0);
                        });

        EXPECT_TRUE(reply.ok()) << path << ": " << reply;
        return reply.ok() ? read_dict(reply.message.get()) : std::map<std::string, std::string>();
}

bool Client::has_owner(const std::string &name)
{
        Reply reply = call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                        "NameHasOwner", [&](sd_bus_message *m) {
                                EXPECT_GE(sd_bus_message_append(m, "s", name.c_str()), 0);
                        });

        return reply.ok() && value_to_text(reply.message.get()) == "true";
}

std::string Client::introspect(const std::string &destination, const std::string &path)
{
        Reply reply = call(destination, path, "org.freedesktop.DBus.Introspectable", "Introspect");

        EXPECT_TRUE(reply.ok()) << path << ": " << reply;
        return reply.ok() ? value_to_text(reply.message.get()) : "";
}

void Client::record_signals()
{
        auto on_signal = [](sd_bus_message *m, void *userdata, sd_bus_error *) {
                static_cast<Client *>(userdata)->signals.push_back(
                                { sd_bus_message_get_path(m), sd_bus_message_get_interface(m),
                                                sd_bus_message_get_member(m), own(sd_bus_message_ref(m)) });
                return 0;
        };

        EXPECT_GE(sd_bus_add_match(bus, nullptr, "type='signal',sender='org.nomad.Executor'", on_signal,
                                  this),
                        0);
}

size_t Client::count_signals(const std::string &member, const std::string &path) const
{
        return (size_t) std::count_if(signals.begin(), signals.end(), [&](const Signal &signal) {
                const char *id, *task;

                if (signal.member != member)
                        return false;
                if (member != "TaskNew" && member != "TaskRemoved")
                        return signal.path == path;
                EXPECT_GE(sd_bus_message_rewind(signal.message.get(), true), 0);
                EXPECT_GT(sd_bus_message_read(signal.message.get(), "so", &id, &task), 0);
                return path == task;
        });
}

std::vector<std::string> Client::changes(const std::string &path, const std::string &property)
{
        std::vector<std::string> result;
        const char *interface;

        for (const auto &signal : signals) {
                if (signal.member != "PropertiesChanged" || signal.path != path)
                        continue;
                EXPECT_GE(sd_bus_message_rewind(signal.message.get(), true), 0);
                EXPECT_GT(sd_bus_message_read(signal.message.get(), "s", &interface), 0);
                auto values = read_dict(signal.message.get());
                if (values.count(property))
                        result.push_back(values[property]);
        }
        return result;
}
