// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "alerting/options.h"
#include "analysis/options.h"
#include "base/log.h"
#include "base/result.h"
#include "base/secret.h"
#include "config/config_node.h"
#include "config/section_reader.h"
#include "ingest/otlp_receiver_options.h"
#include "net/http_server_options.h"
#include "storage/columnar/store_options.h"

namespace khtrace::config {

// How a configuration reaches us: the command line of `khtrace serve`.
struct ConfigSources {
  std::vector<std::string> files;  // later ones win
  std::vector<std::string> sets;   // "a.b=value"; win over files
  std::string data_dir;            // wins over storage.path; "" = not given
  std::string bind;                // host of every door without an endpoint
  int port_offset = 0;             // added to every port
  bool insecure = false;           // off loopback without auth
};

enum class StorageEngine { kColumnar, kMemory };

// A door for queries: host and port, TLS and CORS filled in.
using ApiDoor = net::HttpServerOptions;

// Everything that `khtrace serve` needs to know. Plain data.
struct ServerConfig {
  ingest::OtlpReceiverOptions otlp;
  bool otlp_enabled = true;

  StorageEngine engine = StorageEngine::kColumnar;
  std::string data_dir = "data";
  storage::columnar::StoreOptions columnar;

  ApiDoor ui;          // 16686: Jaeger's API and the web UI
  ApiDoor tempo;       // 3200
  ApiDoor dashboards;  // 3031
  ApiDoor health;      // 13133
  ApiDoor metrics;     // 8888

  analysis::AnalysisOptions analysis;
  alerting::AlertingOptions alerting;

  bool multitenancy = false;
  std::chrono::nanoseconds query_timeout = std::chrono::seconds(30);
  int64_t query_max_traces = 10'000;
  std::vector<Secret> api_tokens;
  int64_t io_threads = 0;
  int64_t cpu_threads = 0;
  log::Level log_level = log::Level::kInfo;

  // Of all that files and --set say, secrets left out: equal where two servers
  // are configured alike.
  uint64_t hash = 0;

  std::vector<std::string> warnings;
};

// Reads, merges, expands and checks. kInvalidArgument lists every problem, a
// line each, with file and line number; kNotFound: a file is missing.
Result<ServerConfig> LoadServerConfig(const ConfigSources& sources,
                                      const LookupEnv& env);

// docs/config.md's table of keys, made from what the reader knows.
std::string ConfigKeysMarkdown();

}  // namespace khtrace::config
