// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "api/params.h"
#include "api/tempo_common.h"

namespace khtrace::api {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr int64_t kMaxTraces = 262'144;
constexpr int64_t kMaxSpansPerSpanset = 100;
constexpr seconds kMaxRange = std::chrono::hours(168);
constexpr seconds kDefaultRange = std::chrono::minutes(15);
// The newest traces are wanted where no end is given: also those of hosts
// whose clock is ahead of ours.
constexpr seconds kClockSkew = std::chrono::minutes(1);

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

struct Window {
  UnixNanos start;
  UnixNanos end;
};

// `start` and `end` in whole seconds; the last one counts to its end.
Result<Window> SecondsWindow(int64_t start, int64_t end) {
  if (start == 0) {
    return Bad(
        "error parsing date range: only one of start and end provided: must "
        "provide both or neither");
  }
  if (end <= start) {
    return Bad(fmt::format(
        "http parameter start must be before end. received start={} end={}",
        start, end));
  }
  if (seconds(end - start) > kMaxRange) {
    return Bad(
        fmt::format("range specified by start and end exceeds "
                    "168h0m0s. received start={} end={}",
                    start, end));
  }
  return Window{UnixNanos{}.Plus(seconds(start)),
                UnixNanos{}.Plus(seconds(end + 1) - nanoseconds(1))};
}

Result<Window> ReadWindow(ParamReader& params, UnixNanos now) {
  constexpr int64_t kLast = std::numeric_limits<uint32_t>::max();
  const int64_t start = params.Integer({"start"}, 0, 0, kLast);
  const int64_t end = params.Integer({"end"}, 0, 0, kLast);
  const auto since = params.Duration({"since"});
  RETURN_IF_ERROR(params.status());
  if (start != 0 || end != 0) return SecondsWindow(start, end);
  const nanoseconds range = since.value_or(kDefaultRange);
  if (range > kMaxRange) {
    return Bad(
        fmt::format("range specified by since exceeds 168h0m0s. "
                    "received since={}",
                    *params.Text({"since"})));
  }
  return Window{now.Minus(range), now.Plus(kClockSkew)};
}

Status ReadLimits(ParamReader& params, TempoSearch* search) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const int64_t limit = params.Integer({"limit"}, 20, kMin, kMax);
  const int64_t spans = params.Integer({"spss"}, 3, kMin, kMax);
  RETURN_IF_ERROR(params.status());
  if (limit <= 0) return Bad("invalid limit: must be a positive number");
  if (limit > kMaxTraces) {
    return Bad(fmt::format("limit {} exceeds max limit {}", limit, kMaxTraces));
  }
  if (spans < 0) return Bad("invalid spss: must not be negative");
  if (spans > kMaxSpansPerSpanset) {
    return Bad(fmt::format("spans per span set exceeds {}. received {}",
                           kMaxSpansPerSpanset, spans));
  }
  search->limit = static_cast<size_t>(limit);
  search->spans_per_spanset = static_cast<size_t>(spans);
  return {};
}

Status ReadQuery(const ParamReader& params, TempoSearch* search) {
  const auto q = params.Text({"q"});
  const auto tags = params.Text({"tags"});
  const auto min = params.Text({"minDuration"});
  const auto max = params.Text({"maxDuration"});
  if (q && tags) {
    return Bad("invalid request: can't specify tags and q in the same query");
  }
  if (q && (min || max)) {
    return Bad(
        "invalid request: can't specify minDuration or maxDuration and q in "
        "the same query; in TraceQL write { traceDuration > 1s }");
  }
  std::string text;
  if (q) {
    text = *q;
  } else {
    search->legacy = true;
    search->spans_per_spanset = 1;  // none of them is told
    ASSIGN_OR_RETURN(text, LegacyToTraceQl(tags.value_or(""), min.value_or(""),
                                           max.value_or("")));
  }
  ASSIGN_OR_RETURN(search->query, ParseTempoQuery(text));
  return {};
}

}  // namespace

Result<TempoSearch> ReadTempoSearch(const net::QueryParams& params,
                                    UnixNanos now) {
  ParamReader reader(params, TempoWording);
  TempoSearch search;
  RETURN_IF_ERROR(ReadLimits(reader, &search));
  ASSIGN_OR_RETURN(const Window window, ReadWindow(reader, now));
  search.start = window.start;
  search.end = window.end;
  RETURN_IF_ERROR(ReadQuery(reader, &search));
  return search;
}

namespace {

// A search whose traces go ahead of the response as they are found.
Result<net::HttpResponse> StreamSearch(const ApiContext& api,
                                       const RequestContext& context,
                                       const net::HttpRequest& request,
                                       query::SearchRequest wanted,
                                       bool legacy) {
  size_t sent = 0;
  query::SearchProgress progress;
  progress.tell = [&](std::span<const query::TraceHit> found,
                      const query::QueryStats& stats) -> size_t {
    size_t taken = 0;
    if (!request.send_ahead(SearchMessage(found, stats, legacy, &taken))) {
      return 0;
    }
    sent += taken;
    return taken;
  };
  wanted.progress = &progress;
  ASSIGN_OR_RETURN(const query::SearchResult result,
                   query::Search(api.reader, context, wanted));
  std::span<const query::TraceHit> rest(result.traces);
  rest = rest.subspan(std::min(sent, rest.size()));
  net::HttpResponse response = ProtobufResponse("");
  for (;;) {
    size_t taken = 0;
    std::string message = SearchMessage(rest, result.stats, legacy, &taken);
    rest = rest.subspan(taken);
    if (rest.empty()) {
      response.body = std::move(message);
      return response;
    }
    response.ahead.push_back(std::move(message));
  }
}

}  // namespace

Result<net::HttpResponse> AnswerTempoSearch(const ApiContext& api,
                                            const RequestContext& context,
                                            const net::HttpRequest& request) {
  ASSIGN_OR_RETURN(const TempoSearch search,
                   ReadTempoSearch(request.query, api.clock.Now()));
  query::SearchRequest wanted;
  wanted.query = &search.query;
  wanted.start = search.start;
  wanted.end = search.end;
  wanted.limit = search.limit;
  wanted.spans_per_spanset = search.spans_per_spanset;
  wanted.max_bytes = api.options.max_answer_bytes;
  wanted.helpers = &api.cpu;
  wanted.judge = api.judge;
  if (request.send_ahead) {
    return StreamSearch(api, context, request, wanted, search.legacy);
  }
  ASSIGN_OR_RETURN(const query::SearchResult result,
                   query::Search(api.reader, context, wanted));
  net::HttpResponse response =
      Accepts(request, kProtobufType)
          ? ProtobufResponse(SearchProtobuf(result, search.legacy))
          : net::JsonResponse(200, SearchJson(result, search.legacy));
  if (result.truncated) {
    AddWarning("the answer was too large: not every trace is in it", &response);
  }
  WarnOfLosses(result.stats, &response);
  return response;
}

}  // namespace khtrace::api
