// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "analysis/grade.h"
#include "analysis/operation_report.h"
#include "api/tracing_params.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"
#include "wire/json_writer.h"

// How /api/tracing answers: JSON with times in milliseconds (`*_ms`) and
// RFC 3339, errors as problem bodies (RFC 9457).

namespace khtrace::api {

// {"type","title","status","detail"} with a status that fits the error's code.
net::HttpResponse ProblemAnswer(const Error& error);
// The same with the parameter at fault: 400.
net::HttpResponse ProblemAnswer(const BadParameter& bad);
// 404 that names what was probably meant.
net::HttpResponse NotFoundProblem(std::string_view detail,
                                  std::span<const std::string> similar);
net::HttpResponse MethodProblem(std::string_view method,
                                std::span<const std::string> allowed);

// A JSON object of `generated_at` and what `write` adds to it. The ETag is of
// the latter: the same figures made again are the same. 304 if the client has
// them already.
net::HttpResponse TracingAnswer(
    const net::HttpRequest& request, UnixNanos generated_at,
    const std::function<void(wire::JsonWriter&)>& write);
// Another form of the same answer, with an ETag as well.
net::HttpResponse TracingText(const net::HttpRequest& request,
                              std::string_view content_type, std::string text);

// One member of an object each.
void PutText(wire::JsonWriter& w, std::string_view key, std::string_view text);
// null for "".
void PutOptional(wire::JsonWriter& w, std::string_view key,
                 std::string_view text);
void PutCount(wire::JsonWriter& w, std::string_view key, uint64_t count);
void PutFlag(wire::JsonWriter& w, std::string_view key, bool flag);
// With six significant digits: what we know is within 1 %.
void PutFigure(wire::JsonWriter& w, std::string_view key, double figure);
// Likewise, from nanoseconds to milliseconds; `key` ends in "_ms".
void PutMillis(wire::JsonWriter& w, std::string_view key, double nanos);
// Exact.
void PutDuration(wire::JsonWriter& w, std::string_view key, uint64_t nanos);
void PutTime(wire::JsonWriter& w, std::string_view key, UnixNanos time);
void PutNull(wire::JsonWriter& w, std::string_view key);
// "A", or null.
void PutGrade(wire::JsonWriter& w, std::string_view key,
              std::optional<analysis::Grade> grade);
// "window": {start, end, minutes}.
void PutWindow(wire::JsonWriter& w, const analysis::Window& window);
// As far as aggregates reach that touch it: whole 5 minutes.
analysis::Window WholeBuckets(const analysis::Window& window);
// null for "".
void PutCursor(wire::JsonWriter& w, std::string_view cursor);

}  // namespace khtrace::api
