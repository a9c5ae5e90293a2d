// SPDX-License-Identifier: Apache-2.0
#include "config/server_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fs.h"
#include "base/temp_dir.h"

namespace khtrace::config {
namespace {

std::optional<std::string> NoEnv(const std::string&) { return std::nullopt; }

// Loads one file with this text.
class Loaded {
 public:
  explicit Loaded(const std::string& yaml, ConfigSources sources = {}) {
    const std::string path = dir_.path() + "/khtrace.yml";
    KHTRACE_CHECK(WriteFileAtomically(Fs::Real(), path, yaml).has_value());
    sources.files = {path};
    Result<ServerConfig> config = LoadServerConfig(sources, NoEnv);
    if (config) {
      config_ = *std::move(config);
    } else {
      error_ = config.error().message;
    }
  }
  const ServerConfig& operator*() const { return config_; }
  const ServerConfig* operator->() const { return &config_; }
  const std::string& error() const { return error_; }
  // The error without the directory that holds the file.
  std::string ShortError() const {
    std::string text = error_;
    for (size_t at; (at = text.find(dir_.path() + "/")) != std::string::npos;) {
      text.erase(at, dir_.path().size() + 1);
    }
    return text;
  }

 private:
  TempDirForTesting dir_;
  ServerConfig config_;
  std::string error_;
};

TEST(ServerConfig, NeedsNoConfigurationAtAll) {
  const Result<ServerConfig> config = LoadServerConfig({}, NoEnv);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->otlp.http->server.port, 4318);
  EXPECT_EQ(config->otlp.grpc->server.port, 4317);
  EXPECT_EQ(config->ui.port, 16686);
  EXPECT_EQ(config->tempo.port, 3200);
  EXPECT_EQ(config->dashboards.port, 3031);
  EXPECT_EQ(config->health.port, 13133);
  EXPECT_EQ(config->metrics.port, 8888);
  EXPECT_EQ(config->ui.host, "127.0.0.1");
  EXPECT_FALSE(config->multitenancy);
}

TEST(ServerConfig, ShiftsEveryPortByTheOffset) {
  ConfigSources sources;
  sources.port_offset = 1000;
  const Result<ServerConfig> config = LoadServerConfig(sources, NoEnv);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->otlp.http->server.port, 5318);
  EXPECT_EQ(config->metrics.port, 9888);
}

TEST(ServerConfig, NamesThePortThatAnOffsetPushesOut) {
  ConfigSources sources;
  sources.port_offset = 60000;
  const Result<ServerConfig> config = LoadServerConfig(sources, NoEnv);
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find(
                "port 16686 of ui.endpoint would become 76686"),
            std::string::npos);
}

TEST(ServerConfig, ReadsACollectorsSections) {
  const Loaded config(R"(
receivers:
  otlp:
    protocols:
      http:
        endpoint: localhost:9999
        cors: {allowed_origins: ["https://*.example.com"], max_age: 60}
        auth: {authenticator: bearertokenauth/in}
extensions:
  bearertokenauth/in: {token: sesame}
exporters: {khtrace_store: }
service:
  extensions: [bearertokenauth/in]
  telemetry: {logs: {level: warn}}
  pipelines:
    traces: {receivers: [otlp], exporters: [khtrace_store]}
)");
  ASSERT_EQ(config.error(), "");
  EXPECT_FALSE(config->otlp.grpc);  // only the listed protocols open
  EXPECT_EQ(config->otlp.http->server.host, "127.0.0.1");
  EXPECT_EQ(config->otlp.http->server.port, 9999);
  EXPECT_EQ(config->otlp.http->server.cors.max_age.count(), 60);
  ASSERT_EQ(config->otlp.bearer_tokens.size(), 1u);
  EXPECT_TRUE(config->otlp.bearer_tokens[0].Matches("sesame"));
  EXPECT_EQ(config->log_level, log::Level::kWarning);
}

TEST(ServerConfig, TenantHasWhatItDoesNotSayFromAll) {
  const Loaded config(
      "storage:\n"
      "  tenants:\n"
      "    team-a:\n"
      "      retention: {max_age: 48h}\n"
      "      limits: {max_memory: 64MiB}\n"
      "  retention: {max_age: 24h, max_bytes: 1GiB}\n");
  ASSERT_EQ(config.error(), "");
  const auto& store = config->columnar;
  EXPECT_EQ(store.LimitsOf("other").retention, std::chrono::hours(24));
  EXPECT_EQ(store.LimitsOf("other").max_memory_bytes, 0u);
  EXPECT_EQ(store.LimitsOf("team-a").retention, std::chrono::hours(48));
  EXPECT_EQ(store.LimitsOf("team-a").retention_max_bytes, 1u << 30);
  EXPECT_EQ(store.LimitsOf("team-a").max_memory_bytes, 64u << 20);
}

TEST(ServerConfig, MistakesInATenantAreNamed) {
  const Loaded config(
      "storage:\n"
      "  tenants:\n"
      "    team a: {}\n"
      "    b: {retention: {max_aeg: 5h}}\n");
  EXPECT_THAT(config.ShortError(), testing::HasSubstr("invalid tenant"));
  EXPECT_THAT(config.ShortError(),
              testing::HasSubstr("khtrace.yml:4: storage.tenants.b.retention."
                                 "max_aeg: unknown key"));
}

