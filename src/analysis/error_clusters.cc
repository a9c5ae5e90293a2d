// SPDX-License-Identifier: Apache-2.0
#include "analysis/error_clusters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "aggregate/error_text.h"
#include "analysis/trace_sample.h"
#include "analysis/two_samples.h"
#include "traceql/printer.h"

namespace khtrace::analysis {
namespace {

constexpr size_t kMaxPlaces = 20;
constexpr size_t kMaxMatched = 50;  // spans of a trace
constexpr size_t kMaxValues = 10;   // of a dimension
constexpr uint64_t kLeastSupport = 5;
constexpr double kLeastEffect = 0.05;
constexpr double kMostQ = 0.01;
// Spans without the error are taken from so many stretches of the same time:
// the newest alone would all be of the newest version.
constexpr uint64_t kSlices = 8;
const std::array<std::string, 3> kResourceKeys = {"service.version",
                                                  "host.name", "k8s.pod.name"};
// A normalised message ends here (aggregate/error_text.h).
constexpr size_t kCutMessage = 190;

bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
}

// RE2 for the texts that are normalised to this one; '*' stands for a number.
std::string RegexOf(std::string_view text) {
  std::string regex;
  while (!text.empty()) {
    const auto placeholder = std::ranges::find_if(
        aggregate::kPlaceholders,
        [text](std::string_view word) { return text.starts_with(word); });
    if (placeholder != aggregate::kPlaceholders.end()) {
      regex += ".*";
      text.remove_prefix(placeholder->size());
      continue;
    }
    const char c = text.front();
    text.remove_prefix(1);
    if (c == ' ') {
      regex += "\\s+";
    } else if (c == '*') {
      regex += "[0-9*]*";
    } else {
      if (!IsWord(c)) regex += '\\';
      regex += c;
    }
  }
  return regex;
}

std::string MessageIs(std::string_view key, const std::string& message) {
  const bool cut = message.size() >= kCutMessage;
  return fmt::format(
      "{} =~ {}", key,
      traceql::Quoted("\\s*" + RegexOf(message) + (cut ? ".*" : "\\s*")));
}

std::string OperationsOf(const ErrorPattern& pattern) {
  std::vector<std::string> operations;
  for (const ErrorPlace& place : pattern.places) {
    if (operations.size() == kMaxPlaces) break;
    std::string operation = "name = " + traceql::Quoted(place.operation);
    if (!place.service.empty()) {
      operation +=
          " && resource.service.name = " + traceql::Quoted(place.service);
    }
    operations.push_back(fmt::format("({})", operation));
  }
  return fmt::format("({})", fmt::join(operations, " || "));
}

// An exception event of the pattern.
std::string ExceptionOf(const ErrorPattern& pattern) {
  std::string text =
      "event:name = \"exception\" && event.exception.type = " +
      (pattern.type.empty() ? "nil" : traceql::Quoted(pattern.type));
  if (!pattern.message.empty()) {
    text += " && " + MessageIs("event.exception.message", pattern.message);
  }
  if (!pattern.frame.empty()) {
    text += " && event.exception.stacktrace =~ " +
            traceql::Quoted(".*" + RegexOf(pattern.frame) + ".*");
  }
  return text;
}

// A failed span without an exception.
std::string FailureOf(const ErrorPattern& pattern) {
  std::string text =
      "status = error && event.exception.type = nil && "
      "span.error.type = " +
      (pattern.type.empty() ? "nil" : traceql::Quoted(pattern.type));
  return text + " && " +
         (pattern.message.empty()
              ? std::string("statusMessage = \"\"")
              : MessageIs("statusMessage", pattern.message));
}

// Which spans of which traces have the error: samples number the spans of a
// trace alike.
using Failed = std::set<std::pair<model::TraceId, uint32_t>>;

// Spans by dimension, service and value.
struct Counts {
  uint64_t errors = 0;
  uint64_t others = 0;
};
using Values =
    std::map<std::tuple<std::string, std::string, std::string>, Counts>;

// Counts the matched spans of a sample that are not in `but`.
uint64_t CountSpans(const TraceSample& sample, const Failed* but,
                    uint64_t Counts::*side, Values* values) {
  uint64_t spans = 0;
  for (const TraceSample::Trace& trace : sample.traces) {
    for (uint32_t i = 0; i < trace.count; ++i) {
      const size_t at = trace.first + i;
      if (!sample.spans[at].matched) continue;
      if (but != nullptr && but->count({trace.id, i}) > 0) continue;
      ++spans;
      const auto& operation = sample.operations[sample.spans[at].operation];
      ++((*values)[{"operation", operation.service, operation.name}].*side);
      for (size_t key = 0; key < kResourceKeys.size(); ++key) {
        const std::string& text = sample.ResourceText(at, key);
        if (text.empty()) continue;
        const std::string& service = key == 0 ? operation.service : "";
        ++((*values)[{kResourceKeys[key], service, text}].*side);
      }
    }
  }
  return spans;
}

void Judge(const Values& values, ErrorClusters* clusters) {
  std::vector<double> p_values;
  for (const auto& [key, counts] : values) {
    ClusterValue value;
    std::tie(value.dimension, value.service, value.value) = key;
    value.errors = counts.errors;
    value.others = counts.others;
    const auto share = [](uint64_t part, uint64_t all) {
      return all == 0 ? 0
                      : static_cast<double>(part) / static_cast<double>(all);
    };
    value.error_share = share(counts.errors, clusters->errors);
    value.other_share = share(counts.others, clusters->others);
    value.effect = value.error_share - value.other_share;
    p_values.push_back(ShareTest(counts.errors, clusters->errors, counts.others,
                                 clusters->others));
    clusters->values.push_back(std::move(value));
  }
  const std::vector<double> corrected = CorrectForManyTests(p_values);
  for (size_t i = 0; i < corrected.size(); ++i) {
    ClusterValue& value = clusters->values[i];
    value.q_value = corrected[i];
    value.stands_out = value.errors >= kLeastSupport &&
                       value.effect >= kLeastEffect && value.q_value < kMostQ;
  }
}

// The first of each dimension.
void Shorten(std::vector<ClusterValue>* values) {
  std::stable_sort(values->begin(), values->end(),
                   [](const ClusterValue& a, const ClusterValue& b) {
                     if (a.stands_out != b.stands_out) return a.stands_out;
                     if (a.stands_out && a.effect != b.effect) {
                       return a.effect > b.effect;
                     }
                     return a.errors > b.errors;
                   });
  std::map<std::string, size_t> kept;
  std::erase_if(*values, [&kept](const ClusterValue& value) {
    return ++kept[value.dimension] > kMaxValues;
  });
}

}  // namespace

