// SPDX-License-Identifier: Apache-2.0
#include "app/traceql_answer.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "app/json_fields.h"

namespace khtrace::app {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

// A server that nests deeper means no good.
constexpr int kMaxDepth = 16;
// What fits into an int64_t as nanoseconds.
constexpr uint64_t kMaxTimeMs = INT64_MAX / 1'000'000;

Error NotAnAnswer(std::string_view why) {
  return {Code::kDataLoss,
          fmt::format("cannot read the answer of the Tempo API: {}", why)};
}

// Calls visit(element) for each element of an array that may be missing.
template <typename Visit>
void ForEach(const element& object, const char* key, const Visit& visit) {
  array items;
  if (object[key].get(items) != simdjson::SUCCESS) return;
  for (const element& item : items) visit(item);
}

// An AnyValue as people write it.
std::string ValueText(const element& value, int depth = 0) {
  std::string_view text;
  if (value["stringValue"].get(text) == simdjson::SUCCESS) {
    return std::string(text);
  }
  if (value["intValue"].get(text) == simdjson::SUCCESS) {
    return std::string(text);
  }
  bool truth = false;
  if (value["boolValue"].get(truth) == simdjson::SUCCESS) {
    return truth ? "true" : "false";
  }
  double number = 0;
  if (value["doubleValue"].get(number) == simdjson::SUCCESS) {
    return fmt::format("{}", number);
  }
  element list;
  if (depth < kMaxDepth && value["arrayValue"].get(list) == simdjson::SUCCESS) {
    std::vector<std::string> items;
    ForEach(list, "values", [&](const element& item) {
      items.push_back(ValueText(item, depth + 1));
    });
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  return std::string(simdjson::minify(value));
}

NamedTexts ReadNamed(const element& object, const char* key) {
  NamedTexts named;
  ForEach(object, key, [&named](const element& pair) {
    element value;
    if (pair["value"].get(value) != simdjson::SUCCESS) return;
    named.emplace_back(TextOf(pair, "key"), ValueText(value));
  });
  return named;
}

FoundSpanset ReadSpanset(const element& item) {
  FoundSpanset set;
  set.matched = NumberOf(item, "matched");
  set.attributes = ReadNamed(item, "attributes");
  ForEach(item, "spans", [&set](const element& span) {
    set.spans.push_back({std::string(TextOf(span, "spanID")),
                         std::string(TextOf(span, "name")),
                         {NumberOf(span, "startTimeUnixNano")},
                         NumberOf(span, "durationNanos"),
                         ReadNamed(span, "attributes")});
  });
  return set;
}

double ReadValue(const element& sample) {
  double value = 0;
  // "NaN", "Infinity" and what else is no number are left as 0.
  if (sample["value"].get(value) != simdjson::SUCCESS) return 0;
  return value;
}

Status ParseRoot(std::string_view json, simdjson::dom::parser* parser,
                 element* root) {
  const auto error = parser->parse(json.data(), json.size()).get(*root);
  if (error) return NotAnAnswer(simdjson::error_message(error));
  if (!root->is_object()) return NotAnAnswer("not an object");
  return {};
}

}  // namespace

Result<std::vector<FoundTrace>> ParseSearchAnswer(std::string_view json) {
  simdjson::dom::parser parser;
  element root;
  RETURN_IF_ERROR(ParseRoot(json, &parser, &root));
  array items;
  if (root["traces"].get(items) != simdjson::SUCCESS) {
    return NotAnAnswer("no \"traces\"");
  }
  std::vector<FoundTrace> traces;
  for (const element& item : items) {
    FoundTrace& trace = traces.emplace_back();
    trace.id = TextOf(item, "traceID");
    if (trace.id.empty()) return NotAnAnswer("a traceID is missing");
    trace.root_service = TextOf(item, "rootServiceName");
    trace.root_name = TextOf(item, "rootTraceName");
    trace.start = {NumberOf(item, "startTimeUnixNano")};
    trace.duration_ns = NumberOf(item, "durationMs") * 1'000'000;
    ForEach(item, "spanSets", [&trace](const element& set) {
      trace.spansets.push_back(ReadSpanset(set));
    });
  }
  return traces;
}

Result<MetricsAnswer> ParseMetricsAnswer(std::string_view json) {
  simdjson::dom::parser parser;
  element root;
  RETURN_IF_ERROR(ParseRoot(json, &parser, &root));
  array items;
  if (root["series"].get(items) != simdjson::SUCCESS) {
    return NotAnAnswer("no \"series\"");
  }
  MetricsAnswer answer;
  if (TextOf(root, "status") == "PARTIAL") {
    answer.warning = TextOf(root, "message");
    if (answer.warning.empty()) answer.warning = "a partial answer";
  }
  for (const element& item : items) {
    FoundSeries& series = answer.series.emplace_back();
    series.labels = ReadNamed(item, "labels");
    ForEach(item, "samples", [&series](const element& sample) {
      series.samples.push_back(
          {static_cast<int64_t>(
               std::min(NumberOf(sample, "timestampMs"), kMaxTimeMs)),
           ReadValue(sample)});
    });
    std::ranges::stable_sort(series.samples, {}, &FoundSample::time_ms);
  }
  return answer;
}

}  // namespace khtrace::app
