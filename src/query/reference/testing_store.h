// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/span_batch.h"
#include "model/span_batch_builder.h"

// For tests only: the lines of tests/traceql/semantics/ that describe spans.

namespace khtrace::query::reference {

// Words, texts in quotes and attributes of one line, from left to right.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line) {}

  bool AtEnd();
  // Whether something follows that is `first`.
  bool Next(char first);
  // Up to the next space.
  std::string_view Word();
  Result<std::string> Quoted();
  // Of key=value: a word or a text in quotes, and the '='.
  Result<std::string> Key();
  // `arena` takes what the value borrows.
  Result<model::AttrValue> Value(std::deque<std::string>* arena);

 private:
  Result<model::AttrValue> Scalar(std::deque<std::string>* arena);
  Result<model::AttrValue> Nested(char close, std::deque<std::string>* arena);
  void SkipSpace();

  std::string_view rest_;
};

// Collects lines that begin with trace, resource, scope, span, event, link.
class StoreReader {
 public:
  // False if the line describes no span.
  Result<bool> Take(std::string_view line);
  // All traces; the next line begins a new store.
  std::vector<model::SpanBatchPtr> Build();
  bool empty() const { return traces_.empty(); }

 private:
  struct Attribute {
    std::string key;
    model::AttrValue value;
  };
  struct Scope {
    std::string name;
    std::string version;
    std::vector<Attribute> attributes;
  };
  struct Event {
    uint64_t time = 0;
    std::string name;
    std::vector<Attribute> attributes;
  };
  struct Link {
    model::TraceId trace_id;
    model::SpanId span_id;
    std::vector<Attribute> attributes;
  };
  struct Span {
    model::SpanBatchBuilder::SpanFields fields;
    std::string name;
    std::string message;
    std::vector<Attribute> resource;
    Scope scope;
    std::vector<Attribute> attributes;
    std::vector<Event> events;
    std::vector<Link> links;
  };
  struct Trace {
    model::TraceId id;
    std::vector<Span> spans;
  };

  Result<std::vector<Attribute>> Attributes(LineReader* line);
  Status AddTrace(LineReader* line);
  Status AddScope(LineReader* line);
  Status AddSpan(LineReader* line);
  Status AddEvent(LineReader* line);
  Status AddLink(LineReader* line);
  static model::SpanBatchPtr BuildTrace(const Trace& trace);

  std::deque<std::string> arena_;
  std::vector<Trace> traces_;
  std::vector<Attribute> resource_;
  Scope scope_;
  uint64_t spans_ = 0;
};

}  // namespace khtrace::query::reference
