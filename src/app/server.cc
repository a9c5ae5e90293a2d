// SPDX-License-Identifier: Apache-2.0
#include "app/server.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>

#include "alerting/engine.h"
#include "alerting/store_source.h"
#include "analysis/analyzer.h"
#include "analysis/rule_judge.h"
#include "api/api_context.h"
#include "api/health.h"
#include "api/jaeger_v1.h"
#include "api/jaeger_v3.h"
#include "api/metrics.h"
#include "api/tempo.h"
#include "api/tempo_grpc.h"
#include "api/traceql_explain.h"
#include "api/tracing.h"
#include "api/tracing_alerts.h"
#include "api/ui_landing.h"
#include "app/allocator.h"
#include "app/process_metrics.h"
#include "app/server_figures.h"
#include "app/store_metrics.h"
#include "app/target_metrics.h"
#include "app/version.h"
#include "base/log.h"
#include "ingest/otlp_receiver.h"
#include "net/auth.h"
#include "net/grpc_server.h"
#include "net/http_router.h"
#include "net/http_server.h"
#include "net/io_runtime.h"
#include "pipeline/store_exporter.h"
#include "storage/columnar/columnar_store.h"
#include "storage/memory/memory_store.h"
#include "telemetry/health.h"

namespace khtrace::app {
namespace {

// How long running requests may go on after SIGTERM, over all doors: well
// below the 10 s after which container runtimes kill.
constexpr std::chrono::seconds kStopPatience{5};

// How much less the calling thread matters than others, as nice(1) counts:
// 0 is as much, 19 the least.
constexpr int kUpkeepNiceness = 10;
// A gRPC connection of a query port that asks nothing is closed.
constexpr std::chrono::minutes kGrpcIdle{2};
// Free memory is given back to the system so often.
constexpr std::chrono::minutes kTrimEvery{1};

// On Linux a thread has a niceness of its own. Best effort.
void YieldToOtherThreads() {
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kUpkeepNiceness);
}

// What an orchestrator asks, which has no token and learns nothing else: the
// originals answer these to all as well.
bool IsProbe(const net::HttpRequest& request) {
  return request.path == "/ready" || request.path == "/api/health";
}

// A router on a port of its own, behind the tokens of auth.bearer_tokens.
struct Door {
  std::string name;
  std::optional<net::HttpRouter> router;
  // Beside HTTP/1 on the same port, where there is something to ask.
  std::unique_ptr<net::GrpcServer> grpc;
  std::unique_ptr<net::HttpServer> server;
};

class ServerImpl : public Server {
 public:
  explicit ServerImpl(const config::ServerConfig& config)
      : config_(config),
        io_(static_cast<int>(config.io_threads)),
        cpu_(std::make_unique<ThreadPool>(
            "cpu", static_cast<int>(config.cpu_threads))),
        commit_("wal", 1),
        background_("background", 1),
        upkeep_("upkeep", 1) {
    upkeep_.Post([] { YieldToOtherThreads(); });
    if (!config.api_tokens.empty()) auth_.emplace(config.api_tokens);
  }
  ~ServerImpl() override { (void)Stop(); }

  Status Open() {
    AddProcessMetrics(Clock::System(), registry_);
    health_.SetStarting("storage");
    // Health answers while the store still opens.
    RETURN_IF_ERROR(OpenDoor(
        "health", config_.health, false, [this](net::HttpRouter& router) {
          api::RegisterCollectorHealth(router, health_, Clock::System());
        }));
    RETURN_IF_ERROR(OpenStore());
    health_.SetOk("storage");
    OpenApiContext();
    RETURN_IF_ERROR(OpenAlerting());
    RETURN_IF_ERROR(OpenQueryDoors());
    RETURN_IF_ERROR(OpenReceiver());
    if (alerting_ && config_.alerting.enabled) alerting_->Start();
    warm_up_ = std::jthread([this](std::stop_token stop) { WarmUp(stop); });
    trim_.emplace("trim", [] {
      TrimAllocator();
      return kTrimEvery;
    });
    return {};
  }

  std::vector<std::pair<std::string, std::string>> Addresses() const override {
    std::vector<std::pair<std::string, std::string>> addresses;
    if (receiver_) {
      if (const std::string grpc = receiver_->grpc_address(); !grpc.empty()) {
        addresses.emplace_back("otlp/grpc", grpc);
      }
      if (const std::string http = receiver_->http_address(); !http.empty()) {
        addresses.emplace_back("otlp/http", http);
      }
    }
    for (const Door& door : doors_) {
      addresses.emplace_back(door.name, door.server->address());
    }
    return addresses;
  }

