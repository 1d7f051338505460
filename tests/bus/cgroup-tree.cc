/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup-tree.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace fs = std::filesystem;

std::string cgroup_full_path(const std::string &path)
{
        return "/sys/fs/cgroup" + path;
}

bool cgroup_exists(const std::string &path)
{
        return access((cgroup_full_path(path) + "/cgroup.procs").c_str(), F_OK) == 0;
}

bool cgroup_make(const std::string &path)
{
        std::error_code error;

        fs::create_directories(cgroup_full_path(path), error);
        errno = error.value();
        return !error;
}

static bool write_file(const std::string &path, const std::string &text)
{
        std::ofstream file(path);

        file << text;
        file.flush();
        return file.good();
}

bool cgroup_attach(const std::string &path, pid_t pid)
{
        return write_file(cgroup_full_path(path) + "/cgroup.procs", std::to_string(pid));
}

std::vector<std::string> cgroup_children(const std::string &path)
{
        std::vector<std::string> result;
        std::error_code error;

        for (const auto &entry : fs::directory_iterator(cgroup_full_path(path), error)) {
                if (!entry.is_directory(error))
                        continue;

                std::string child = (path == "/" ? "" : path) + "/" + entry.path().filename().string();
                for (const auto &below : cgroup_children(child))
                        result.push_back(below);
                result.push_back(child);
        }
        return result;
}

std::vector<pid_t> cgroup_processes(const std::string &path)
{
        std::vector<std::string> all = cgroup_children(path);
        std::vector<pid_t> result;

        all.push_back(path);
        for (const auto &cgroup : all) {
                std::ifstream file(cgroup_full_path(cgroup) + "/cgroup.procs");
                pid_t pid;

                while (file >> pid)
                        result.push_back(pid);
        }
        return result;
}

bool cgroup_populated(const std::string &path)
{
        std::ifstream file(cgroup_full_path(path) + "/cgroup.events");
        std::string key;
        int value;

        while (file >> key >> value)
                if (key == "populated")
                        return value != 0;
        return false;
}

void cgroup_signal_all(const std::string &path, int signal)
{
        if (signal == SIGKILL) {
                write_file(cgroup_full_path(path) + "/cgroup.kill", "1");
                return;
        }
        for (pid_t pid : cgroup_processes(path))
                (void) kill(pid, signal);
}

bool cgroup_remove(const std::string &path)
{
        bool done = true;

        for (const auto &child : cgroup_children(path))
                done = rmdir(cgroup_full_path(child).c_str()) == 0 && done;
        return rmdir(cgroup_full_path(path).c_str()) == 0 && done;
}

std::string cgroup_of_slice(const std::string &slice)
{
        std::string result, stem = slice.substr(0, slice.rfind(".slice"));

        if (stem == "-")
                return "";
        for (size_t i = stem.find('-'); i != std::string::npos; i = stem.find('-', i + 1))
                result += "/" + stem.substr(0, i) + ".slice";
        return result + "/" + slice;
}
