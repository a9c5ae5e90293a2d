// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "api/query_handler.h"
#include "base/hash.h"
#include "base/text.h"

namespace khtrace::api {
namespace {

using net::HttpResponse;
using wire::JsonWriter;

// What clients tell problems apart by.
std::string_view ProblemName(int status) {
  switch (status) {
    case 400:
      return "invalid-request";
    case 401:
      return "no-tenant";
    case 404:
      return "not-found";
    case 405:
      return "method-not-allowed";
    case 409:
      return "conflict";
    case 429:
      return "too-many-requests";
    case 501:
      return "not-supported";
    case 503:
      return "unavailable";
    case 504:
      return "timeout";
    default:
      return "internal";
  }
}

HttpResponse Problem(int status, std::string_view name, std::string_view detail,
                     const std::function<void(JsonWriter&)>& more = nullptr) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.headers.Set("Cache-Control", "no-store");
  JsonWriter w(&response.body);
  w.BeginObject();
  PutText(w, "type", fmt::format("urn:khtrace:problem:{}", name));
  PutText(w, "title", net::HttpReason(status));
  PutCount(w, "status", static_cast<uint64_t>(status));
  PutText(w, "detail", detail);
  if (more) more(w);
  w.EndObject();
  return response;
}

void PutTexts(JsonWriter& w, std::string_view key,
              std::span<const std::string> texts) {
  w.Key(key);
  w.BeginArray();
  for (const std::string& text : texts) w.String(text);
  w.EndArray();
}

// RFC 9110, 13.1.2: weak comparison with any of a list.
bool Matches(std::string_view if_none_match, std::string_view etag) {
  return if_none_match == "*" ||
         (!if_none_match.empty() &&
          if_none_match.find(etag) != std::string_view::npos);
}

// Weak: a compressed answer has the same tag. `part`: what the tag is of.
void Tag(const net::HttpRequest& request, std::string_view part,
         HttpResponse* response) {
  const std::string etag = fmt::format("W/\"{:016x}\"", Hash64(part));
  response->headers.Set("ETag", etag);
  // Every use asks whether it is still true.
  response->headers.Set("Cache-Control", "private, no-cache");
  if (!Matches(request.headers.Joined("If-None-Match"),
               std::string_view(etag).substr(2))) {
    return;
  }
  response->status = 304;
  response->content_type.clear();
  response->body.clear();
}

}  // namespace

HttpResponse ProblemAnswer(const Error& error) {
  // What the request asks for is not possible as things are.
  const int status =
      error.code == Code::kFailedPrecondition ? 409 : HttpStatusOf(error.code);
  return Problem(status, ProblemName(status), SanitizeUtf8(error.message));
}

HttpResponse ProblemAnswer(const BadParameter& bad) {
  return Problem(400, "invalid-parameter", SanitizeUtf8(bad.detail),
                 [&bad](JsonWriter& w) {
                   PutText(w, "parameter", SanitizeUtf8(bad.name));
                 });
}

HttpResponse NotFoundProblem(std::string_view detail,
                             std::span<const std::string> similar) {
  return Problem(404, "not-found", detail,
                 [similar](JsonWriter& w) { PutTexts(w, "similar", similar); });
}

HttpResponse MethodProblem(std::string_view method,
                           std::span<const std::string> allowed) {
  return Problem(
      405, "method-not-allowed",
      fmt::format("{} is not answered here, only {}",
                  SanitizeUtf8(method.substr(0, 40)), fmt::join(allowed, ", ")),
      [allowed](JsonWriter& w) { PutTexts(w, "allowed", allowed); });
}

HttpResponse TracingAnswer(const net::HttpRequest& request,
                           UnixNanos generated_at,
                           const std::function<void(JsonWriter&)>& write) {
  HttpResponse response = net::JsonResponse(200, "");
  JsonWriter w(&response.body);
  w.BeginObject();
  PutTime(w, "generated_at", generated_at);
  const size_t figures = response.body.size();
  write(w);
  w.EndObject();
  Tag(request, std::string_view(response.body).substr(figures), &response);
  return response;
}

HttpResponse TracingText(const net::HttpRequest& request,
                         std::string_view content_type, std::string text) {
  HttpResponse response;
  response.content_type = content_type;
  response.body = std::move(text);
  Tag(request, std::string(response.body), &response);
  return response;
}

void PutText(JsonWriter& w, std::string_view key, std::string_view text) {
  w.Key(key);
  w.String(text);
}

void PutOptional(JsonWriter& w, std::string_view key, std::string_view text) {
  if (text.empty()) return PutNull(w, key);
  PutText(w, key, text);
}

void PutCount(JsonWriter& w, std::string_view key, uint64_t count) {
  w.Key(key);
  w.Uint(count);
}

void PutFlag(JsonWriter& w, std::string_view key, bool flag) {
  w.Key(key);
  w.Bool(flag);
}

void PutFigure(JsonWriter& w, std::string_view key, double figure) {
  w.Key(key);
  if (!std::isfinite(figure)) return w.Null();
  double rounded = figure;
  if (figure != 0) {
    const double digits = 5 - std::floor(std::log10(std::abs(figure)));
    const double scale = std::pow(10.0, std::clamp(digits, 0.0, 300.0));
    const double scaled = std::round(figure * scale);
    if (std::isfinite(scaled)) rounded = scaled / scale;
  }
  w.Double(rounded);
}

void PutMillis(JsonWriter& w, std::string_view key, double nanos) {
  PutFigure(w, key, nanos / 1e6);
}

void PutDuration(JsonWriter& w, std::string_view key, uint64_t nanos) {
  w.Key(key);
  w.Double(static_cast<double>(nanos) / 1e6);
}

void PutTime(JsonWriter& w, std::string_view key, UnixNanos time) {
  PutText(w, key, FormatRfc3339(time));
}

void PutNull(JsonWriter& w, std::string_view key) {
  w.Key(key);
  w.Null();
}

void PutGrade(JsonWriter& w, std::string_view key,
              std::optional<analysis::Grade> grade) {
  PutOptional(w, key, grade ? analysis::GradeName(*grade) : "");
}

void PutWindow(JsonWriter& w, const analysis::Window& window) {
  w.Key("window");
  w.BeginObject();
  PutTime(w, "start", window.start);
  PutTime(w, "end", window.end);
  PutFigure(w, "minutes", window.Minutes());
  w.EndObject();
}

analysis::Window WholeBuckets(const analysis::Window& window) {
  constexpr uint64_t kBucket = 300'000'000'000;
  const uint64_t end = window.end.ns - window.end.ns % kBucket;
  return {{window.start.ns - window.start.ns % kBucket},
          window.end.ns == end ? window.end
                               : UnixNanos{end}.Plus(std::chrono::minutes(5))};
}

void PutCursor(JsonWriter& w, std::string_view cursor) {
  PutOptional(w, "next_cursor", cursor);
}

}  // namespace khtrace::api