  // The reverse of Open().
  Status Stop() override {
    const auto end = std::chrono::steady_clock::now() + kStopPatience;
    const auto left = [end] {
      return std::max(std::chrono::ceil<std::chrono::milliseconds>(
                          end - std::chrono::steady_clock::now()),
                      std::chrono::milliseconds(0));
    };
    if (receiver_) receiver_->Stop(left());
    for (auto door = doors_.rbegin(); door != doors_.rend(); ++door) {
      door->server->Stop(left());
      if (door->grpc) door->grpc->Stop(left());
    }
    // Cut off by its patience or not: whatever still runs ends before what it
    // uses goes.
    receiver_.reset();
    doors_.clear();
    if (alerting_) alerting_->Stop();
    warm_up_ = {};
    // Nobody posts any more; what a door gave up waiting for ends here.
    cpu_.reset();
    return store_ ? store_->Close() : Status();
  }

 private:
  // What the first page that somebody opens will ask; of many tenants each
  // waits for its own.
  void WarmUp(const std::stop_token& stop) {
    constexpr size_t kFewTenants = 8;
    YieldToOtherThreads();
    const std::vector<std::string> tenants = store_->Tenants();
    if (tenants.size() > kFewTenants) return;
    for (const std::string& tenant : tenants) {
      RequestContext context;
      context.tenant = tenant;
      context.stop = stop;
      analyzer_->WarmUp(context);
    }
  }

  Status OpenStore() {
    if (config_.engine == config::StorageEngine::kMemory) {
      log::Warning("storage.engine is memory: every trace is gone at the end");
      store_ = std::make_unique<storage::memory::MemoryStore>();
      return {};
    }
    ASSIGN_OR_RETURN(auto store,
                     storage::columnar::ColumnarStore::Open(
                         config_.columnar, Fs::Real(), Clock::System(),
                         {commit_, background_, upkeep_}));
    AddStoreMetrics(*store, registry_);
    store_ = std::move(store);
    return {};
  }

  // As configured: the landing page is made before the doors open.
  std::vector<api::LandingEndpoint> LandingEndpoints() const {
    const auto address = [](const auto& door) {
      return fmt::format("{}:{}", door.host, door.port);
    };
    std::vector<api::LandingEndpoint> endpoints;
    if (config_.otlp.grpc) {
      endpoints.push_back({"OTLP/gRPC", address(config_.otlp.grpc->server)});
    }
    if (config_.otlp.http) {
      endpoints.push_back(
          {"OTLP/HTTP", "http://" + address(config_.otlp.http->server)});
    }
    endpoints.push_back({"Jaeger API", "http://" + address(config_.ui)});
    endpoints.push_back({"Tempo API", "http://" + address(config_.tempo)});
    endpoints.push_back({"Health", "http://" + address(config_.health)});
    endpoints.push_back(
        {"Metrics", "http://" + address(config_.metrics) + "/metrics"});
    return endpoints;
  }

  void OpenApiContext() {
    api::ApiOptions options;
    options.multitenancy = config_.multitenancy;
    options.deadline = config_.query_timeout;
    options.max_traces = config_.query_max_traces;
    judge_ = std::make_unique<analysis::RuleJudge>(config_.analysis);
    // make_unique cannot fill an aggregate.
    api_.reset(new api::ApiContext{.reader = *store_,
                                   .cpu = *cpu_,
                                   .clock = Clock::System(),
                                   .build = ThisBuild(),
                                   .options = options,
                                   .judge = judge_.get()});
    analyzer_ = std::make_unique<analysis::Analyzer>(
        *store_, Clock::System(), config_.analysis, cpu_.get());
  }

  // Evaluation begins when the receivers are open. A store in memory begins
  // anew with each start, and so do alerts.
  Status OpenAlerting() {
    AddTargetMetrics(config_.analysis, registry_);
    alert_source_.emplace(*store_, *analyzer_, cpu_.get());
    const bool on_disk = config_.engine == config::StorageEngine::kColumnar;
    ASSIGN_OR_RETURN(alerting_,
                     alerting::Engine::Open(
                         config_.alerting,
                         {.source = *alert_source_,
                          .clock = Clock::System(),
                          .registry = registry_,
                          .health = health_,
                          .fs = on_disk ? &Fs::Real() : nullptr,
                          .state_path = config_.data_dir + "/alert-state"}));
    return {};
  }

  api::TracingDeployment Deployment() const {
    api::TracingDeployment deployment;
    for (const api::LandingEndpoint& endpoint : LandingEndpoints()) {
      deployment.endpoints.push_back({endpoint.what, endpoint.address});
    }
    const bool columnar = config_.engine == config::StorageEngine::kColumnar;
    deployment.storage_engine = columnar ? "columnar" : "memory";
    deployment.config_hash = fmt::format("{:016x}", config_.hash);
    const auto& limits = config_.columnar.limits;
    if (columnar && limits.retention.count() > 0) {
      deployment.retention_age = limits.retention;
    }
    if (columnar && limits.retention_max_bytes > 0) {
      deployment.retention_bytes = limits.retention_max_bytes;
    }
    deployment.figures = [this] { return ReadServerFigures(registry_); };
    deployment.alerting = alerting_.get();
    return deployment;
  }

