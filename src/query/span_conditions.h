// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/span_batch.h"

namespace khtrace::query {

// One test of one span, as Jaeger's search asks.
struct SpanCondition {
  enum class Of : uint8_t {
    kService,      // `text` is resource.service.name
    kName,         // `text` is the span's name
    kMinDuration,  // at least `number` nanoseconds
    kMaxDuration,  // at most
    kKind,         // model::SpanKind `number`
    kStatus,       // model::StatusCode `number`
    kNotStatus,
    // An attribute `key` of the span, its resource or scope, of any event or
    // any link is shown as `text` (model::ToDisplayString): the tag "500" is
    // the number as well as the text. Each such condition may hold by another
    // event.
    kTag,
  };
  Of of = Of::kTag;
  std::string key = {};   // of tags
  std::string text = {};  // service, name, tags
  uint64_t number = 0;

  bool operator==(const SpanCondition&) const = default;
};

// What a span must meet, all of it.
struct SpanConditions {
  std::vector<SpanCondition> all;
  // It starts in [start, end].
  UnixNanos start{0};
  UnixNanos end = UnixNanos::Max();

  bool operator==(const SpanConditions&) const = default;
};

}  // namespace khtrace::query
