// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "alerting/engine.h"
#include "net/http_server.h"
#include "net/io_runtime.h"

// For tests only: values that a test sets, and a receiver that takes notes.

namespace khtrace::alerting {

class FakeSource : public MeasureSource {
 public:
  // By rule: the measurements of its instances. `error` fails all.
  std::map<std::string, std::vector<Measurement>> by_rule;
  // Of instances that are not measured any more.
  std::optional<Measurement> missing;
  std::vector<std::string> tenants = {kDefaultTenant};
  std::string error;
  std::vector<UnixNanos> asked;  // when
  std::chrono::nanoseconds takes{};
  FakeClock* clock = nullptr;

  void Set(const std::string& rule, double value) {
    Measurement m;
    m.labels = {{"operation", "GET /cart"}, {"service", "shop"}};
    m.value = value;
    m.count = 100;
    m.unit = "s";
    m.target = 0.2;
    by_rule[rule] = {m};
  }

  Result<std::vector<Measurement>> Measure(const RequestContext&,
                                           const Rule& rule,
                                           UnixNanos now) override {
    asked.push_back(now);
    if (clock != nullptr) clock->Advance(takes);
    if (!error.empty()) return Error{Code::kUnavailable, error};
    std::vector<Measurement> measurements = by_rule[rule.name];
    for (Measurement& m : measurements) {
      m.alert = rule.alert;
      m.critical = rule.critical;
      JudgeAll(rule, &m);
    }
    return measurements;
  }
  std::optional<Measurement> MeasureMissing(const RequestContext&,
                                            const Rule& rule, UnixNanos,
                                            const Labels& labels) override {
    if (!missing) return std::nullopt;
    Measurement m = *missing;
    m.labels = labels;
    m.alert = rule.alert;
    m.critical = rule.critical;
    JudgeAll(rule, &m);
    return m;
  }
  void Describe(const RequestContext&, const Rule&, UnixNanos,
                Measurement* measurement) override {
    measurement->example = "0af7651916cd43dd8448eb211c80319c";
    measurement->recommendation = "Batch the queries";
  }
  std::vector<std::string> Tenants() override { return tenants; }
};

// An HTTP server that keeps what it is sent.
class ReceiverForTesting {
 public:
  ReceiverForTesting() : io_(1) {
    net::HttpServerOptions options;
    options.host = "127.0.0.1";
    options.port = 0;
    auto server = net::HttpServer::Start(
        std::move(options),
        [this](net::HttpRequest request, net::HttpRespond respond) {
          std::lock_guard<std::mutex> lock(mu_);
          const int status = statuses_.empty() ? 200 : statuses_.front();
          if (!statuses_.empty()) statuses_.erase(statuses_.begin());
          requests_.push_back(std::move(request));
          respond(net::TextResponse(status, "noted"));
        },
        io_);
    server_ = *std::move(server);
  }
  ~ReceiverForTesting() { server_->Stop(std::chrono::seconds(1)); }

  uint16_t port() const { return server_->port(); }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port()) + "/hook";
  }
  // The next answers; 200 afterwards.
  void AnswerWith(std::vector<int> statuses) {
    std::lock_guard<std::mutex> lock(mu_);
    statuses_ = std::move(statuses);
  }
  std::vector<net::HttpRequest> requests() const {
    std::lock_guard<std::mutex> lock(mu_);
    return requests_;
  }
  // Those that came until there are `count`, or for ten seconds.
  std::vector<net::HttpRequest> WaitFor(size_t count) const {
    for (int i = 0; i < 1000; ++i) {
      auto all = requests();
      if (all.size() >= count) return all;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return requests();
  }

 private:
  net::IoRuntime io_;
  mutable std::mutex mu_;
  std::vector<net::HttpRequest> requests_;
  std::vector<int> statuses_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace khtrace::alerting
