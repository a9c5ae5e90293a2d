// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <tuple>

#include "aggregate/latency_histogram.h"
#include "base/clock.h"
#include "base/hash.h"
#include "model/ids.h"

// The rows of a partial aggregate: for each kind a key and what is counted
// under it. Visit(visit, rows…) calls visit(rows.field…) for each field, in the
// order of docs/format/partial.md.

namespace khtrace::aggregate {

// Position of a text in its Partial.
struct TextId {
  uint32_t value = 0;
  auto operator<=>(const TextId&) const = default;
};

inline constexpr uint64_t kNanosPerMinute = 60'000'000'000;
// Rows count what happened in one bucket of time, named by its first minute
// since 1970. Smaller buckets: finer ranges; larger: fewer rows. Where spans
// are few, a histogram of a bucket is hardly smaller than its durations: at
// 280 spans a second 1 minute takes 2.4 bytes a span, 5 minutes 1.2
// (docs/adr/0011-partial-aggregates.md). Paths have the most keys.
inline constexpr uint32_t kBucketMinutes = 5;
inline constexpr uint32_t kPathBucketMinutes = 15;
inline constexpr uint32_t kMaxBucketMinutes = 15;  // a multiple of all
inline uint32_t BucketOf(UnixNanos time, uint32_t minutes) {
  return static_cast<uint32_t>(time.ns / kNanosPerMinute / minutes * minutes);
}

// The least span (start, then trace id), and the greatest start. Unlike
// counts they cannot be taken away again.
struct Earliest {
  UnixNanos start = UnixNanos::Max();
  model::TraceId trace_id;
  auto operator<=>(const Earliest&) const = default;
};
struct Latest {
  UnixNanos start;
  auto operator<=>(const Latest&) const = default;
};

// What a span's attributes say of its work, beside its names: of several the
// least one counts. The numbers are on disk.
enum class Trait : uint8_t {
  kNone = 0,
  kAi = 1,         // a key that begins with gen_ai., ai. or llm.
  kDatabase = 2,   // db.system.name or db.system
  kMessaging = 3,  // messaging.system
};

// Of many spans one, always the same: the one whose trace id hashes least.
struct Sampled {
  uint64_t duration = 0;  // nanoseconds
  model::TraceId trace_id;

  bool operator==(const Sampled&) const = default;
  // Nothing was sampled yet.
  bool empty() const { return trace_id.IsZero(); }
  // Whether it stays when both are merged.
  bool Before(const Sampled& other) const;
};
// The span that took longest; of equal ones the one of the least trace id.
struct Slowest {
  uint64_t duration = 0;
  model::TraceId trace_id;

  bool operator==(const Slowest&) const = default;
  bool empty() const { return trace_id.IsZero(); }
  bool Before(const Slowest& other) const;
};

// Spans by operation. Bucket: of the span.
struct RedKey {
  static constexpr uint32_t kMinutes = kBucketMinutes;
  static constexpr size_t kFields = 6;

  TextId service;
  TextId operation;    // span name
  uint8_t kind = 0;    // model::SpanKind
  uint8_t status = 0;  // model::StatusCode
  Trait trait = Trait::kNone;
  uint32_t minute = 0;

  bool operator==(const RedKey&) const = default;
  template <typename V, typename... Rows>
  static void Visit(V&& visit, Rows&... rows) {
    visit(rows.service...);
    visit(rows.operation...);
    visit(rows.kind...);
    visit(rows.status...);
    visit(rows.trait...);
    visit(rows.minute...);
  }
};
struct RedCell {
  LatencyHistogram durations;
  // Spans that sampling left out for these, in 1024ths; modulo 2^64. A span
  // with probability p (span_traits.h) stands for 1/p - 1 others.
  uint64_t unsampled = 0;
  // To look at. Like the earliest of an error they cannot be taken away.
  Slowest slowest;
  Sampled sampled;

  template <typename V, typename... Rows>
  static void Visit(V&& visit, Rows&... rows) {
    visit(rows.durations...);
    visit(rows.unsampled...);
    visit(rows.slowest...);
    visit(rows.sampled...);
  }
};

// What is at the other end of a call. The numbers are on disk.
enum class TargetType : uint8_t {
  kService = 0,   // instrumented: its own spans say its name
  kExternal = 1,  // name: peer.service or the address
  kDatabase = 2,  // name: db.system.name
  kQueue = 3,     // name: messaging.system; address: the destination
};
struct Target {
  TargetType type = TargetType::kService;
  TextId name;
  TextId address;  // server.address; of a service empty

  bool operator==(const Target&) const = default;
};

// Calls from a service to a target. A call is a span whose parent is of
// another service, or that is a server's or consumer's while the parent is a
// client's or producer's; and a client's or producer's span without such a
// child. Bucket: of the child, in the second case of the client.
struct EdgeKey {
  static constexpr uint32_t kMinutes = kBucketMinutes;
  static constexpr size_t kFields = 6;

  TextId caller;
  Target target;
  bool async = false;  // producer or consumer
  uint32_t minute = 0;

  bool operator==(const EdgeKey&) const = default;
  template <typename V, typename... Rows>
  static void Visit(V&& visit, Rows&... rows) {
    visit(rows.caller...);
    visit(rows.target.type...);
    visit(rows.target.name...);
    visit(rows.target.address...);
    visit(rows.async...);
    visit(rows.minute...);
  }
};
struct EdgeCell {
  uint64_t calls = 0;
  uint64_t caller_errors = 0;  // client's or producer's spans with an error
  uint64_t callee_errors = 0;
  LatencyHistogram caller;  // durations of client's and producer's spans
  LatencyHistogram callee;  // of the called service's

