// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace khtrace::net {

// Cross-origin rules (https://fetch.spec.whatwg.org/#http-cors-protocol).
struct CorsOptions {
  // Empty = CORS is off. One '*' each: "*", "https://*.example.com".
  std::vector<std::string> allowed_origins;
  // Besides Accept, Content-Type and X-Requested-With; "*" = any.
  std::vector<std::string> allowed_headers;
  std::vector<std::string> allowed_methods = {"GET", "HEAD", "POST"};
  std::vector<std::string> exposed_headers;
  // How long a browser may keep a preflight's answer; 0 = its own default.
  std::chrono::seconds max_age{0};

  bool enabled() const { return !allowed_origins.empty(); }
};

// Whether `origin` matches `pattern`, which may hold one '*'.
bool OriginMatches(std::string_view pattern, std::string_view origin);

// The answer to a preflight request: 204, with the permission or, for a
// foreign origin, without. nullopt when `request` is no preflight.
std::optional<HttpResponse> AnswerPreflight(const CorsOptions& options,
                                            const HttpRequest& request);

// The headers that let a page of `origin` read an ordinary answer.
HttpHeaders CorsHeaders(const CorsOptions& options, std::string_view origin);

}  // namespace khtrace::net
