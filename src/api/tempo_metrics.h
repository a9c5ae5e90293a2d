// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/api_context.h"
#include "base/request_context.h"
#include "net/http.h"
#include "query/metrics.h"
#include "traceql/ast.h"

// Tempo's metrics queries: series over time (query_range) and single values
// (query).

namespace khtrace::api {

struct TempoMetrics {
  traceql::Query query;
  UnixNanos start;
  UnixNanos end;
  uint64_t step_nanos = 0;  // 0: chosen by the range
  bool instant = false;
  size_t max_exemplars = 100;
  size_t max_series = 1000;
};

// A point in time as Tempo takes it: Unix seconds (up to ten digits, or with a
// fraction), more digits are nanoseconds, or RFC 3339. kInvalidArgument.
Result<UnixNanos> ParseTempoTime(std::string_view text);
// Seconds, with or without a fraction, or a Go duration. kInvalidArgument in
// Tempo's words.
Result<std::chrono::nanoseconds> ParseTempoStep(std::string_view text);

// Reads the parameters. kInvalidArgument in Tempo's words.
Result<TempoMetrics> ReadTempoMetrics(const net::QueryParams& params,
                                      UnixNanos now);

// QueryRangeResponse.
std::string QueryRangeJson(const query::MetricsResult& result);
std::string QueryRangeProtobuf(const query::MetricsResult& result);
// QueryInstantResponse: of each series its first value.
std::string QueryInstantJson(const query::MetricsResult& result);
std::string QueryInstantProtobuf(const query::MetricsResult& result);

// What of a query's series is not known to the client of a stream yet.
class SeriesStream {
 public:
  // `instant`: of each series its first value (QueryInstantResponse).
  explicit SeriesStream(bool instant) : instant_(instant) {}

  // As many series of `result` as kMaxMessageBytes allow, from `*next` on (one
  // at least), each without the samples that were sent before. `*next`: those
  // that are left begin there. Counts as sent.
  std::string Message(const query::MetricsResult& result, size_t* next);
  // What Message gave last did not go out after all.
  void TakeBack();

 private:
  using Samples = std::map<std::string, std::vector<double>>;  // by labels
  const bool instant_;
  Samples sent_;
  std::vector<std::pair<std::string, std::optional<std::vector<double>>>>
      before_;  // of the last message's series
};

// GET /api/metrics/query_range and /api/metrics/query.
Result<net::HttpResponse> AnswerQueryRange(const ApiContext& api,
                                           const RequestContext& context,
                                           const net::HttpRequest& request);
Result<net::HttpResponse> AnswerQueryInstant(const ApiContext& api,
                                             const RequestContext& context,
                                             const net::HttpRequest& request);

}  // namespace khtrace::api
