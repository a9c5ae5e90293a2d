// SPDX-License-Identifier: Apache-2.0
#include "query/reference/testing_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "traceql/static_value.h"

namespace khtrace::query::reference {
namespace {

using model::AttrType;
using model::AttrValue;
using model::SpanBatchBuilder;

Error Bad(std::string_view what, std::string_view text) {
  return Error{Code::kInvalidArgument, fmt::format("bad {}: {}", what, text)};
}

Result<uint64_t> Time(std::string_view text) {
  ASSIGN_OR_RETURN(const auto duration, ParseGoDuration(text));
  return static_cast<uint64_t>(duration.count());
}

std::optional<model::SpanKind> KindOf(std::string_view word) {
  for (int i = 0; i <= 5; ++i) {
    const auto kind = static_cast<model::SpanKind>(i);
    if (word == traceql::KindName(kind)) return kind;
  }
  return std::nullopt;
}

std::optional<model::StatusCode> StatusOf(std::string_view word) {
  for (int i = 0; i <= 2; ++i) {
    const auto status = static_cast<model::StatusCode>(i);
    if (word == traceql::StatusName(status)) return status;
  }
  return std::nullopt;
}

}  // namespace

// --- One line ---------------------------------------------------------------

void LineReader::SkipSpace() {
  while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) {
    rest_.remove_prefix(1);
  }
}

bool LineReader::AtEnd() {
  SkipSpace();
  return rest_.empty();
}

bool LineReader::Next(char first) {
  SkipSpace();
  return !rest_.empty() && rest_[0] == first;
}

std::string_view LineReader::Word() {
  SkipSpace();
  const std::string_view word = rest_.substr(0, rest_.find(' '));
  rest_.remove_prefix(word.size());
  return word;
}

Result<std::string> LineReader::Quoted() {
  if (!Next('"')) return Bad("text in quotes", rest_);
  std::string out;
  for (size_t i = 1; i < rest_.size(); ++i) {
    if (rest_[i] == '"') {
      rest_.remove_prefix(i + 1);
      return out;
    }
    if (rest_[i] != '\\' || i + 1 == rest_.size()) {
      out += rest_[i];
      continue;
    }
    ++i;
    out += rest_[i] == 'n' ? '\n' : rest_[i];
  }
  return Bad("text in quotes", rest_);
}

Result<std::string> LineReader::Key() {
  std::string key;
  if (Next('"')) {
    ASSIGN_OR_RETURN(key, Quoted());
  } else {
    key = rest_.substr(0, rest_.find_first_of("= "));
    rest_.remove_prefix(key.size());
  }
  if (rest_.empty() || rest_[0] != '=') return Bad("attribute", key);
  rest_.remove_prefix(1);
  return key;
}

Result<AttrValue> LineReader::Value(std::deque<std::string>* arena) {
  if (Next('[') || Next('{')) {
    const char close = rest_[0] == '[' ? ']' : '}';
    rest_.remove_prefix(1);
    return Nested(close, arena);
  }
  return Scalar(arena);
}

Result<AttrValue> LineReader::Scalar(std::deque<std::string>* arena) {
  if (Next('"')) {
    ASSIGN_OR_RETURN(std::string text, Quoted());
    return AttrValue::String(arena->emplace_back(std::move(text)));
  }
  const std::string word(rest_.substr(0, rest_.find_first_of(" ,]}\"")));
  rest_.remove_prefix(word.size());
  if (word == "bytes") {
    ASSIGN_OR_RETURN(std::string text, Quoted());
    return AttrValue::Bytes(arena->emplace_back(std::move(text)));
  }
  if (word == "null") return AttrValue();
  if (word == "true" || word == "false") return AttrValue::Bool(word == "true");
  int64_t number = 0;
  const char* end = word.data() + word.size();
  const auto parsed = std::from_chars(word.data(), end, number);
  if (parsed.ec == std::errc() && parsed.ptr == end) {
    return AttrValue::Int(number);
  }
  char* stop = nullptr;
  const double real = std::strtod(word.c_str(), &stop);
  if (word.empty() || *stop != 0) return Bad("value", word);
  return AttrValue::Double(real);
}

