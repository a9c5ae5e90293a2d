// SPDX-License-Identifier: Apache-2.0
#include "ingest/otlp_intake.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace khtrace::ingest {
namespace {

using telemetry::DropReason;
using telemetry::Labels;
using telemetry::Outcome;

Labels WithTransport(std::string_view transport, Labels more = {}) {
  Labels labels = {{"receiver", "otlp"}, {"transport", std::string(transport)}};
  labels.insert(labels.end(), more.begin(), more.end());
  return labels;
}

telemetry::Counter& SpanCounter(telemetry::Registry& registry,
                                std::string_view transport, const char* name,
                                const char* help) {
  return registry.AddCounter(name, help, WithTransport(transport));
}

telemetry::Counter& RequestCounter(telemetry::Registry& registry,
                                   std::string_view transport,
                                   const char* outcome) {
  return registry.AddCounter("otelcol_receiver_requests",
                             "Export requests by what became of them",
                             WithTransport(transport, {{"outcome", outcome}}));
}

// The same sentence whoever runs out, so that people can search for it.
Error Overloaded(size_t limit_bytes) {
  return {Code::kResourceExhausted,
          fmt::format("cannot take the request now: {} bytes of requests are "
                      "being stored already, the limit; retry later",
                      limit_bytes)};
}

bool IsRetryable(Code code) {
  return code == Code::kResourceExhausted || code == Code::kUnavailable ||
         code == Code::kCancelled || code == Code::kDeadlineExceeded;
}

}  // namespace

// One request on its way. Dies when its answer was given.
struct OtlpIntake::Pending {
  Pending(OtlpRequest r, Answer a, net::ByteBudget& budget)
      : request(std::move(r)), answer(std::move(a)), lease(budget) {}
  // Called once. The last that touches the intake: with its answers all given
  // it may be gone before this object is.
  void Finish(OtlpAnswer with) {
    lease.GiveBack();
    answer(std::move(with));
  }
  OtlpRequest request;
  Answer answer;
  net::ByteLease lease;
  RequestContext context;
};

OtlpIntake::OtlpIntake(const OtlpIntakeOptions& options,
                       std::string_view transport, pipeline::SpanConsumer& next,
                       Executor& cpu, telemetry::Registry& registry)
    : options_(options),
      transport_(transport),
      next_(next),
      cpu_(cpu),
      in_flight_(options.max_bytes_in_flight),
      received_(SpanCounter(registry, transport,
                            "otel_collector_spans_received_total",
                            "Spans that arrived, whatever became of them")),
      accepted_(SpanCounter(registry, transport,
                            "otelcol_receiver_accepted_spans",
                            "Spans that went through the pipeline")),
      refused_(SpanCounter(registry, transport,
                           "otelcol_receiver_refused_spans",
                           "Spans that the pipeline did not take")),
      failed_(SpanCounter(registry, transport, "otelcol_receiver_failed_spans",
                          "Spans dropped by the receiver as malformed")),
      requests_ok_(RequestCounter(registry, transport, "success")),
      requests_refused_(RequestCounter(registry, transport, "refused")),
      requests_failed_(RequestCounter(registry, transport, "failure")) {
  for (size_t i = 0; i < telemetry::kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    by_reason_[i] = &registry.AddCounter(
        "khtrace_receiver_spans_by_reason_total",
        "Spans dropped, repaired, noted or refused, by reason",
        WithTransport(transport,
                      {{"reason", std::string(Name(reason))},
                       {"outcome", std::string(Name(OutcomeOf(reason)))}}));
  }
}

Result<std::string> OtlpIntake::TenantOf(std::string_view header) const {
  if (!options_.multitenancy) return std::string(kDefaultTenant);
  if (header.empty()) return Error{Code::kUnauthenticated, "no org id"};
  RETURN_IF_ERROR(ValidateTenant(std::string(header)));
  return std::string(header);
}

