// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace khtrace::net {

struct HttpRouterOptions {
  // Unset: 404, text/plain, "404 page not found".
  std::function<HttpResponse(const HttpRequest&)> not_found;
  // Unset: 405, text/plain, "405 method not allowed". `allowed` is sorted; the
  // router adds the Allow header itself.
  std::function<HttpResponse(const HttpRequest&,
                             std::span<const std::string> allowed)>
      method_not_allowed;
};

// Sends requests to handlers by method and path. Filled first, then immutable
// and usable from every thread.
//
// A pattern is "/a/{id}/b": literals match the decoded segment, `{id}` one
// non-empty segment, a trailing `{rest...}` everything that is left, empty
// included. The raw path is split at '/' before decoding, so %2F stays inside
// its segment. At each segment a literal beats `{id}` beats `{rest...}`,
// whatever the order of adding. HEAD goes to GET's handler where HEAD has none.
class HttpRouter {
 public:
  explicit HttpRouter(HttpRouterOptions options = {});

  // A malformed pattern, or the same one twice for a method, is a bug.
  void Add(std::string_view method, std::string_view pattern,
           HttpHandler handler);

  void Handle(HttpRequest request, HttpRespond respond) const;

 private:
  struct Segment {
    enum class Kind { kLiteral, kParam, kRest } kind;
    std::string text;  // the literal, or the parameter's name
  };
  struct Method {
    std::string name;
    HttpHandler handler;
  };
  struct Route {
    std::vector<Segment> segments;
    std::vector<Method> methods;
  };

  static std::vector<Segment> ParsePattern(std::string_view pattern);
  static bool Matches(const Route& route,
                      std::span<const std::string_view> raw_segments,
                      HttpRequest& request);
  static const HttpHandler* FindMethod(const Route& route,
                                       std::string_view method);
  HttpResponse MethodNotAllowed(const Route& route,
                                const HttpRequest& request) const;

  HttpRouterOptions options_;
  std::vector<Route> routes_;  // most specific first
};

}  // namespace khtrace::net