Result<AttrValue> LineReader::Nested(char close,
                                     std::deque<std::string>* arena) {
  std::string bytes;
  const bool list = close == ']';
  while (!Next(close)) {
    std::string key;
    if (!list) {
      ASSIGN_OR_RETURN(key, Key());
    }
    ASSIGN_OR_RETURN(const AttrValue value, Value(arena));
    std::string message;
    model::AppendAnyValue(value, &message);
    if (!list) {
      std::string pair;
      wire::ProtoWriter writer(pair);
      writer.Bytes(1, key);
      writer.Bytes(2, message);
      message = std::move(pair);
    }
    wire::ProtoWriter(bytes).Bytes(1, message);
    if (Next(',')) rest_.remove_prefix(1);
    if (AtEnd()) return Bad("list", "it has no end");
  }
  rest_.remove_prefix(1);
  return AttrValue{list ? AttrType::kArray : AttrType::kKvList, 0,
                   arena->emplace_back(std::move(bytes))};
}

// --- The spans --------------------------------------------------------------

Result<bool> StoreReader::Take(std::string_view text) {
  LineReader line(text);
  const std::string_view word = line.Word();
  if (word == "trace") {
    RETURN_IF_ERROR(AddTrace(&line));
  } else if (word == "resource") {
    ASSIGN_OR_RETURN(resource_, Attributes(&line));
    scope_ = {};
  } else if (word == "scope") {
    RETURN_IF_ERROR(AddScope(&line));
  } else if (word == "span") {
    RETURN_IF_ERROR(AddSpan(&line));
  } else if (word == "event") {
    RETURN_IF_ERROR(AddEvent(&line));
  } else if (word == "link") {
    RETURN_IF_ERROR(AddLink(&line));
  } else {
    return false;
  }
  return true;
}

Result<std::vector<StoreReader::Attribute>> StoreReader::Attributes(
    LineReader* line) {
  std::vector<Attribute> out;
  while (!line->AtEnd()) {
    ASSIGN_OR_RETURN(std::string key, line->Key());
    ASSIGN_OR_RETURN(const AttrValue value, line->Value(&arena_));
    out.push_back({std::move(key), value});
  }
  return out;
}

Status StoreReader::AddTrace(LineReader* line) {
  const std::string_view hex = line->Word();
  const auto id = model::TraceId::FromHex(hex);
  if (!id) return Bad("trace id", hex);
  traces_.push_back({*id, {}});
  resource_.clear();
  scope_ = {};
  return {};
}

Status StoreReader::AddScope(LineReader* line) {
  Scope scope;
  ASSIGN_OR_RETURN(scope.name, line->Quoted());
  ASSIGN_OR_RETURN(scope.version, line->Quoted());
  ASSIGN_OR_RETURN(scope.attributes, Attributes(line));
  scope_ = std::move(scope);
  return {};
}

// span ID PARENT ["name"] [@start] [+duration] [kind] [status]
//      [message "text"] [: attributes]
Status StoreReader::AddSpan(LineReader* line) {
  if (traces_.empty()) return Bad("span", "there is no trace line before it");
  Span span;
  const std::string id(line->Word());
  const std::string parent(line->Word());
  const auto span_id = model::SpanId::FromHex(id);
  const auto parent_id =
      parent == "-" ? model::SpanId{} : model::SpanId::FromHex(parent);
  if (!span_id || !parent_id) return Bad("span id", id + " " + parent);
  span.fields.trace_id = traces_.back().id;
  span.fields.span_id = *span_id;
  span.fields.parent_span_id = *parent_id;
  ++spans_;
  uint64_t start = spans_ * 1'000'000'000;
  uint64_t duration = 1'000'000'000;
  if (line->Next('"')) {
    ASSIGN_OR_RETURN(span.name, line->Quoted());
  }
  while (!line->AtEnd()) {
    const std::string_view word = line->Word();
    if (word == ":") {
      ASSIGN_OR_RETURN(span.attributes, Attributes(line));
    } else if (word == "message") {
      ASSIGN_OR_RETURN(span.message, line->Quoted());
    } else if (word[0] == '@') {
      ASSIGN_OR_RETURN(start, Time(word.substr(1)));
    } else if (word[0] == '+') {
      ASSIGN_OR_RETURN(duration, Time(word.substr(1)));
    } else if (const auto kind = KindOf(word)) {
      span.fields.kind = *kind;
    } else if (const auto status = StatusOf(word)) {
      span.fields.status = *status;
    } else {
      return Bad("word in a span", word);
    }
  }
  span.fields.start = {start};
  span.fields.end = {start + duration};
  span.resource = resource_;
  span.scope = scope_;
  traces_.back().spans.push_back(std::move(span));
  return {};
}