void OtlpIntake::Take(OtlpRequest request, Answer answer) {
  auto pending = std::make_shared<Pending>(std::move(request),
                                           std::move(answer), in_flight_);
  Result<std::string> tenant = TenantOf(pending->request.tenant_header);
  if (!tenant) return Fail(pending, std::move(tenant).error());
  pending->request.tenant_header = {};  // borrowed from the request
  pending->context.tenant = *std::move(tenant);
  if (!pending->lease.GrowTo(pending->request.body.size())) {
    by_reason_[static_cast<size_t>(DropReason::kMemoryLimit)]->Add();
    return Fail(pending, Overloaded(options_.max_bytes_in_flight));
  }
  cpu_.Post([this, pending] { Decode(pending); });
}

void OtlpIntake::Decode(const std::shared_ptr<Pending>& pending) {
  std::string body = std::move(pending->request.body);
  if (pending->request.coding != wire::Coding::kIdentity) {
    Result<std::string> inflated = wire::Decompress(
        pending->request.coding, body, options_.max_request_bytes);
    if (!inflated) {
      const bool too_large = inflated.error().code == Code::kResourceExhausted;
      return Fail(pending, std::move(inflated).error(), too_large);
    }
    body = *std::move(inflated);
    if (!pending->lease.GrowTo(body.size())) {
      by_reason_[static_cast<size_t>(DropReason::kMemoryLimit)]->Add();
      return Fail(pending, Overloaded(options_.max_bytes_in_flight));
    }
  }
  Result<codec::OtlpDecoded> decoded =
      pending->request.format == OtlpFormat::kProtobuf
          ? codec::DecodeOtlpProtobuf(std::move(body), options_.decode)
          : codec::DecodeOtlpJson(body, options_.decode);
  if (!decoded) return Fail(pending, std::move(decoded).error());
  Forward(pending, *std::move(decoded));
}

void OtlpIntake::Forward(const std::shared_ptr<Pending>& pending,
                         codec::OtlpDecoded decoded) {
  const uint64_t dropped = decoded.counts.Total(Outcome::kDropped);
  const uint64_t kept = decoded.batch.row_count();
  received_.Add(kept + dropped);
  failed_.Add(dropped);
  for (size_t i = 0; i < telemetry::kDropReasonCount; ++i) {
    if (const uint64_t n = decoded.counts.by_reason[i]; n != 0) {
      by_reason_[i]->Add(n);
    }
  }
  const auto finish = [this, pending, kept, dropped,
                       message = std::move(decoded.message)](Status status) {
    if (!status) {
      refused_.Add(kept);
      const bool failed = status.error().code == Code::kUnavailable;
      by_reason_[static_cast<size_t>(failed ? DropReason::kWriteFailed
                                            : DropReason::kDiskFull)]
          ->Add(kept);
      return Fail(pending, std::move(status).error());
    }
    accepted_.Add(kept);
    requests_ok_.Add();
    pending->Finish({{}, false, dropped, message});
  };
  if (kept == 0) return finish({});
  next_.Consume(
      pending->context,
      std::make_shared<const model::SpanBatch>(std::move(decoded.batch)),
      finish);
}

void OtlpIntake::NoteFailure(std::string_view why) {
  requests_failed_.Add();
  constexpr std::chrono::nanoseconds kEvery = std::chrono::seconds(10);
  const int64_t now = Clock::System().Monotonic().count();
  int64_t next = next_log_ns_;
  if (now < next ||
      !next_log_ns_.compare_exchange_strong(next, now + kEvery.count())) {
    return;
  }
  log::Warning("OTLP/{}: a request was refused, its spans are lost: {}",
               transport_, why);
}

void OtlpIntake::Fail(const std::shared_ptr<Pending>& pending, Error error,
                      bool too_large) {
  if (IsRetryable(error.code) && !too_large) {
    requests_refused_.Add();
  } else {
    NoteFailure(error.message);
  }
  pending->Finish({std::move(error), too_large, 0, {}});
}

}  // namespace khtrace::ingest
