// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/attr_value.h"
#include "model/span_batch.h"

namespace khtrace::storage {

// What of a span a condition looks at.
enum class Field : uint8_t {
  kService,        // resource attribute service.name; text
  kName,           // span name; text
  kDuration,       // nanoseconds; number
  kKind,           // SpanKind as a number
  kStatus,         // StatusCode as a number
  kAttribute,      // `key` on span, resource, scope, any event or any link
  kSpanAttribute,  // `key` on the span only
  kResourceAttribute,
};

enum class Compare : uint8_t {
  kEqual,
  kNotEqual,  // of an attribute: it exists and differs
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kExists,  // attributes only; no value
};

// One test of one span. Text fields and attributes compare as text
// (model::ToDisplayString), which is how Jaeger's tag search compares, for
// kEqual and kNotEqual. The order comparisons hold only for numbers: kInt and
// kDouble attributes, durations; they are false for anything else.
struct Condition {
  Field field = Field::kService;
  Compare compare = Compare::kEqual;
  std::string key = {};   // attributes only
  std::string text = {};  // text fields, attributes
  double number = 0;      // order comparisons of attributes
  uint64_t integer = 0;   // kDuration, kKind, kStatus
};

// Which traces? Those in which one span starts in [start, end] and meets
// every condition.
struct ScanRequest {
  UnixNanos start{0};
  UnixNanos end = UnixNanos::Max();
  std::vector<Condition> conditions = {};
  size_t limit = 20;  // traces
};

// The reference evaluation of one span: small and obviously right.
bool Matches(const Condition& condition, const model::SpanBatch& batch,
             model::RowIndex row);
bool Matches(const ScanRequest& request, const model::SpanBatch& batch,
             model::RowIndex row);

}  // namespace khtrace::storage
