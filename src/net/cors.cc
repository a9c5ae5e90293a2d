// SPDX-License-Identifier: Apache-2.0
#include "net/cors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace khtrace::net {
namespace {

std::string LowerAscii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool OriginAllowed(const CorsOptions& options, std::string_view origin) {
  return !origin.empty() &&
         std::ranges::any_of(options.allowed_origins,
                             [origin](const std::string& pattern) {
                               return OriginMatches(pattern, origin);
                             });
}

bool HeaderAllowed(const CorsOptions& options, const std::string& lower_name) {
  if (lower_name.empty() || lower_name == "accept" ||
      lower_name == "content-type" || lower_name == "x-requested-with") {
    return true;
  }
  return std::ranges::any_of(
      options.allowed_headers, [&lower_name](const std::string& allowed) {
        return allowed == "*" || LowerAscii(allowed) == lower_name;
      });
}

bool AllHeadersAllowed(const CorsOptions& options, std::string_view list) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string name = LowerAscii(list.substr(0, comma));
    std::erase(name, ' ');
    if (!HeaderAllowed(options, name)) return false;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return true;
}

}  // namespace

bool OriginMatches(std::string_view pattern, std::string_view origin) {
  const std::string want = LowerAscii(pattern);
  const std::string have = LowerAscii(origin);
  const size_t star = want.find('*');
  if (star == std::string::npos) return want == have;
  const std::string_view head = std::string_view(want).substr(0, star);
  const std::string_view tail = std::string_view(want).substr(star + 1);
  return have.size() >= head.size() + tail.size() && have.starts_with(head) &&
         have.ends_with(tail);
}

std::optional<HttpResponse> AnswerPreflight(const CorsOptions& options,
                                            const HttpRequest& request) {
  const std::string_view method =
      request.headers.Get("access-control-request-method");
  if (!options.enabled() || request.method != "OPTIONS" || method.empty()) {
    return std::nullopt;
  }
  HttpResponse response{.status = 204};
  response.headers.Add("Vary",
                       "Origin, Access-Control-Request-Method, "
                       "Access-Control-Request-Headers");
  const std::string_view origin = request.headers.Get("origin");
  const std::string wanted_headers =
      request.headers.Joined("access-control-request-headers");
  if (!OriginAllowed(options, origin) ||
      std::ranges::find(options.allowed_methods, method) ==
          options.allowed_methods.end() ||
      !AllHeadersAllowed(options, wanted_headers)) {
    return response;
  }
  response.headers.Add("Access-Control-Allow-Origin", std::string(origin));
  response.headers.Add("Access-Control-Allow-Credentials", "true");
  response.headers.Add("Access-Control-Allow-Methods", std::string(method));
  if (!wanted_headers.empty()) {
    response.headers.Add("Access-Control-Allow-Headers", wanted_headers);
  }
  if (options.max_age.count() > 0) {
    response.headers.Add("Access-Control-Max-Age",
                         fmt::format("{}", options.max_age.count()));
  }
  return response;
}

HttpHeaders CorsHeaders(const CorsOptions& options, std::string_view origin) {
  HttpHeaders headers;
  if (!options.enabled()) return headers;
  headers.Add("Vary", "Origin");
  if (!OriginAllowed(options, origin)) return headers;
  headers.Add("Access-Control-Allow-Origin", std::string(origin));
  headers.Add("Access-Control-Allow-Credentials", "true");
  if (!options.exposed_headers.empty()) {
    headers.Add("Access-Control-Expose-Headers",
                fmt::format("{}", fmt::join(options.exposed_headers, ", ")));
  }
  return headers;
}

}  // namespace khtrace::net
