// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "alerting/testing.h"
#include "base/temp_dir.h"

// For tests only: an engine with one rule, "slow", and a webhook.

namespace khtrace::alerting {

inline constexpr UnixNanos kStart{1'767'225'600'000'000'000};

class EngineTest : public testing::Test {
 protected:
  EngineTest() {
    Rule rule;
    rule.name = "slow";
    rule.kind = RuleKind::kQuery;
    rule.query = "{ } | rate()";
    rule.alert = 0.5;
    rule.critical = 1;
    rule.min_samples = 0;
    rule.labels = {{"team", "shop"}};
    options_.rules = {rule};
    options_.base_url = "http://127.0.0.1:16686";
    Receiver hook;
    hook.name = "hook";
    hook.url = receiver_.url();
    options_.receivers = {hook};
  }

  void Open(bool on_disk = true) {
    engine_.reset();
    registry_ = std::make_unique<telemetry::Registry>();
    auto engine =
        Engine::Open(options_, {.source = source_,
                                .clock = clock_,
                                .registry = *registry_,
                                .health = health_,
                                .fs = on_disk ? &fs_ : nullptr,
                                .state_path = dir_.File("alert-state")});
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = *std::move(engine);
  }
  void Evaluate(int rounds = 1) {
    for (int i = 0; i < rounds; ++i) {
      clock_.Advance(std::chrono::seconds(30));
      engine_->EvaluateForTesting();
    }
  }
  // One a service.
  static std::vector<Measurement> Measurements(size_t count, double value) {
    std::vector<Measurement> all(count);
    for (size_t i = 0; i < count; ++i) {
      all[i].labels = {{"service", "shop-" + std::to_string(i)}};
      all[i].value = value;
      all[i].count = 100;
      all[i].unit = "s";
    }
    return all;
  }
  Phase State() {
    const auto rules = engine_->Rules(kDefaultTenant);
    return rules.at(0).phase;
  }
  std::string FiringId() {
    return engine_->Active(kDefaultTenant).at(0).alert.id;
  }
  // All deliveries have been noted in the file.
  void WaitForOutbox() {
    for (int i = 0; i < 1000; ++i) {
      const auto bytes = ReadFile(fs_, dir_.File("alert-state"));
      if (bytes && ParseState(*bytes)->outbox.empty()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "messages are still in the outbox";
  }

  Fs& fs_ = Fs::Real();
  TempDirForTesting dir_;
  FakeClock clock_{kStart};
  FakeSource source_;
  ReceiverForTesting receiver_;
  std::unique_ptr<telemetry::Registry> registry_;
  telemetry::Health health_;
  AlertingOptions options_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace khtrace::alerting
