// SPDX-License-Identifier: Apache-2.0
#include "config/server_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "config/alerting_section.h"
#include "config/analysis_section.h"
#include "config/collector_sections.h"
#include "config/storage_section.h"

namespace khtrace::config {
namespace {

bool IsLoopback(const std::string& host) {
  return host == "::1" || host == "localhost" || host.starts_with("127.");
}

ApiDoor Door(const std::string& host, uint16_t port, std::string option) {
  ApiDoor door;
  door.host = host;
  door.port = port;
  door.port_option = std::move(option);
  return door;
}

ServerConfig Defaults(const std::string& bind) {
  const std::string host = bind.empty() ? "127.0.0.1" : bind;
  ServerConfig config;
  config.otlp.http.emplace();
  config.otlp.http->server = Door(host, 4318, kOtlpHttpEndpoint);
  config.otlp.grpc.emplace();
  config.otlp.grpc->server.host = host;
  config.otlp.grpc->server.port = 4317;
  config.otlp.grpc->server.port_option = kOtlpGrpcEndpoint;
  config.ui = Door(host, 16686, "ui.endpoint");
  config.dashboards = Door(host, 3031, "ui.dashboards_endpoint");
  config.tempo = Door(host, 3200, "query.tempo_endpoint");
  config.health = Door(host, 13133, "extensions.health_check.endpoint");
  config.metrics = Door(host, 8888, "service.telemetry.metrics.endpoint");
  config.analysis = analysis::AnalysisOptions::Defaults();
  config.alerting = alerting::AlertingOptions::Defaults();
  return config;
}

void ReadTls(SectionReader section, ServerConfig* config) {
  net::TlsOptions tls;
  section.String("cert_file", &tls.cert_file,
                 "Certificate chain (PEM) of the query APIs; empty = no TLS");
  section.String("key_file", &tls.key_file, "Its private key (PEM)");
  section.String("client_ca_file", &tls.client_ca_file,
                 "Clients must show a certificate signed by one of these");
  section.String("min_version", &tls.min_version, "\"1.2\" or \"1.3\"");
  section.Finish();
  for (ApiDoor* door : {&config->ui, &config->tempo, &config->dashboards}) {
    door->tls = tls;
  }
}

void ReadQuery(SectionReader section, ServerConfig* config) {
  section.Endpoint("tempo_endpoint", &config->tempo.host, &config->tempo.port,
                   "Tempo's query API");
  section.Duration("timeout", std::chrono::milliseconds(1),
                   &config->query_timeout,
                   "A query that takes longer is given up with an error");
  section.Int("max_traces", 1, 1'000'000, &config->query_max_traces,
              "Largest number of traces that one search may ask for");
  section.Finish();
}

void ReadUi(SectionReader section, ServerConfig* config) {
  section.Endpoint("endpoint", &config->ui.host, &config->ui.port,
                   "Web UI and Jaeger's query API");
  section.Endpoint("dashboards_endpoint", &config->dashboards.host,
                   &config->dashboards.port, "Dashboards, /api/health");
  section.Strings("cors_allowed_origins", &config->ui.cors.allowed_origins,
                  "Web pages of other origins that may read the query APIs");
  section.Finish();
  config->tempo.cors = config->ui.cors;
}

void ReadAll(const ConfigNode& root, ServerConfig* config, ReadReport* report) {
  SectionReader top(&root, "", report);
  ReadCollectorSections(top, config, report);
  ReadStorage(top.Section("storage"), config);
  ReadQuery(top.Section("query"), config);
  ReadUi(top.Section("ui"), config);
  ReadTls(top.Section("tls"), config);
  ReadAnalysis(top.Section("analysis"), config);
  ReadAlerting(top.Section("alerting"), config);
  SectionReader auth = top.Section("auth");
  auth.Secrets("bearer_tokens", &config->api_tokens,
               "Tokens that open the query APIs; empty = open to all who "
               "reach them");
  auth.Finish();
  SectionReader threads = top.Section("threads");
  threads.Int("io", 0, 256, &config->io_threads,
              "Threads that serve sockets; 0 = one for four cores");
  threads.Int("cpu", 0, 1024, &config->cpu_threads,
              "Threads that decode and answer queries; 0 = one a core, at "
              "least two");
  threads.Finish();
  top.Bool("multitenancy", &config->multitenancy,
           "Every request names its tenant in X-Scope-OrgID");
  top.Finish();
  config->otlp.intake.multitenancy = config->multitenancy;
}

template <typename Fn>
void ForEachDoor(ServerConfig* config, const Fn& fn) {
  if (config->otlp_enabled && config->otlp.http) fn(config->otlp.http->server);
  if (config->otlp_enabled && config->otlp.grpc) fn(config->otlp.grpc->server);
  fn(config->ui);
  fn(config->tempo);
  fn(config->dashboards);
  fn(config->health);
  fn(config->metrics);
}

void FillInThreads(ServerConfig* config) {
  const auto cores = std::max(1u, std::thread::hardware_concurrency());
  if (config->io_threads == 0) {
    config->io_threads = std::clamp<int64_t>(cores / 4, 1, 8);
  }
  if (config->cpu_threads == 0) {
    config->cpu_threads = std::clamp<int64_t>(cores, 2, 64);
  }
}

void ApplyPortOffset(int offset, ServerConfig* config, ReadReport* report) {
  ForEachDoor(config, [&](auto& door) {
    if (door.port == 0) return;  // any free one
    const int port = door.port + offset;
    if (port < 1 || port > 65535) {
      report->errors.push_back(
          fmt::format("--port-offset {}: port {} of {} would become {}", offset,
                      door.port, door.port_option, port));
      return;
    }
    door.port = static_cast<uint16_t>(port);
  });
}

// Two doors on one port: the second would only be told that it is taken.
void CheckPorts(ServerConfig* config, ReadReport* report) {
  struct Taken {
    std::string host;
    uint16_t port = 0;
    std::string option;
  };
  std::vector<Taken> taken;
  const auto is_any = [](const std::string& host) {
    return host == "0.0.0.0" || host == "::";
  };
  ForEachDoor(config, [&](const auto& door) {
    if (door.port == 0) return;  // any free one
    for (const Taken& other : taken) {
      if (other.port != door.port) continue;
      if (other.host != door.host && !is_any(other.host) &&
          !is_any(door.host)) {
        continue;
      }
      report->errors.push_back(fmt::format("{}: port {} is already that of {}",
                                           door.port_option, door.port,
                                           other.option));
      break;
    }
    taken.push_back({door.host, door.port, door.port_option});
  });
}

// What cannot be read now cannot be read when the door opens.
void CheckTlsFiles(ServerConfig* config, ReadReport* report) {
  std::set<std::string> told;
  ForEachDoor(config, [&](const auto& door) {
    const net::TlsOptions& tls = door.tls;
    for (const auto& [option, file] :
         {std::pair("cert_file", tls.cert_file),
          std::pair("key_file", tls.key_file),
          std::pair("client_ca_file", tls.client_ca_file)}) {
      if (file.empty() || !told.insert(file).second) continue;
      const auto text = ReadFile(Fs::Real(), file);
      if (text) continue;
      report->errors.push_back(fmt::format(
          "tls.{} of {}: {}", option, door.port_option, text.error().message));
    }
  });
}

// Where messages lead when nothing else is said.
void FillInBaseUrl(ServerConfig* config) {
  if (!config->alerting.base_url.empty()) return;
  const ApiDoor& ui = config->ui;
  const bool any = ui.host == "0.0.0.0" || ui.host == "::";
  const bool v6 = ui.host.find(':') != std::string::npos;
  config->alerting.base_url = fmt::format(
      "{}://{}:{}", ui.tls.cert_file.empty() ? "http" : "https",
      any ? "127.0.0.1" : (v6 ? "[" + ui.host + "]" : ui.host), ui.port);
}

// No default lets strangers in: off loopback every door needs a token, a
// client certificate, or the explicit word that it shall be open.
void CheckExposure(const ConfigSources& sources, ServerConfig* config,
                   ReadReport* report) {
  if (sources.insecure) return;
  const auto check = [&](const auto& door, bool guarded) {
    if (guarded || IsLoopback(door.host) || !door.tls.client_ca_file.empty()) {
      return;
    }
    report->errors.push_back(fmt::format(
        "{}: {} is not a loopback address and nobody has to show who they "
        "are; set tokens (auth.bearer_tokens, or a bearertokenauth extension "
        "for the receiver), client certificates, or pass --insecure",
        door.port_option, door.host));
  };
  const bool otlp_guarded = !config->otlp.bearer_tokens.empty();
  if (config->otlp.http) check(config->otlp.http->server, otlp_guarded);
  if (config->otlp.grpc) check(config->otlp.grpc->server, otlp_guarded);
  const bool api_guarded = !config->api_tokens.empty();
  check(config->ui, api_guarded);
  check(config->tempo, api_guarded);
}

Result<ConfigNode> LoadTree(const ConfigSources& sources, const LookupEnv& env,
                            ReadReport* report) {
  ConfigNode root;
  root.kind = ConfigNode::Kind::kMap;
  root.file = "defaults";
  for (const std::string& file : sources.files) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(Fs::Real(), file));
    ASSIGN_OR_RETURN(ConfigNode tree, ParseYaml(text, file));
    Merge(root, std::move(tree));
  }
  for (const std::string& set : sources.sets) {
    ASSIGN_OR_RETURN(ConfigNode tree, ParseSetFlag(set));
    Merge(root, std::move(tree));
  }
  RETURN_IF_ERROR(ExpandVariables(root, env, &report->warnings));
  return root;
}

}  // namespace