TEST(ServerConfig, ListsEveryMistakeWithItsLineAndWhatWasMeant) {
  const Loaded config(
      "storage:\n"
      "  retention:\n"
      "    max_aeg: 5h\n"
      "processors:\n"
      "  batch: {}\n"
      "query: {timeout: soon}\n"
      "servcie: {}\n");
  EXPECT_EQ(config.ShortError(),
            "khtrace.yml:5: processors: unknown type: \"batch\" for id: "
            "\"batch\" (this version has no processors)\n"
            "khtrace.yml:3: storage.retention.max_aeg: unknown key, did you "
            "mean 'max_age'?\n"
            "khtrace.yml:6: query.timeout: invalid duration 'soon': "
            "expected a number such as in 1.5s\n"
            "khtrace.yml:7: servcie: unknown key, did you mean 'service'?");
}

TEST(ServerConfig, ChecksPipelinesAsTheCollectorDoes) {
  const Loaded config(
      "service:\n"
      "  pipelines:\n"
      "    traces: {receivers: [otlp, kafka], exporters: []}\n"
      "    metrics: {receivers: [otlp], exporters: [khtrace_store]}\n");
  EXPECT_EQ(config.ShortError(),
            "khtrace.yml:3: service.pipelines.traces.receivers: references "
            "receiver \"kafka\" which is not configured\n"
            "khtrace.yml:3: service.pipelines.traces: must have at least one "
            "exporter\n"
            "khtrace.yml:4: service.pipelines.metrics: only traces pipelines "
            "exist here");
}

TEST(ServerConfig, RefusesToOpenUnguardedDoorsToTheNetwork) {
  ConfigSources sources;
  sources.bind = "0.0.0.0";
  const Result<ServerConfig> open = LoadServerConfig(sources, NoEnv);
  ASSERT_FALSE(open);
  EXPECT_NE(open.error().message.find("pass --insecure"), std::string::npos);
  sources.insecure = true;
  EXPECT_TRUE(LoadServerConfig(sources, NoEnv));
}

TEST(ServerConfig, RefusesTwoDoorsOnOnePort) {
  const auto error = [](const std::string& yaml) {
    return Loaded(yaml).ShortError();
  };
  EXPECT_NE(error("ui: {endpoint: 127.0.0.1:3200}\n")
                .find("query.tempo_endpoint: port 3200 is already that of "
                      "ui.endpoint"),
            std::string::npos);
  EXPECT_NE(error("ui: {endpoint: localhost:9999, "
                  "dashboards_endpoint: 127.0.0.1:9998}\n"
                  "query: {tempo_endpoint: 0.0.0.0:9999}\n")
                .find("port 9999 is already that of ui.endpoint"),
            std::string::npos);
  // Of several addresses, and any free one, each has its own.
  EXPECT_EQ(error("ui: {endpoint: 127.0.0.1:9999}\n"
                  "query: {tempo_endpoint: 127.0.0.2:9999}\n"),
            "");
  EXPECT_EQ(error("ui: {endpoint: 127.0.0.1:0}\n"
                  "query: {tempo_endpoint: 127.0.0.1:0}\n"),
            "");
}

TEST(ServerConfig, RefusesCertificatesThatItCannotRead) {
  const std::string error =
      Loaded("tls: {cert_file: /none/cert.pem, key_file: /none/key.pem}\n")
          .ShortError();
  EXPECT_NE(error.find("tls.cert_file of ui.endpoint: "), std::string::npos);
  EXPECT_NE(error.find("/none/cert.pem"), std::string::npos);
  EXPECT_NE(error.find("tls.key_file of ui.endpoint: "), std::string::npos);
  // Once, and not for each door.
  EXPECT_EQ(error.find("query.tempo_endpoint"), std::string::npos);
}

TEST(ServerConfig, LetsSetFlagsWinOverFiles) {
  ConfigSources sources;
  sources.sets = {"query.max_traces=5", "multitenancy=true"};
  const Loaded config("query: {max_traces: 7}\n", sources);
  EXPECT_EQ(config->query_max_traces, 5);
  EXPECT_TRUE(config->multitenancy);
  EXPECT_TRUE(config->otlp.intake.multitenancy);
}

TEST(ServerConfig, SaysWhichFileIsMissing) {
  ConfigSources sources;
  sources.files = {"/nonexistent/khtrace.yml"};
  const Result<ServerConfig> config = LoadServerConfig(sources, NoEnv);
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("/nonexistent/khtrace.yml"),
            std::string::npos);
}

TEST(ConfigKeysMarkdown, IsWhatTheDocumentationSays) {
  const Result<std::string> docs =
      ReadFile(Fs::Real(), KHTRACE_SOURCE_DIR "/docs/config.md");
  ASSERT_TRUE(docs);
  EXPECT_NE(docs->find(ConfigKeysMarkdown()), std::string::npos)
      << "docs/config.md is out of date; put this table there "
         "(khtrace check-config --print-keys):\n"
      << ConfigKeysMarkdown();
}

}  // namespace
}  // namespace khtrace::config
