// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/api_context.h"
#include "base/request_context.h"
#include "model/ids.h"
#include "net/http.h"
#include "query/trace_diff.h"
#include "storage/trace_store.h"

// POST /api/v2/traces/diff: what differs between two traces. Experimental in
// Tempo, and so here.

namespace khtrace::api {

struct TraceDiffRequest {
  struct Side {
    model::TraceId id;
    storage::TimeHint when;
  };
  enum class Format { kPatch, kSummary, kComposed };

  Side base;
  Side compare;
  Format format = Format::kPatch;
};

// From a body of JSON. kInvalidArgument.
Result<TraceDiffRequest> ReadTraceDiffRequest(std::string_view body);

// What makes two traces hard to compare: ids in the names of spans, and spans
// without duration.
struct TraceDiffWarning {
  std::string_view code;  // Tempo's
  std::string message;
};
std::vector<TraceDiffWarning> WarningsOf(const query::DiffTrace& base,
                                         const query::DiffTrace& compare);

// What of a composed answer a patch may be; a larger one is told by its size.
inline constexpr size_t kMaxComposedPatchBytes = 64u << 10;

// The document of a format. kResourceExhausted: it would be larger than
// `max_bytes`.
Result<std::string> TraceDiffJson(const query::DiffTrace& base,
                                  const query::DiffTrace& compare,
                                  TraceDiffRequest::Format format,
                                  size_t max_bytes);

Result<net::HttpResponse> AnswerTraceDiff(const ApiContext& api,
                                          const RequestContext& context,
                                          const net::HttpRequest& request);

}  // namespace khtrace::api