Result<ServerConfig> LoadServerConfig(const ConfigSources& sources,
                                      const LookupEnv& env) {
  ReadReport report;
  ASSIGN_OR_RETURN(const ConfigNode root, LoadTree(sources, env, &report));
  ServerConfig config = Defaults(sources.bind);
  ReadAll(root, &config, &report);
  if (!sources.data_dir.empty()) config.data_dir = sources.data_dir;
  config.columnar.data_dir = config.data_dir;
  config.hash = ContentHash(root);
  if (Status valid = config.columnar.Validate(&report.warnings); !valid) {
    report.errors.push_back("storage: " + valid.error().message);
  }
  FillInThreads(&config);
  ApplyPortOffset(sources.port_offset, &config, &report);
  CheckPorts(&config, &report);
  CheckTlsFiles(&config, &report);
  CheckExposure(sources, &config, &report);
  FillInBaseUrl(&config);
  if (!report.errors.empty()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}", fmt::join(report.errors, "\n"))};
  }
  config.warnings = std::move(report.warnings);
  return config;
}

std::string ConfigKeysMarkdown() {
  ReadReport report;
  ServerConfig config = Defaults("");
  const auto root = ParseYaml(
      "extensions: {health_check: {}, bearertokenauth: {}}\n"
      "receivers: {otlp: {protocols: {grpc: {}, http: {}}}}\n"
      "exporters: {khtrace_store: {}}\n"
      "service: {pipelines: {traces: {receivers: [otlp], exporters: "
      "[khtrace_store]}}}\n",
      "documentation");
  KHTRACE_CHECK(root.has_value());
  ReadAll(*root, &config, &report);
  std::string out = "| key | type | default | meaning |\n|---|---|---|---|\n";
  for (const KeyDoc& key : report.docs) {
    out += fmt::format("| `{}` | {} | `{}` | {} |\n", key.path, key.type,
                       key.default_value, key.help);
  }
  return out;
}

}  // namespace khtrace::config
