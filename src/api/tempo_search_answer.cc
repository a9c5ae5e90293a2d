// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "api/tempo_common.h"
#include "api/tempo_search.h"

// SearchResponse: traces = 1, metrics = 2. Zero values are left out, but
// `traces` is always there. Written straight into the body.
//   TraceSearchMetadata: traceID = 1, rootServiceName = 2, rootTraceName = 3,
//     startTimeUnixNano = 4, durationMs = 5, spanSet = 6, spanSets = 7,
//     serviceStats = 8 (map)
//   SpanSet: spans = 1, matched = 2, attributes = 3
//   Span: spanID = 1, name = 2, startTimeUnixNano = 3, durationNanos = 4,
//     attributes = 5
//   ServiceStats: spanCount = 1, errorCount = 2

namespace khtrace::api {
namespace {

using query::Spanset;
using query::TraceHit;

constexpr std::string_view kNoRoot = "<root span not yet received>";
constexpr uint64_t kNanosPerMilli = 1'000'000;

std::string_view RootService(const TraceHit& trace) {
  return trace.has_root ? std::string_view(trace.root_service) : kNoRoot;
}

uint32_t DurationMs(const TraceHit& trace) {
  const uint64_t ms = trace.duration_nanos / kNanosPerMilli;
  return ms > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(ms);
}

class JsonAnswer {
 public:
  explicit JsonAnswer(std::string* out) : w_(out) {}

  void Write(const query::SearchResult& result, bool legacy) {
    w_.BeginObject();
    w_.Key("traces");
    w_.BeginArray();
    for (const TraceHit& trace : result.traces) Trace(trace, legacy);
    w_.EndArray();
    w_.Key("metrics");
    WriteStats(result.stats, &w_);
    w_.EndObject();
  }

 private:
  void Text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    w_.Key(key);
    w_.String(value);
  }
  void Number(std::string_view key, uint64_t value) {
    if (value == 0) return;
    w_.Key(key);
    w_.Uint(value);
  }
  void Quoted(std::string_view key, uint64_t value) {
    if (value == 0) return;
    w_.Key(key);
    w_.QuotedUint(value);
  }

  void Trace(const TraceHit& trace, bool legacy) {
    w_.BeginObject();
    Text("traceID", trace.trace_id.ToHex());
    Text("rootServiceName", RootService(trace));
    Text("rootTraceName", trace.root_name);
    Quoted("startTimeUnixNano", trace.start.ns);
    Number("durationMs", DurationMs(trace));
    if (!legacy && !trace.spansets.empty()) {
      w_.Key("spanSet");
      Set(trace.spansets.front());
      w_.Key("spanSets");
      w_.BeginArray();
      for (const Spanset& set : trace.spansets) Set(set);
      w_.EndArray();
    }
    Services(trace);
    w_.EndObject();
  }

  void Services(const TraceHit& trace) {
    if (trace.services.empty()) return;
    w_.Key("serviceStats");
    w_.BeginObject();
    for (const query::ServiceStats& stats : trace.services) {
      w_.EscapedKey(stats.service);
      w_.BeginObject();
      Number("spanCount", stats.span_count);
      Number("errorCount", stats.error_count);
      w_.EndObject();
    }
    w_.EndObject();
  }

  void Set(const Spanset& set) {
    w_.BeginObject();
    if (!set.spans.empty()) {
      w_.Key("spans");
      w_.BeginArray();
      for (const query::SpanHit& span : set.spans) Span(span);
      w_.EndArray();
    }
    Number("matched", set.matched);
    Attributes(set.values);
    w_.EndObject();
  }

  void Span(const query::SpanHit& span) {
    w_.BeginObject();
    Text("spanID", span.span_id.ToHex());
    Text("name", span.name);
    Quoted("startTimeUnixNano", span.start.ns);
    Quoted("durationNanos", span.duration_nanos);
    Attributes(span.values);
    w_.EndObject();
  }

  void Attributes(const std::vector<query::NamedValue>& values) {
    if (values.empty()) return;
    w_.Key("attributes");
    w_.BeginArray();
    for (const query::NamedValue& value : values) {
      WriteKeyValue(value.key, value.value, &w_);
    }
    w_.EndArray();
  }

  wire::JsonWriter w_;
};

class ProtobufAnswer {
 public:
  explicit ProtobufAnswer(std::string* out) : w_(*out) {}

  void Write(const query::SearchResult& result, bool legacy) {
    for (const TraceHit& trace : result.traces) Trace(trace, legacy);
    Stats(result.stats);
  }
  void Stats(const query::QueryStats& stats) { AppendStats(2, stats, &w_); }
  void Trace(const TraceHit& trace, bool legacy);

 private:
  void Text(uint32_t field, std::string_view value) {
    if (!value.empty()) w_.Bytes(field, value);
  }
  void Number(uint32_t field, uint64_t value) {
    if (value != 0) w_.Varint(field, value);
  }

  void Set(uint32_t field, const Spanset& set) {
    const size_t begin = w_.Begin(field);
    for (const query::SpanHit& span : set.spans) {
      const size_t at = w_.Begin(1);
      Text(1, span.span_id.ToHex());
      Text(2, span.name);
      Number(3, span.start.ns);
      Number(4, span.duration_nanos);
      for (const query::NamedValue& value : span.values) {
        AppendKeyValue(5, value.key, value.value, &w_);
      }
      w_.End(at);
    }
    Number(2, set.matched);
    for (const query::NamedValue& value : set.values) {
      AppendKeyValue(3, value.key, value.value, &w_);
    }
    w_.End(begin);
  }

  wire::ProtoWriter w_;
};

void ProtobufAnswer::Trace(const TraceHit& trace, bool legacy) {
  const size_t begin = w_.Begin(1);
  Text(1, trace.trace_id.ToHex());
  Text(2, RootService(trace));
  Text(3, trace.root_name);
  Number(4, trace.start.ns);
  Number(5, DurationMs(trace));
  if (!legacy && !trace.spansets.empty()) {
    Set(6, trace.spansets.front());
    for (const Spanset& set : trace.spansets) Set(7, set);
  }
  for (const query::ServiceStats& stats : trace.services) {
    const size_t entry = w_.Begin(8);
    Text(1, stats.service);
    const size_t value = w_.Begin(2);
    Number(1, stats.span_count);
    Number(2, stats.error_count);
    w_.End(value);
    w_.End(entry);
  }
  w_.End(begin);
}

}  // namespace

std::string SearchMessage(std::span<const TraceHit> traces,
                          const query::QueryStats& stats, bool legacy,
                          size_t* taken) {
  std::string body;
  ProtobufAnswer answer(&body);
  *taken = 0;
  for (const TraceHit& trace : traces) {
    const size_t before = body.size();
    answer.Trace(trace, legacy);
    if (body.size() > kMaxMessageBytes && *taken > 0) {
      body.resize(before);
      break;
    }
    ++*taken;
  }
  answer.Stats(stats);
  return body;
}

std::string SearchJson(const query::SearchResult& result, bool legacy) {
  std::string body;
  JsonAnswer(&body).Write(result, legacy);
  return body;
}

std::string SearchProtobuf(const query::SearchResult& result, bool legacy) {
  std::string body;
  ProtobufAnswer(&body).Write(result, legacy);
  return body;
}

}  // namespace khtrace::api
