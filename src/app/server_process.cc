// SPDX-License-Identifier: Apache-2.0
#include "app/server_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/fs.h"

namespace khtrace::app {
namespace {

constexpr std::chrono::seconds kStartLimit{30};

[[noreturn]] void RunChild(const std::vector<std::string>& arguments,
                           const std::string& log_path) {
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (log >= 0) {
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
  }
  std::vector<char*> argv;
  static char program[] = "/proc/self/exe";
  static char serve[] = "serve";
  argv.push_back(program);
  argv.push_back(serve);
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  execv(program, argv.data());
  _exit(127);
}

std::string LogOf(const std::string& path) {
  const Result<std::string> text = ReadFile(Fs::Real(), path);
  return text ? *text : "";
}

}  // namespace

Result<std::unique_ptr<ServerProcess>> ServerProcess::Start(
    const std::vector<std::string>& arguments, const std::string& log_path) {
  const pid_t pid = fork();
  if (pid < 0) return Error{Code::kUnavailable, "cannot fork"};
  if (pid == 0) RunChild(arguments, log_path);
  std::unique_ptr<ServerProcess> process(new ServerProcess(pid));
  const auto limit = std::chrono::steady_clock::now() + kStartLimit;
  while (LogOf(log_path).find(" ready: ") == std::string::npos) {
    int status = 0;
    const bool ended = waitpid(pid, &status, WNOHANG) == pid;
    if (ended) process->pid_ = -1;
    if (ended || std::chrono::steady_clock::now() > limit) {
      return Error{Code::kUnavailable,
                   "the server did not start:\n" + LogOf(log_path)};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return process;
}

ServerProcess::~ServerProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

ProcessUsage ServerProcess::Usage() const {
  ProcessUsage usage;
  std::ifstream stat(fmt::format("/proc/{}/stat", pid_));
  std::string line;
  std::getline(stat, line);
  // Fields are counted behind the command's closing parenthesis; utime and
  // stime are fields 14 and 15 (proc(5)).
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  usage.cpu_seconds =
      (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::ifstream status(fmt::format("/proc/{}/status", pid_));
  while (std::getline(status, line)) {
    if (line.rfind("VmHWM:", 0) == 0) {
      usage.peak_bytes = std::stoull(line.substr(6)) * 1024;
    }
  }
  return usage;
}

Status ServerProcess::Stop() {
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Error{Code::kInternal,
               fmt::format("the server ended with wait status {}", status)};
}

}  // namespace khtrace::app
