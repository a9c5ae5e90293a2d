// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "api/api_context.h"
#include "base/request_context.h"
#include "net/http.h"
#include "query/search.h"
#include "traceql/ast.h"

// Tempo's GET /api/search: by TraceQL, by the older `tags`, or simply the
// newest traces.

namespace khtrace::api {

struct TempoSearch {
  traceql::Query query;
  UnixNanos start;
  UnixNanos end;
  size_t limit = 20;             // traces
  size_t spans_per_spanset = 3;  // 0: all
  // Without `q`: the answer tells of traces and not of their spans.
  bool legacy = false;
};

// Reads the parameters. kInvalidArgument in Tempo's words.
Result<TempoSearch> ReadTempoSearch(const net::QueryParams& params,
                                    UnixNanos now);
// What `tags`, `minDuration` and `maxDuration` ask for as TraceQL; all three
// may be empty. kInvalidArgument in Tempo's words.
Result<std::string> LegacyToTraceQl(std::string_view tags,
                                    std::string_view min_duration,
                                    std::string_view max_duration);

// A condition on one span: that it has the tag. `key` may name a service, a
// span or a status as Tempo's older search does ("service.name", "name",
// "error"); values are compared as text, and as number or boolean if they are.
std::string TagToTraceQl(const std::string& key, const std::string& value);

// SearchResponse.
std::string SearchJson(const query::SearchResult& result, bool legacy);
std::string SearchProtobuf(const query::SearchResult& result, bool legacy);

// One SearchResponse of as many traces as kMaxMessageBytes allow, of one at
// least. `taken`: how many these are.
std::string SearchMessage(std::span<const query::TraceHit> traces,
                          const query::QueryStats& stats, bool legacy,
                          size_t* taken);

// Where the request wants a stream of messages (HttpRequest::send_ahead),
// traces go ahead as they are found, and the last message has the final
// metrics.
Result<net::HttpResponse> AnswerTempoSearch(const ApiContext& api,
                                            const RequestContext& context,
                                            const net::HttpRequest& request);

}  // namespace khtrace::api