  template <typename V, typename... Rows>
  static void Visit(V&& visit, Rows&... rows) {
    visit(rows.calls...);
    visit(rows.caller_errors...);
    visit(rows.callee_errors...);
    visit(rows.caller...);
    visit(rows.callee...);
  }
};

// Calls that were made again after an error: client's or producer's spans of
// one parent and service with the same name and target attributes. One that
// begins after a failed one has ended is a retry of it; one that begins
// before, a hedge. Bucket: of the first attempt.
struct RetryKey {
  static constexpr uint32_t kMinutes = kBucketMinutes;
  static constexpr size_t kFields = 6;

  TextId service;
  TextId operation;  // the client span's name
  Target target;
  uint32_t minute = 0;

  bool operator==(const RetryKey&) const = default;
  template <typename V, typename... Rows>
  static void Visit(V&& visit, Rows&... rows) {
    visit(rows.service...);
    visit(rows.operation...);
    visit(rows.target.type...);
    visit(rows.target.name...);
    visit(rows.target.address...);
    visit(rows.minute...);
  }
};
struct RetryCell {
  uint64_t calls = 0;         // with more than one attempt
  uint64_t retries = 0;       // attempts after the first that waited for it
  uint64_t hedges = 0;        // attempts that did not
  uint64_t recovered = 0;     // calls whose last attempt had no error
  LatencyHistogram attempts;  // of each call, retries and hedges included
  LatencyHistogram back_off;  // nanoseconds from an attempt's end to a retry

  template <typename V, typename... Rows>
  static void Visit(V&& visit, Rows&... rows) {
    visit(rows.calls...);
    visit(rows.retries...);
    visit(rows.hedges...);
    visit(rows.recovered...);
    visit(rows.attempts...);
    visit(rows.back_off...);
  }
};

// Errors that look alike: error_text.h. Each exception event counts, and each
// span with an error that has none. Bucket: of the span's.
struct ErrorKey {
  static constexpr uint32_t kMinutes = kBucketMinutes;
  static constexpr size_t kFields = 7;

  TextId service;
  TextId operation;     // span name
  TextId type;          // exception.type, else error.type
  TextId message;       // normalised; of the status where there is no exception
  TextId frame;         // the topmost own one
  uint32_t frames = 0;  // hash of the topmost own ones; 0 without
  uint32_t minute = 0;

  bool operator==(const ErrorKey&) const = default;
  template <typename V, typename... Rows>
  static void Visit(V&& visit, Rows&... rows) {
    visit(rows.service...);
    visit(rows.operation...);
    visit(rows.type...);
    visit(rows.message...);
    visit(rows.frame...);
    visit(rows.frames...);
    visit(rows.minute...);
  }
};
struct ErrorCell {
  uint64_t count = 0;
  uint64_t failed = 0;  // of them on spans with an error
  // Of them on spans below which no span has an error: where it began.
  uint64_t origins = 0;
  Earliest first;  // with a trace to look at
  Latest last;

  template <typename V, typename... Rows>
  static void Visit(V&& visit, Rows&... rows) {
    visit(rows.count...);
    visit(rows.failed...);
    visit(rows.origins...);
    visit(rows.first...);
    visit(rows.last...);
  }
};

// What operations take of the critical paths of traces, by the operation of
// their root (docs/format/part.md, "Computed values"). Bucket: of the root's.
struct CriticalKey {
  static constexpr uint32_t kMinutes = kPathBucketMinutes;
  static constexpr size_t kFields = 5;

  TextId root_service;
  TextId root_operation;
  TextId service;
  TextId operation;
  uint32_t minute = 0;

  bool operator==(const CriticalKey&) const = default;
  template <typename V, typename... Rows>
  static void Visit(V&& visit, Rows&... rows) {
    visit(rows.root_service...);
    visit(rows.root_operation...);
    visit(rows.service...);
    visit(rows.operation...);
    visit(rows.minute...);
  }
};
struct CriticalCell {
  uint64_t nanos = 0;   // sum; modulo 2^64
  uint64_t traces = 0;  // on whose path the operation is

  template <typename V, typename... Rows>
  static void Visit(V&& visit, Rows&... rows) {
    visit(rows.nanos...);
    visit(rows.traces...);
  }
};

struct KeyHash {
  using is_avalanching = void;
  template <typename Key>
  size_t operator()(const Key& key) const {
    // A sum of products, none of which waits for another one.
    static_assert(Key::kFields <= kFactors.size());
    uint64_t hash = 0;
    size_t next = 0;
    const auto add = [&](const auto& field) {
      hash += Number(field) * kFactors[next++];
    };
    Key::Visit(add, key);
    return Mix64(hash);
  }

 private:
  // Odd, and random.
  static constexpr std::array<uint64_t, 7> kFactors = {
      0x9e3779b97f4a7c15ull, 0xd6e8feb86659fd93ull, 0xa0761d6478bd642full,
      0xe7037ed1a0b428dbull, 0x8ebc6af09c88c6e3ull, 0x589965cc75374cc3ull,
      0x1d8e4e27c47d124full};
  static uint64_t Number(TextId id) { return id.value; }
  template <typename T>
  static uint64_t Number(T value) {
    return static_cast<uint64_t>(value);
  }
};

}  // namespace khtrace::aggregate
