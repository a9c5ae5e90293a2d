// SPDX-License-Identifier: Apache-2.0
#include "query/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <variant>

namespace khtrace::query {
namespace {

using traceql::Pipeline;
using traceql::SpansetBinary;
using traceql::SpansetExpr;
using traceql::SpansetFilter;
using traceql::SpansetOp;
using traceql::Type;

// Whether more than one span decides about a span.
bool NeedsTrace(const SpansetExpr& expr) {
  if (std::holds_alternative<SpansetFilter>(expr.node)) return false;
  const auto* binary = std::get_if<SpansetBinary>(&expr.node);
  return binary == nullptr || binary->op != SpansetOp::kOr ||
         NeedsTrace(*binary->left) || NeedsTrace(*binary->right);
}

bool NeedsTrace(const Pipeline& pipeline) {
  return std::any_of(
      pipeline.stages.begin(), pipeline.stages.end(),
      [](const traceql::Stage& stage) {
        const auto* spansets = std::get_if<SpansetExpr>(&stage);
        if (spansets != nullptr) return NeedsTrace(*spansets);
        return std::holds_alternative<traceql::ScalarFilter>(stage);
      });
}

bool IsTrue(const traceql::Query& query, std::string_view hint) {
  const traceql::Static* value = FindHint(query, hint, Type::kBool);
  return value != nullptr && std::get<bool>(value->value);
}

std::optional<double> ShareOf(const traceql::Query& query,
                              std::string_view hint) {
  // Whole numbers are 0, 1 or none.
  const traceql::Static* value = FindHint(query, hint, Type::kFloat);
  if (value == nullptr) return std::nullopt;
  const double share = std::get<double>(value->value);
  return share > 0 && share < 1 ? std::optional(share) : std::nullopt;
}

std::string Percent(double share) {
  return fmt::format("{:.6g} %", share * 100);
}

}  // namespace

Sampling SamplingOf(const traceql::Query& query, const Pipeline& pipeline) {
  using Adaptive = Sampling::Adaptive;
  const bool by_trace = NeedsTrace(pipeline);
  Sampling sampling;
  sampling.traces = ShareOf(query, "trace_sample").value_or(1);
  sampling.spans = ShareOf(query, "span_sample").value_or(1);
  const auto share = ShareOf(query, "sample");
  if (share) (by_trace ? sampling.traces : sampling.spans) = *share;
  const bool adaptive = !share && IsTrue(query, "sample");
  if (IsTrue(query, "trace_sample")) {
    sampling.adaptive = Adaptive::kTraces;
  } else if (adaptive || IsTrue(query, "span_sample")) {
    sampling.adaptive = by_trace ? Adaptive::kTraces : Adaptive::kSpans;
  }
  if (sampling.adaptive == Adaptive::kTraces) sampling.traces = 1;
  if (sampling.adaptive == Adaptive::kSpans) sampling.spans = 1;
  sampling.spans_last = by_trace && sampling.spans < 1;
  return sampling;
}

std::string ToString(const Sampling& sampling) {
  std::string text;
  const auto add = [&text](const std::string& part) {
    text += (text.empty() ? "" : ", ") + part;
  };
  using Adaptive = Sampling::Adaptive;
  if (sampling.traces < 1) {
    add(Percent(sampling.traces) + " of traces, by trace id");
  }
  if (sampling.spans < 1) {
    add(Percent(sampling.spans) + " of spans, by trace id and start" +
        (sampling.spans_last ? ", of those that are left" : ""));
  }
  if (sampling.adaptive == Adaptive::kTraces) {
    add("traces, by trace id: the fewer the more of them match");
  } else if (sampling.adaptive == Adaptive::kSpans) {
    add("spans, by trace id and start: the fewer the more of them match");
  }
  return text.empty() ? "everything" : text;
}

// Not TraceIdHash: what was chosen by that before, at ingest, must not be
// chosen by the same number again.
uint64_t SampleHash(const model::TraceId& id) {
  constexpr uint64_t kSalt = 0x9e3779b97f4a7c15;
  return Mix64(Mix64(id.high + kSalt) ^ id.low);
}

SampleRange SampleRange::Of(double begin, double end) {
  const auto bound = [](double share) {
    const double at = std::ldexp(std::clamp(share, 0.0, 1.0), 64);
    return at >= std::ldexp(1.0, 64) ? UINT64_MAX : static_cast<uint64_t>(at);
  };
  SampleRange range;
  range.first = bound(begin);
  range.last =
      end >= 1 ? UINT64_MAX : std::max(bound(end), range.first + 1) - 1;
  return range;
}

}  // namespace khtrace::query
