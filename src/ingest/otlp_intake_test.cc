// SPDX-License-Identifier: Apache-2.0
#include "ingest/otlp_intake.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "codec/otlp.h"
#include "model/testing.h"

namespace khtrace::ingest {
namespace {

// Stores at once.
class Taker : public pipeline::SpanConsumer {
 public:
  void Consume(const RequestContext&, model::SpanBatchPtr, Done done) override {
    done({});
  }
};

// A thread that has run its work and not yet let go of it.
class SlowToLetGo : public Executor {
 public:
  void Post(std::function<void()> work) override {
    work_.push_back(std::move(work));
    work_.back()();
  }

 private:
  std::vector<std::function<void()>> work_;
};

TEST(OtlpIntake, MayEndOnceTheLastAnswerWasGiven) {
  SlowToLetGo cpu;  // outlives the intake, as the pool does
  Taker taker;
  telemetry::Registry registry;
  auto intake = std::make_unique<OtlpIntake>(OtlpIntakeOptions(), "test", taker,
                                             cpu, registry);
  std::optional<OtlpAnswer> answer;
  OtlpRequest request;
  codec::EncodeOtlpProtobuf(model::RandomBatchForTesting(1), &request.body);
  intake->Take(std::move(request),
               [&](OtlpAnswer given) { answer = std::move(given); });
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->status) << answer->status.error().message;
  intake.reset();
}

}  // namespace
}  // namespace khtrace::ingest
