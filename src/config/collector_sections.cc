// SPDX-License-Identifier: Apache-2.0
#include "config/collector_sections.h"

#include <fmt/format.h>

#include <map>
#include <set>

namespace khtrace::config {
namespace {

constexpr size_t kMiB = 1u << 20;

// "otlp/two" -> "otlp".
std::string TypeOf(const std::string& id) { return id.substr(0, id.find('/')); }

// Every id of a section must have one of `types`.
void CheckTypes(SectionReader& section, std::string_view kind,
                const std::set<std::string>& types) {
  if (section.node() == nullptr) return;
  for (const auto& [id, node] : section.node()->map) {
    section.Raw(id);
    if (types.contains(TypeOf(id))) continue;
    section.Fail(node, "",
                 types.empty()
                     ? fmt::format("unknown type: \"{}\" for id: \"{}\" (this "
                                   "version has no {})",
                                   TypeOf(id), id, kind)
                     : fmt::format("unknown type: \"{}\" for id: \"{}\" "
                                   "(valid values: [{}])",
                                   TypeOf(id), id, fmt::join(types, " ")));
  }
}

// Of each receiver type there is one, named by its type alone.
void CheckNames(SectionReader& section) {
  if (section.node() == nullptr) return;
  for (const auto& [id, node] : section.node()->map) {
    if (id == TypeOf(id)) continue;
    section.Fail(node, "",
                 fmt::format("\"{}\": this version has one receiver of a type, "
                             "named \"{}\"",
                             id, TypeOf(id)));
  }
}

void ReadTls(SectionReader section, net::TlsOptions* tls) {
  section.String("cert_file", &tls->cert_file,
                 "Certificate chain (PEM); empty = no TLS");
  section.String("key_file", &tls->key_file, "Its private key (PEM)");
  section.String("client_ca_file", &tls->client_ca_file,
                 "Senders must show a certificate signed by one of these");
  section.String("min_version", &tls->min_version, "\"1.2\" or \"1.3\"");
  section.Finish();
  if (section.node() != nullptr &&
      tls->cert_file.empty() != tls->key_file.empty()) {
    section.Fail(*section.node(), "", "cert_file and key_file go together");
  }
}

void ReadCors(SectionReader section, net::CorsOptions* cors) {
  section.Strings("allowed_origins", &cors->allowed_origins,
                  "Browser origins that may send; one * each");
  section.Strings("allowed_headers", &cors->allowed_headers,
                  "Request headers they may set; \"*\" = any");
  section.Strings("exposed_headers", &cors->exposed_headers,
                  "Response headers they may read");
  int64_t max_age = cors->max_age.count();
  section.Int("max_age", 0, 86'400, &max_age,
              "Seconds that a browser may keep a preflight's answer");
  cors->max_age = std::chrono::seconds(max_age);
  section.Finish();
}

// The tokens of each bearertokenauth extension, by its id.
using Authenticators = std::map<std::string, std::vector<Secret>>;

void ReadAuth(SectionReader section, const Authenticators& known,
              std::vector<Secret>* tokens) {
  std::string id;
  section.String("authenticator", &id,
                 "The bearertokenauth extension that guards this door");
  section.Finish();
  if (id.empty()) return;
  const auto found = known.find(id);
  if (found == known.end()) {
    section.Fail(*section.node(), "authenticator",
                 fmt::format("references extension \"{}\" which is not "
                             "configured",
                             id));
    return;
  }
  tokens->insert(tokens->end(), found->second.begin(), found->second.end());
}

void ReadHttp(SectionReader section, const Authenticators& authenticators,
              ServerConfig* config) {
  ingest::OtlpHttpDoor& http = *config->otlp.http;
  section.Endpoint("endpoint", &http.server.host, &http.server.port,
                   "OTLP/HTTP");
  section.String("traces_url_path", &http.traces_path, "Path of POST requests");
  if (const std::string& path = http.traces_path;
      section.node() != nullptr &&
      (!path.starts_with('/') ||
       path.find_first_of("{} ?#") != std::string::npos)) {
    section.Fail(*section.node(), "traces_url_path",
                 fmt::format("'{}' is no path: it must begin with '/' and hold "
                             "no space and none of {{}}?#",
                             path));
  }
  uint64_t max_body = config->otlp.intake.max_request_bytes;
  section.Bytes("max_request_body_size", 1024, &max_body,
                "Largest request, counted after decompression");
  config->otlp.intake.max_request_bytes = max_body;
  ReadTls(section.Section("tls"), &http.server.tls);
  ReadCors(section.Section("cors"), &http.server.cors);
  ReadAuth(section.Section("auth"), authenticators,
           &config->otlp.bearer_tokens);
  section.Finish();
}

void ReadGrpc(SectionReader section, const Authenticators& authenticators,
              ServerConfig* config) {
  net::GrpcServerOptions& server = config->otlp.grpc->server;
  section.Endpoint("endpoint", &server.host, &server.port, "OTLP/gRPC");
  int64_t max_mib = static_cast<int64_t>(server.max_recv_msg_bytes / kMiB);
  section.Int("max_recv_msg_size_mib", 1, 1024, &max_mib,
              "Largest message, uncompressed, in MiB");
  server.max_recv_msg_bytes = static_cast<size_t>(max_mib) * kMiB;
  int64_t streams = server.max_concurrent_streams;
  section.Int("max_concurrent_streams", 0, 1'000'000, &streams,
              "Calls at once on one connection; 0 = no limit of ours");
  server.max_concurrent_streams = static_cast<int>(streams);
  ReadTls(section.Section("tls"), &server.tls);
  ReadAuth(section.Section("auth"), authenticators,
           &config->otlp.bearer_tokens);
  section.Finish();
}

void ReadReceivers(SectionReader section, const Authenticators& authenticators,
                   ServerConfig* config) {
  CheckTypes(section, "receivers", {"otlp"});
  CheckNames(section);
  SectionReader otlp = section.Section("otlp");
  if (!section.present()) return;  // both doors, by default
  if (!otlp.present()) {
    config->otlp_enabled = false;
    config->otlp.http.reset();
    config->otlp.grpc.reset();
    return;
  }
  SectionReader protocols = otlp.Section("protocols");
  SectionReader grpc = protocols.Section("grpc");
  SectionReader http = protocols.Section("http");
  if (!grpc.present() && !http.present()) {
    otlp.Fail(*otlp.node(), "protocols",
              "must specify at least one protocol when using the OTLP "
              "receiver");
  }
  if (grpc.present()) {
    ReadGrpc(std::move(grpc), authenticators, config);
  } else {
    config->otlp.grpc.reset();
  }
  if (http.present()) {
    ReadHttp(std::move(http), authenticators, config);
  } else {
    config->otlp.http.reset();
  }
  SectionReader limits = otlp.Section("limits");
  uint64_t in_flight = config->otlp.intake.max_bytes_in_flight;
  limits.Bytes("max_bytes_in_flight", kMiB, &in_flight,
               "Requests being decoded or stored at once, a door; over it "
               "senders are told to retry");
  config->otlp.intake.max_bytes_in_flight = in_flight;
  limits.Finish();
  protocols.Finish();
  otlp.Finish();
}

Authenticators ReadExtensions(SectionReader section, ServerConfig* config) {
  Authenticators authenticators;
  CheckTypes(section, "extensions", {"health_check", "bearertokenauth"});
  SectionReader health = section.Section("health_check");
  health.Endpoint("endpoint", &config->health.host, &config->health.port,
                  "Health in the Collector's shape");
  health.Finish();
  if (section.node() == nullptr) return authenticators;
  for (const auto& [id, node] : section.node()->map) {
    if (TypeOf(id) != "bearertokenauth") continue;
    SectionReader bearer = section.Section(id);
    std::vector<Secret> tokens;
    bearer.Secrets("token", &tokens, "The token; or");
    bearer.Secrets("tokens", &tokens, "several of them");
    bearer.Finish();
    authenticators.emplace(id, std::move(tokens));
  }
  return authenticators;
}

// Every name of a pipeline's list must be configured (or built in).
void CheckReferences(SectionReader& pipeline, std::string_view key,
                     std::string_view kind, const ConfigNode* configured,
                     const std::set<std::string>& built_in, bool required) {
  std::vector<std::string> names;
  pipeline.Strings(key, &names, fmt::format("Ids of {}s", kind));
  if (required && names.empty()) {
    pipeline.Fail(*pipeline.node(), "",
                  fmt::format("must have at least one {}", kind));
  }
  std::set<std::string> seen;
  for (const std::string& name : names) {
    const bool known = built_in.contains(name) ||
                       (configured != nullptr && configured->Find(name));
    if (!known) {
      pipeline.Fail(*pipeline.node(), key,
                    fmt::format("references {} \"{}\" which is not configured",
                                kind, name));
    }
    if (!seen.insert(name).second) {
      pipeline.Fail(
          *pipeline.node(), key,
          fmt::format("references {} \"{}\" multiple times", kind, name));
    }
  }
}

void ReadPipelines(SectionReader section, SectionReader& top) {
  if (section.node() == nullptr) return;
  for (const auto& [id, node] : section.node()->map) {
    SectionReader pipeline = section.Section(id);
    if (TypeOf(id) != "traces") {
      section.Fail(node, id, "only traces pipelines exist here");
      continue;
    }
    if (pipeline.node() == nullptr) continue;
    CheckReferences(pipeline, "receivers", "receiver", top.Raw("receivers"),
                    {"otlp"}, true);
    CheckReferences(pipeline, "processors", "processor", top.Raw("processors"),
                    {}, false);
    CheckReferences(pipeline, "exporters", "exporter", top.Raw("exporters"),
                    {"khtrace_store"}, true);
    pipeline.Finish();
  }
}

void ReadService(SectionReader section, SectionReader& top,
                 ServerConfig* config) {
  std::vector<std::string> extensions;
  section.Strings("extensions", &extensions, "Ids of extensions in use");
  const ConfigNode* configured = top.Raw("extensions");
  for (const std::string& id : extensions) {
    if (configured != nullptr && configured->Find(id) != nullptr) continue;
    section.Fail(*section.node(), "extensions",
                 fmt::format("references extension \"{}\" which is not "
                             "configured",
                             id));
  }
  SectionReader pipelines = section.Section("pipelines");
  ReadPipelines(std::move(pipelines), top);
  SectionReader telemetry = section.Section("telemetry");
  SectionReader logs = telemetry.Section("logs");
  int level = static_cast<int>(config->log_level);
  logs.Choice("level", {"debug", "info", "warn", "error"}, &level,
              "Least severe log line that is written");
  config->log_level = static_cast<log::Level>(level);
  logs.Finish();
  SectionReader metrics = telemetry.Section("metrics");
  metrics.Endpoint("endpoint", &config->metrics.host, &config->metrics.port,
                   "GET /metrics in Prometheus' format");
  metrics.Finish();
  telemetry.Finish();
  section.Finish();
}

}  // namespace

void ReadCollectorSections(SectionReader& top, ServerConfig* config,
                           ReadReport*) {
  const Authenticators authenticators =
      ReadExtensions(top.Section("extensions"), config);
  ReadReceivers(top.Section("receivers"), authenticators, config);
  SectionReader processors = top.Section("processors");
  CheckTypes(processors, "processors", {});
  SectionReader connectors = top.Section("connectors");
  CheckTypes(connectors, "connectors", {});
  SectionReader exporters = top.Section("exporters");
  CheckTypes(exporters, "exporters", {"khtrace_store"});
  ReadService(top.Section("service"), top, config);
}

}  // namespace khtrace::config