  Status OpenQueryDoors() {
    RETURN_IF_ERROR(OpenDoor(
        "ui and jaeger", config_.ui, true,
        [this](net::HttpRouter& router) {
          api::RegisterJaegerV1(router, *api_);
          api::RegisterJaegerV3(router, *api_);
          api::RegisterTraceqlExplain(router, *api_);
          api::RegisterTracingAlerts(router, *api_, *alerting_,
                                     config_.analysis);
          api::RegisterTracing(router, *api_, *analyzer_, health_,
                               Deployment());
          api::RegisterUiLanding(router, *api_, LandingEndpoints());
        },
        /*with_grpc=*/false, api::TracingRouterOptions()));
    RETURN_IF_ERROR(OpenDoor(
        "tempo", config_.tempo, true,
        [this](net::HttpRouter& router) {
          api::RegisterTempo(router, *api_, health_);
          api::RegisterMetrics(router, registry_, *cpu_);
        },
        /*with_grpc=*/true));
    RETURN_IF_ERROR(OpenDoor("dashboards", config_.dashboards, true,
                             [this](net::HttpRouter& router) {
                               api::RegisterGrafanaHealth(router, health_,
                                                          ThisBuild());
                             }));
    return OpenDoor("metrics", config_.metrics, false,
                    [this](net::HttpRouter& router) {
                      api::RegisterMetrics(router, registry_, *cpu_);
                    });
  }

  Status OpenReceiver() {
    if (!config_.otlp_enabled) return {};
    exporter_ = std::make_unique<pipeline::StoreExporter>(*store_, registry_);
    ASSIGN_OR_RETURN(
        receiver_, ingest::OtlpReceiver::Start(config_.otlp, *exporter_, *cpu_,
                                               io_, registry_));
    health_.SetOk("receiver/otlp");
    return {};
  }

  // The routes behind the tokens, if there are any. Borrows the router.
  net::HttpHandler Guard(const net::HttpRouter& router, bool guarded) const {
    const net::BearerAuth* auth = guarded && auth_ ? &*auth_ : nullptr;
    return [&router, auth](net::HttpRequest request, net::HttpRespond respond) {
      if (auth != nullptr && !IsProbe(request)) {
        if (Status allowed = auth->CheckBearer(request); !allowed) {
          net::HttpResponse refusal =
              api::IsTracingPath(request.path)
                  ? api::TracingProblem(allowed.error())
                  : net::TextResponse(401, allowed.error().message);
          refusal.headers.Set("WWW-Authenticate", "Bearer");
          return respond(std::move(refusal));
        }
      }
      router.Handle(std::move(request), std::move(respond));
    };
  }

  template <typename Register>
  Status OpenDoor(std::string name, config::ApiDoor options, bool guarded,
                  const Register& add_routes, bool with_grpc = false,
                  net::HttpRouterOptions router_options = {}) {
    Door& door = doors_.emplace_back();
    door.name = std::move(name);
    add_routes(door.router.emplace(std::move(router_options)));
    const net::HttpHandler handler = Guard(*door.router, guarded);
    if (with_grpc) {
      net::GrpcServerOptions grpc_options;
      grpc_options.max_connection_idle = kGrpcIdle;
      ASSIGN_OR_RETURN(door.grpc, net::GrpcServer::StartWithoutPort(
                                      std::move(grpc_options),
                                      api::TempoGrpcHandlers(handler)));
      options.on_http2 = [&grpc = *door.grpc](int fd, const std::string& read) {
        grpc.Adopt(fd, read);
      };
    }
    Result<std::unique_ptr<net::HttpServer>> server =
        net::HttpServer::Start(std::move(options), handler, io_);
    if (!server) {
      doors_.pop_back();
      return std::move(server).error();
    }
    door.server = *std::move(server);
    return {};
  }

  const config::ServerConfig config_;
  telemetry::Registry registry_;
  telemetry::Health health_;
  std::optional<net::BearerAuth> auth_;
  net::IoRuntime io_;
  std::unique_ptr<ThreadPool> cpu_;
  ThreadPool commit_;
  ThreadPool background_;
  ThreadPool upkeep_;
  std::unique_ptr<storage::TraceStore> store_;
  std::unique_ptr<analysis::RuleJudge> judge_;
  std::unique_ptr<api::ApiContext> api_;
  std::unique_ptr<analysis::Analyzer> analyzer_;
  std::jthread warm_up_;
  std::optional<PeriodicThread> trim_;
  std::optional<alerting::StoreSource> alert_source_;
  std::unique_ptr<alerting::Engine> alerting_;
  std::unique_ptr<pipeline::StoreExporter> exporter_;
  std::list<Door> doors_;  // addresses are borrowed by their handlers
  std::unique_ptr<ingest::OtlpReceiver> receiver_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(
    const config::ServerConfig& config) {
  auto server = std::make_unique<ServerImpl>(config);
  RETURN_IF_ERROR(server->Open());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace khtrace::app
