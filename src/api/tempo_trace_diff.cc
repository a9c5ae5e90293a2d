// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_trace_diff.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "api/tempo_common.h"
#include "base/text.h"
#include "query/find_traces.h"

namespace khtrace::api {
namespace {

using Format = TraceDiffRequest::Format;
using simdjson::dom::element;
using simdjson::dom::object;

struct FormatName {
  std::string_view name;
  Format format;
};
constexpr FormatName kFormats[] = {
    {"trace-summary-v0-composed", Format::kComposed},
    {"trace-patch-v0", Format::kPatch},
    {"trace-summary-v0-native", Format::kSummary},
};

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

Error BadBody(std::string_view why) {
  return Bad(fmt::format("invalid trace diff request body: {}", why));
}

// Unix seconds; nothing if it is missing or null.
Result<std::optional<int64_t>> ReadTime(object side, std::string_view name,
                                        std::string_view key) {
  element value;
  if (side[key].get(value) != simdjson::SUCCESS || value.is_null()) {
    return std::optional<int64_t>();
  }
  int64_t seconds = 0;
  if (value.get_int64().get(seconds) == simdjson::SUCCESS) {
    return std::optional(seconds);
  }
  return BadBody(fmt::format("{}.{} is no whole number", name, key));
}

UnixNanos AtSecond(int64_t seconds) {
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max() / 1'000'000'000;
  return UnixNanos{}.Plus(
      std::chrono::seconds(std::clamp<int64_t>(seconds, 0, kLast)));
}

Result<TraceDiffRequest::Side> ReadSide(object body, std::string_view name) {
  object from;
  std::string_view id;
  if (body[name].get_object().get(from) != simdjson::SUCCESS ||
      from["traceId"].get_string().get(id) != simdjson::SUCCESS || id.empty()) {
    return Bad(fmt::format("{}.traceId is required", name));
  }
  TraceDiffRequest::Side side;
  auto read = ParseTempoTraceId(id);
  if (!read)
    return std::move(read).error().With(
        fmt::format("invalid {}.traceId", name));
  side.id = *read;
  ASSIGN_OR_RETURN(const auto start, ReadTime(from, name, "start"));
  ASSIGN_OR_RETURN(const auto end, ReadTime(from, name, "end"));
  if (start && end && *end <= *start) {
    return Bad(
        fmt::format("{}.start must be before {}.end. received start={} end={}",
                    name, name, *start, *end));
  }
  if (start) side.when.start = AtSecond(*start);
  if (end) side.when.end = AtSecond(*end);
  return side;
}

Result<Format> ReadFormat(object body) {
  element value;
  if (body["format"].get(value) != simdjson::SUCCESS) return Format::kPatch;
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) {
    return BadBody("format is no text");
  }
  if (text.empty()) return Format::kPatch;
  for (const FormatName& known : kFormats) {
    if (known.name == text) return known.format;
  }
  return Bad(
      fmt::format(R"(invalid format "{}": must be one of "{}", "{}", "{}")",
                  SanitizeUtf8(text), kFormats[0].name, kFormats[1].name,
                  kFormats[2].name));
}

// A Trace, or why there is none.
Result<model::SpanBatchPtr> Fetch(const ApiContext& api,
                                  const RequestContext& context,
                                  const TraceDiffRequest::Side& side) {
  auto trace = query::GetTrace(api.reader, context, side.id, side.when);
  if (!trace && trace.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, "Not Found"};
  }
  return trace;
}

}  // namespace

Result<TraceDiffRequest> ReadTraceDiffRequest(std::string_view body) {
  simdjson::dom::parser parser;
  object root;
  if (const auto error =
          parser.parse(body.data(), body.size()).get_object().get(root)) {
    return BadBody(simdjson::error_message(error));
  }
  TraceDiffRequest request;
  ASSIGN_OR_RETURN(request.format, ReadFormat(root));
  ASSIGN_OR_RETURN(request.base, ReadSide(root, "base"));
  ASSIGN_OR_RETURN(request.compare, ReadSide(root, "compare"));
  return request;
}

Result<net::HttpResponse> AnswerTraceDiff(const ApiContext& api,
                                          const RequestContext& context,
                                          const net::HttpRequest& request) {
  ASSIGN_OR_RETURN(const TraceDiffRequest wanted,
                   ReadTraceDiffRequest(request.body));
  ASSIGN_OR_RETURN(const model::SpanBatchPtr base,
                   Fetch(api, context, wanted.base));
  ASSIGN_OR_RETURN(const model::SpanBatchPtr compare,
                   Fetch(api, context, wanted.compare));
  ASSIGN_OR_RETURN(
      std::string body,
      TraceDiffJson(query::DiffTrace(*base), query::DiffTrace(*compare),
                    wanted.format, api.options.max_answer_bytes));
  return net::JsonResponse(200, std::move(body));
}

}  // namespace khtrace::api
