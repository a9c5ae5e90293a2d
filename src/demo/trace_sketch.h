// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "demo/services.h"
#include "model/span_batch.h"

namespace khtrace::demo {

// A running copy of a service.
struct Pod {
  ServiceId service = ServiceId::kWebStorefront;
  uint8_t number = 0;
  bool next_version = false;  // rolled out already
};

inline constexpr uint32_t kNone = UINT32_MAX;

// One trace while it is being made up: spans are opened before their end,
// status and last attributes are known. Reused from trace to trace; texts
// live until Clear(). Confined to one thread.
struct TraceSketch {
  using Nanos = std::chrono::nanoseconds;

  struct Attribute {
    std::string_view key;
    model::AttrValue value;
    uint32_t next = kNone;  // of the same owner
  };
  // The attributes of one owner, in order, as a list within `attributes`.
  struct AttributeList {
    uint32_t first = kNone;
    uint32_t last = kNone;
  };
  struct Span {
    Pod pod;
    ScopeId scope = ScopeId::kApp;
    model::SpanKind kind = model::SpanKind::kInternal;
    model::StatusCode status = model::StatusCode::kUnset;
    model::SpanId id;
    uint32_t parent = kNone;  // index into spans
    Nanos start{0};           // since the trace's start
    Nanos end{0};
    std::string_view name;
    std::string_view status_message;
    AttributeList attributes;
    uint32_t first_event = kNone;
    uint32_t last_event = kNone;
    uint32_t first_link = kNone;
    uint32_t last_link = kNone;
  };
  struct Event {
    Nanos time{0};
    std::string_view name;
    AttributeList attributes;
    uint32_t next = kNone;
  };
  struct Link {
    model::TraceId trace_id;
    model::SpanId span_id;
    uint32_t next = kNone;
  };

  model::TraceId trace_id;
  UnixNanos start;
  std::vector<Span> spans;
  std::vector<Attribute> attributes;
  std::vector<Event> events;
  std::vector<Link> links;

  void Clear();
  // A text of this trace's own.
  std::string_view Keep(std::string_view text);
  template <typename... Args>
  std::string_view Format(fmt::format_string<Args...> format, Args&&... args) {
    fmt::memory_buffer buffer;
    fmt::format_to(std::back_inserter(buffer), format,
                   std::forward<Args>(args)...);
    return Keep({buffer.data(), buffer.size()});
  }

  void AddAttribute(AttributeList& owner, std::string_view key,
                    const model::AttrValue& value);
  Event& AddEvent(Span& owner, Nanos time, std::string_view name);
  void AddLink(Span& owner, model::TraceId trace, model::SpanId span);

 private:
  static constexpr size_t kBlockBytes = 64 * 1024;
  std::deque<std::string> blocks_;  // addresses stay; capacity reserved
  size_t block_ = 0;                // being filled
};

}  // namespace khtrace::demo