// event @time-after-start "name" attributes
Status StoreReader::AddEvent(LineReader* line) {
  Span& span = traces_.back().spans.back();
  const std::string_view time = line->Word();
  if (time.empty() || time[0] != '@') return Bad("time of an event", time);
  Event event;
  ASSIGN_OR_RETURN(const uint64_t after, Time(time.substr(1)));
  event.time = span.fields.start.ns + after;
  ASSIGN_OR_RETURN(event.name, line->Quoted());
  ASSIGN_OR_RETURN(event.attributes, Attributes(line));
  span.events.push_back(std::move(event));
  return {};
}

// link TRACE SPAN attributes
Status StoreReader::AddLink(LineReader* line) {
  const std::string trace(line->Word());
  const std::string span(line->Word());
  const auto trace_id = model::TraceId::FromHex(trace);
  const auto span_id = model::SpanId::FromHex(span);
  if (!trace_id || !span_id) return Bad("link", trace + " " + span);
  Link link = {*trace_id, *span_id, {}};
  ASSIGN_OR_RETURN(link.attributes, Attributes(line));
  traces_.back().spans.back().links.push_back(std::move(link));
  return {};
}

std::vector<model::SpanBatchPtr> StoreReader::Build() {
  std::vector<model::SpanBatchPtr> out;
  for (const Trace& trace : traces_) out.push_back(BuildTrace(trace));
  *this = {};
  return out;
}

model::SpanBatchPtr StoreReader::BuildTrace(const Trace& trace) {
  SpanBatchBuilder builder;
  for (const Span& span : trace.spans) {
    builder.AddResource();
    for (const auto& [key, value] : span.resource) {
      builder.AddResourceAttribute(key, value);
    }
    builder.AddScope(span.scope.name, span.scope.version);
    for (const auto& [key, value] : span.scope.attributes) {
      builder.AddScopeAttribute(key, value);
    }
    SpanBatchBuilder::SpanFields fields = span.fields;
    fields.name = span.name;
    fields.status_message = span.message;
    builder.AddSpan(fields);
    for (const auto& [key, value] : span.attributes) {
      builder.AddSpanAttribute(key, value);
    }
    for (const Event& event : span.events) {
      builder.AddEvent({event.time}, event.name);
      for (const auto& [key, value] : event.attributes) {
        builder.AddEventAttribute(key, value);
      }
    }
    for (const Link& link : span.links) {
      builder.AddLink(link.trace_id, link.span_id);
      for (const auto& [key, value] : link.attributes) {
        builder.AddLinkAttribute(key, value);
      }
    }
  }
  const model::SpanBatch batch = builder.Build();
  std::vector<model::RowIndex> rows(batch.row_count());
  std::iota(rows.begin(), rows.end(), 0);
  const auto& columns = batch.spans();
  std::sort(rows.begin(), rows.end(), [&](uint32_t a, uint32_t b) {
    const auto key = [&](uint32_t row) {
      return std::tuple(columns.start[row], columns.span_id[row],
                        columns.kind[row]);
    };
    return key(a) < key(b);
  });
  return std::make_shared<model::SpanBatch>(model::Compact(batch, rows));
}

}  // namespace khtrace::query::reference
