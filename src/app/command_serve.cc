// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <cstdlib>

#include "app/commands.h"
#include "app/flags.h"
#include "app/server.h"
#include "base/log.h"
#include "config/server_config.h"

namespace khtrace::app {
namespace {

std::optional<std::string> Env(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

void AddSourceFlags(Command& command, config::ConfigSources* sources) {
  command
      .Texts("--config", &sources->files,
             "YAML file in the Collector's grammar with khtrace's own "
             "sections beside it; may be repeated, later files win")
      .TypeName("FILE");
  command
      .Texts("--set", &sources->sets,
             "One key, e.g. --set storage.retention.max_age=48h; wins "
             "over files; may be repeated")
      .TypeName("KEY=VALUE");
  command
      .Text("--data-dir", &sources->data_dir,
            "Where traces are kept [storage.path, ./data]")
      .TypeName("DIR");
  command
      .Number("--port-offset", &sources->port_offset,
              "Added to every port, so that several can run side by side")
      .Range(-65535, 65535);
  command.Text("--bind", &sources->bind,
               "Address that every door listens on [127.0.0.1]");
  command.Switch("--insecure", &sources->insecure,
                 "Allow doors off loopback without authentication");
}

Result<config::ServerConfig> Load(const config::ConfigSources& sources) {
  Result<config::ServerConfig> config = config::LoadServerConfig(sources, Env);
  if (config) {
    for (const std::string& warning : config->warnings) {
      log::Warning("{}", warning);
    }
  }
  return config;
}

// A valid file's log level takes effect at once; the rest needs a restart.
void Reload(const config::ConfigSources& sources) {
  const Result<config::ServerConfig> config = Load(sources);
  if (!config) {
    log::Error("cannot reload, going on with the old configuration:\n{}",
               config.error().message);
    return;
  }
  log::SetLevel(config->log_level);
  log::Info(
      "configuration reloaded: the log level is in force, everything "
      "else takes effect at the next start");
}

// Connections and mapped parts: as many as the system allows, which shells
// start with a part of.
void RaiseOpenFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

sigset_t HandledSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    sigaddset(&signals, signal);
  }
  return signals;
}

// Returns when the program shall stop.
void WaitForStop(const config::ConfigSources& sources) {
  const sigset_t signals = HandledSignals();
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGHUP) {
      log::Info("stopping: got {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      return;
    }
    Reload(sources);
  }
}

int Serve(const config::ConfigSources& sources) {
  // Before any thread starts, so that only sigwait ever sees them.
  const sigset_t signals = HandledSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  RaiseOpenFiles();

  const Result<config::ServerConfig> config = Load(sources);
  if (!config) {
    log::Error("cannot start:\n{}", config.error().message);
    return 2;
  }
  log::SetLevel(config->log_level);
  Result<std::unique_ptr<Server>> server = Server::Start(*config);
  if (!server) {
    log::Error("cannot start: {}", server.error().message);
    return 1;
  }
  std::string doors;
  for (const auto& [name, address] : (*server)->Addresses()) {
    doors += fmt::format("{}{} {}", doors.empty() ? "" : ", ", name, address);
  }
  log::Info("ready: {}", doors);
  WaitForStop(sources);
  if (Status stopped = (*server)->Stop(); !stopped) {
    log::Error("cannot stop cleanly: {}", stopped.error().message);
    return 1;
  }
  log::Info("stopped");
  return 0;
}

int CheckConfig(const config::ConfigSources& sources) {
  const Result<config::ServerConfig> config =
      config::LoadServerConfig(sources, Env);
  if (!config) {
    fmt::print(stderr, "{}\n", config.error().message);
    return 1;
  }
  for (const std::string& warning : config->warnings) {
    fmt::print(stderr, "warning: {}\n", warning);
  }
  fmt::print("the configuration is valid\n");
  return 0;
}

}  // namespace

void AddServeCommand(Command root) {
  Command command = root.Add("serve", "Receive, store and answer: the server");
  auto sources = std::make_shared<config::ConfigSources>();
  AddSourceFlags(command, sources.get());
  command.Footer(
      "Needs no configuration: without any, it listens on 127.0.0.1 at the\n"
      "ports of the programs that it replaces (4317 and 4318 OTLP, 16686\n"
      "Jaeger, 3200 Tempo, 13133 health, 8888 metrics) and keeps traces in\n"
      "./data. SIGTERM stops it, SIGHUP reads the configuration again.");
  command.OnRun([sources] { return Serve(*sources); });
}

void AddCheckConfigCommand(Command root) {
  Command command = root.Add(
      "check-config", "Say whether `serve` would take this configuration");
  auto sources = std::make_shared<config::ConfigSources>();
  AddSourceFlags(command, sources.get());
  auto print_keys = std::make_shared<bool>(false);
  command.Switch("--print-keys", print_keys.get(),
                 "Print every key with type, default and meaning, as "
                 "Markdown");
  command.OnRun([sources, print_keys] {
    if (*print_keys) {
      fmt::print("{}", config::ConfigKeysMarkdown());
      return kExitOk;
    }
    return CheckConfig(*sources);
  });
}

}  // namespace khtrace::app