std::string QueryOfPattern(const ErrorPattern& pattern) {
  // A frame comes from an exception.
  const std::string error =
      pattern.frame.empty()
          ? fmt::format("(({}) || ({}))", ExceptionOf(pattern),
                        FailureOf(pattern))
          : fmt::format("({})", ExceptionOf(pattern));
  return fmt::format("{{ {} && {} }}", OperationsOf(pattern), error);
}

Result<ErrorClusters> ClusterErrors(storage::TraceReader& reader,
                                    const RequestContext& context,
                                    const ErrorClusterRequest& request) {
  ErrorClusters clusters;
  clusters.query = QueryOfPattern(*request.pattern);
  SampleRequest sample;
  sample.query = clusters.query;
  sample.window = request.window;
  sample.max_traces = request.max_traces;
  sample.max_matched = kMaxMatched;
  sample.resource_keys.assign(kResourceKeys.begin(), kResourceKeys.end());
  sample.helpers = request.helpers;
  ASSIGN_OR_RETURN(const TraceSample with, TakeSample(reader, context, sample));
  clusters.complete = with.complete;
  clusters.looked_at = request.window;
  if (!with.complete && !with.traces.empty()) {
    clusters.looked_at.start =
        std::max(request.window.start, with.traces.back().start);
  }
  Failed failed;
  std::vector<UnixNanos> times;
  for (const TraceSample::Trace& trace : with.traces) {
    bool first = true;
    for (uint32_t i = 0; i < trace.count; ++i) {
      const TraceSample::Span& span = with.spans[trace.first + i];
      if (!span.matched) continue;
      failed.insert({trace.id, i});
      if (std::exchange(first, false)) times.push_back({span.start});
    }
  }
  Values values;
  clusters.errors = CountSpans(with, nullptr, &Counts::errors, &values);
  sample.query = fmt::format("{{ {} }}", OperationsOf(*request.pattern));
  sample.max_traces = std::max<size_t>(request.max_traces / kSlices, 1);
  const uint64_t from = clusters.looked_at.start.ns;
  const uint64_t length = clusters.looked_at.end.ns - from;
  for (uint64_t slice = 0; slice < kSlices && clusters.errors > 0; ++slice) {
    // Ends are within: a span on the edge would count twice.
    sample.window = {{from + length / kSlices * slice},
                     {from + length / kSlices * (slice + 1) - 1}};
    ASSIGN_OR_RETURN(const TraceSample all,
                     TakeSample(reader, context, sample));
    clusters.others += CountSpans(all, &failed, &Counts::others, &values);
  }
  Judge(values, &clusters);
  Shorten(&clusters.values);
  clusters.time = PatternOf(times, clusters.looked_at);
  return clusters;
}

}  // namespace khtrace::analysis
