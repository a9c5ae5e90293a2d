// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/result.h"
#include "codec/otlp.h"
#include "ingest/otlp_receiver_options.h"
#include "net/byte_budget.h"
#include "pipeline/span_consumer.h"
#include "telemetry/metrics.h"
#include "wire/compression.h"

namespace khtrace::ingest {

enum class OtlpFormat : uint8_t { kProtobuf, kJson };

// One export request as it came through a door.
struct OtlpRequest {
  std::string body;
  wire::Coding coding = wire::Coding::kIdentity;
  OtlpFormat format = OtlpFormat::kProtobuf;
  std::string_view tenant_header;  // X-Scope-OrgID; "" = not sent
};

// What the sender is told.
struct OtlpAnswer {
  Status status;
  bool too_large = false;       // over max_request_bytes: do not retry
  uint64_t rejected_spans = 0;  // partial success
  std::string message;          // with it, or a warning
};

// Where all OTLP doors lead: decompress, decode, count, pass on. Thread-safe.
// Borrows all but the options; lives until every answer was given.
class OtlpIntake {
 public:
  // `transport` is the metrics' label: "http", "grpc".
  OtlpIntake(const OtlpIntakeOptions& options, std::string_view transport,
             pipeline::SpanConsumer& next, Executor& cpu,
             telemetry::Registry& registry);

  using Answer = std::function<void(OtlpAnswer)>;
  // Returns at once; `answer` is called exactly once, from any thread.
  void Take(OtlpRequest request, Answer answer);
  // Counts a request that a door refused before it could be taken, and says
  // so in the log, as of every other that fails: at most every ten seconds.
  void NoteFailure(std::string_view why);

 private:
  struct Pending;

  void Decode(const std::shared_ptr<Pending>& pending);
  void Forward(const std::shared_ptr<Pending>& pending,
               codec::OtlpDecoded decoded);
  void Fail(const std::shared_ptr<Pending>& pending, Error error,
            bool too_large = false);
  Result<std::string> TenantOf(std::string_view header) const;

  const OtlpIntakeOptions options_;
  const std::string transport_;
  std::atomic<int64_t> next_log_ns_{0};  // Clock::Monotonic
  pipeline::SpanConsumer& next_;
  Executor& cpu_;
  net::ByteBudget in_flight_;
  telemetry::Counter& received_;
  telemetry::Counter& accepted_;
  telemetry::Counter& refused_;
  telemetry::Counter& failed_;
  telemetry::Counter& requests_ok_;
  telemetry::Counter& requests_refused_;
  telemetry::Counter& requests_failed_;
  std::array<telemetry::Counter*, telemetry::kDropReasonCount> by_reason_{};
};

}  // namespace khtrace::ingest
