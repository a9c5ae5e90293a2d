// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

// Answers of Tempo's API as the command line shows them: values are texts.

namespace khtrace::app {

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

struct FoundSpan {
  std::string id;
  std::string name;  // empty: not told
  UnixNanos start;
  uint64_t duration_ns = 0;
  NamedTexts attributes;
};

struct FoundSpanset {
  std::vector<FoundSpan> spans;
  uint64_t matched = 0;  // spans in it, told or not
  NamedTexts attributes;
};

struct FoundTrace {
  std::string id;
  std::string root_service;
  std::string root_name;
  UnixNanos start;
  uint64_t duration_ns = 0;
  std::vector<FoundSpanset> spansets;
};

// A SearchResponse. kDataLoss when it is something else.
Result<std::vector<FoundTrace>> ParseSearchAnswer(std::string_view json);

struct FoundSample {
  int64_t time_ms = 0;
  double value = 0;
};

struct FoundSeries {
  NamedTexts labels;
  std::vector<FoundSample> samples;  // in order of time
};

struct MetricsAnswer {
  std::vector<FoundSeries> series;
  std::string warning;  // why it is not complete; empty: it is
};

// A QueryRangeResponse. kDataLoss when it is something else.
Result<MetricsAnswer> ParseMetricsAnswer(std::string_view json);

}  // namespace khtrace::app
