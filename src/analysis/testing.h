// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/span_batch_builder.h"

// For tests only: traces in a few words.

namespace khtrace::analysis {

inline constexpr uint64_t kMs = 1'000'000;
inline constexpr uint64_t kSecond = 1'000 * kMs;
// 2026-01-01T00:00:00Z.
inline constexpr uint64_t kEpoch = 1'767'225'600 * kSecond;

struct TestSpan {
  uint64_t id = 1;
  uint64_t parent = 0;
  double start_ms = 0;
  double duration_ms = 10;
  std::string service = "shop";
  std::string name = "op";
  model::SpanKind kind = model::SpanKind::kInternal;
  bool failed = false;
  std::vector<std::pair<std::string, std::string>> texts = {};
  std::vector<std::pair<std::string, double>> numbers = {};
  std::vector<std::pair<std::string, bool>> flags = {};
  std::string version = {};
  std::string trace_state = {};
};

// `all`; a twentieth of it where seeds are few, as under sanitizers
// (scripts/test.sh).
inline uint64_t RunsOf(uint64_t all) {
  return std::getenv("KHTRACE_DIFFERENTIAL_SEEDS") == nullptr ? all : all / 20;
}

inline model::SpanBatchPtr TraceOf(const std::vector<TestSpan>& spans,
                                   uint64_t trace_id = 1,
                                   uint64_t at = kEpoch) {
  using model::AttrValue;
  model::SpanBatchBuilder builder;
  for (const TestSpan& span : spans) {
    builder.AddResource();
    builder.AddResourceAttribute("service.name",
                                 AttrValue::String(span.service));
    if (!span.version.empty()) {
      builder.AddResourceAttribute("service.version",
                                   AttrValue::String(span.version));
    }
    builder.AddScope("", "");
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {7, trace_id};
    fields.span_id = {span.id};
    fields.parent_span_id = {span.parent};
    fields.start = {at + static_cast<uint64_t>(span.start_ms * 1e6)};
    fields.end = {fields.start.ns +
                  static_cast<uint64_t>(span.duration_ms * 1e6)};
    fields.name = span.name;
    fields.kind = span.kind;
    fields.trace_state = span.trace_state;
    fields.status =
        span.failed ? model::StatusCode::kError : model::StatusCode::kUnset;
    builder.AddSpan(fields);
    for (const auto& [key, value] : span.texts) {
      builder.AddSpanAttribute(key, AttrValue::String(value));
    }
    for (const auto& [key, value] : span.numbers) {
      builder.AddSpanAttribute(key, AttrValue::Double(value));
    }
    for (const auto& [key, value] : span.flags) {
      builder.AddSpanAttribute(key, AttrValue::Bool(value));
    }
  }
  return std::make_shared<const model::SpanBatch>(builder.Build());
}

}  // namespace khtrace::analysis
