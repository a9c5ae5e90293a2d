// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_common.h"

#include <fmt/format.h>

#include <type_traits>
#include <utility>
#include <variant>

#include "base/text.h"
#include "traceql/checker.h"
#include "traceql/parser.h"

namespace khtrace::api {
namespace {

using traceql::Static;

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

// The UTF-8 character that begins at `at`.
std::string_view CharacterAt(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;
  return text.substr(at, end - at);
}

// What has no place in AnyValue is written as text.
std::string TextOf(traceql::Nil) { return "nil"; }
std::string TextOf(std::chrono::nanoseconds value) {
  return FormatGoDuration(value);
}
std::string TextOf(model::StatusCode value) {
  return std::string(traceql::StatusName(value));
}
std::string TextOf(model::SpanKind value) {
  return std::string(traceql::KindName(value));
}

struct JsonValue {
  wire::JsonWriter& w;

  void operator()(const std::string& value) const {
    w.Key("stringValue");
    w.String(value);
  }
  void operator()(bool value) const {
    w.Key("boolValue");
    w.Bool(value);
  }
  void operator()(int64_t value) const {
    w.Key("intValue");
    w.QuotedInt(value);
  }
  void operator()(double value) const {
    w.Key("doubleValue");
    w.Double(value);
  }
  template <typename T>
  void operator()(const T& value) const {
    if constexpr (IsVector<T>::value) {
      w.Key("arrayValue");
      w.BeginObject();
      w.Key("values");
      w.BeginArray();
      for (const auto& element : value) {
        w.BeginObject();
        (*this)(typename T::value_type(element));
        w.EndObject();
      }
      w.EndArray();
      w.EndObject();
    } else {
      (*this)(TextOf(value));
    }
  }
};

// AnyValue: string_value = 1, bool_value = 2, int_value = 3, double_value = 4,
// array_value = 5; ArrayValue: values = 1.
struct ProtoValue {
  wire::ProtoWriter& w;

  void operator()(const std::string& value) const { w.Bytes(1, value); }
  void operator()(bool value) const { w.Varint(2, value ? 1 : 0); }
  void operator()(int64_t value) const {
    w.Varint(3, static_cast<uint64_t>(value));
  }
  void operator()(double value) const { w.Double(4, value); }
  template <typename T>
  void operator()(const T& value) const {
    if constexpr (IsVector<T>::value) {
      const size_t array = w.Begin(5);
      for (const auto& element : value) {
        const size_t begin = w.Begin(1);
        (*this)(typename T::value_type(element));
        w.End(begin);
      }
      w.End(array);
    } else {
      (*this)(TextOf(value));
    }
  }
};

}  // namespace

bool Accepts(const net::HttpRequest& request, std::string_view type) {
  return request.headers.Joined("Accept").find(type) != std::string::npos;
}

net::HttpResponse ProtobufResponse(std::string body) {
  return {.status = 200,
          .content_type = std::string(kProtobufType),
          .body = std::move(body)};
}

void AddWarning(std::string_view text, net::HttpResponse* response) {
  response->headers.Add("Warning", fmt::format("199 khtrace \"{}\"", text));
}

void WarnOfLosses(const query::QueryStats& stats, net::HttpResponse* response) {
  if (stats.units_lost == 0) return;
  AddWarning(fmt::format("{} of {} units of the store are damaged and left out",
                         stats.units_lost, stats.units),
             response);
}

std::string TempoWording(std::string_view name, std::string_view reason) {
  return fmt::format("invalid {}: {}", name, reason);
}

Result<traceql::Query> ParseTempoQuery(std::string_view text) {
  const auto refused = [](const Error& error) {
    return Error{Code::kInvalidArgument,
                 fmt::format("invalid TraceQL query: {}", error.message)};
  };
  Result<traceql::Query> query = traceql::ParseQuery(text);
  if (!query) return refused(query.error());
  const Status checked = traceql::CheckQuery(*query);
  if (!checked) return refused(checked.error());
  return query;
}

Result<model::TraceId> ParseTempoTraceId(std::string_view text) {
  const size_t bad = text.find_first_not_of("0123456789abcdefABCDEF");
  if (bad != std::string_view::npos) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("trace IDs can only contain hex characters: invalid "
                    "character '{}' at position {}",
                    SanitizeUtf8(CharacterAt(text, bad)), bad + 1)};
  }
  const auto id = model::TraceId::FromHex(text);
  if (!id) {
    return Error{Code::kInvalidArgument,
                 "trace IDs can't be larger than 128 bits"};
  }
  return *id;
}

void WriteValue(const Static& value, wire::JsonWriter* w) {
  w->BeginObject();
  std::visit(JsonValue{*w}, value.value);
  w->EndObject();
}

void AppendValue(const Static& value, std::string* out) {
  wire::ProtoWriter writer(*out);
  std::visit(ProtoValue{writer}, value.value);
}

void WriteKeyValue(std::string_view key, const Static& value,
                   wire::JsonWriter* w) {
  w->BeginObject();
  w->Key("key");
  w->String(key);
  w->Key("value");
  WriteValue(value, w);
  w->EndObject();
}

void AppendKeyValue(uint32_t field, std::string_view key, const Static& value,
                    wire::ProtoWriter* w) {
  const size_t pair = w->Begin(field);
  w->Bytes(1, key);
  const size_t any = w->Begin(2);
  std::visit(ProtoValue{*w}, value.value);
  w->End(any);
  w->End(pair);
}

void WriteStats(const query::QueryStats& stats, wire::JsonWriter* w) {
  const auto number = [w](std::string_view key, uint64_t value) {
    if (value == 0) return;
    w->Key(key);
    w->Uint(value);
  };
  const auto quoted = [w](std::string_view key, uint64_t value) {
    if (value == 0) return;
    w->Key(key);
    w->QuotedUint(value);
  };
  w->BeginObject();
  number("inspectedTraces", stats.inspected_traces);
  quoted("inspectedBytes", stats.inspected_bytes);
  number("totalBlocks", stats.units);
  number("completedJobs", stats.units_done);
  number("totalJobs", stats.units);
  quoted("inspectedSpans", stats.inspected_spans);
  w->EndObject();
}

void AppendStats(uint32_t field, const query::QueryStats& stats,
                 wire::ProtoWriter* w) {
  const size_t begin = w->Begin(field);
  const auto number = [w](uint32_t at, uint64_t value) {
    if (value != 0) w->Varint(at, value);
  };
  number(1, stats.inspected_traces);
  number(2, stats.inspected_bytes);
  number(3, stats.units);
  number(4, stats.units_done);
  number(5, stats.units);
  number(7, stats.inspected_spans);
  w->End(begin);
}

}  // namespace khtrace::api
