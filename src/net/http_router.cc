// SPDX-License-Identifier: Apache-2.0
#include "net/http_router.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace khtrace::net {
namespace {

// "/a/b/" is {"a", "b", ""}: an empty last segment is a segment of its own.
std::vector<std::string_view> SplitPath(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  for (;;) {
    const size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

HttpRouter::HttpRouter(HttpRouterOptions options)
    : options_(std::move(options)) {}

std::vector<HttpRouter::Segment> HttpRouter::ParsePattern(
    std::string_view pattern) {
  KHTRACE_CHECK(pattern.starts_with('/'));
  std::vector<Segment> segments;
  for (std::string_view part : SplitPath(pattern)) {
    KHTRACE_CHECK(segments.empty() ||
                  segments.back().kind != Segment::Kind::kRest);
    if (!part.starts_with('{')) {
      segments.push_back({Segment::Kind::kLiteral, std::string(part)});
      continue;
    }
    KHTRACE_CHECK(part.ends_with('}'));
    part = part.substr(1, part.size() - 2);
    const bool rest = part.ends_with("...");
    if (rest) part.remove_suffix(3);
    segments.push_back({rest ? Segment::Kind::kRest : Segment::Kind::kParam,
                        std::string(part)});
  }
  return segments;
}

void HttpRouter::Add(std::string_view method, std::string_view pattern,
                     HttpHandler handler) {
  std::vector<Segment> segments = ParsePattern(pattern);
  // Literals first, then parameters, then the rest, segment by segment; names
  // of parameters do not tell two routes apart, texts of literals do.
  const auto key = [](const std::vector<Segment>& list) {
    std::vector<std::pair<int, std::string_view>> out;
    for (const Segment& segment : list) {
      const bool literal = segment.kind == Segment::Kind::kLiteral;
      out.emplace_back(static_cast<int>(segment.kind),
                       literal ? std::string_view(segment.text) : "");
    }
    return out;
  };
  const auto at = std::ranges::lower_bound(
      routes_, key(segments), {},
      [&key](const Route& route) { return key(route.segments); });
  if (at != routes_.end() && key(at->segments) == key(segments)) {
    KHTRACE_CHECK(FindMethod(*at, method) == nullptr);
    at->methods.push_back({std::string(method), std::move(handler)});
    return;
  }
  Route route{std::move(segments), {}};
  route.methods.push_back({std::string(method), std::move(handler)});
  routes_.insert(at, std::move(route));
}

bool HttpRouter::Matches(const Route& route,
                         std::span<const std::string_view> raw_segments,
                         HttpRequest& request) {
  request.path_params.clear();
  size_t i = 0;
  for (const Segment& segment : route.segments) {
    if (segment.kind == Segment::Kind::kRest) {
      if (i == raw_segments.size()) return false;
      // All segments are views into one path: the rest runs to its last one.
      const char* begin = raw_segments[i].data();
      const char* end = raw_segments.back().data() + raw_segments.back().size();
      request.path_params.emplace_back(
          segment.text, PercentDecode({begin, end}, /*plus_is_space=*/false));
      return true;
    }
    if (i == raw_segments.size()) return false;
    std::string text = PercentDecode(raw_segments[i++], false);
    if (segment.kind == Segment::Kind::kLiteral) {
      if (text != segment.text) return false;
    } else {
      if (text.empty()) return false;
      request.path_params.emplace_back(segment.text, std::move(text));
    }
  }
  return i == raw_segments.size();
}

const HttpHandler* HttpRouter::FindMethod(const Route& route,
                                          std::string_view method) {
  const auto it = std::ranges::find(route.methods, method, &Method::name);
  return it == route.methods.end() ? nullptr : &it->handler;
}

void HttpRouter::Handle(HttpRequest request, HttpRespond respond) const {
  const std::string raw_path(request.raw_path());
  const std::vector<std::string_view> segments = SplitPath(raw_path);
  const Route* known_path = nullptr;
  for (const Route& route : routes_) {
    if (!Matches(route, segments, request)) continue;
    const HttpHandler* handler = FindMethod(route, request.method);
    if (handler == nullptr && request.method == "HEAD") {
      handler = FindMethod(route, "GET");
    }
    if (handler != nullptr) {
      (*handler)(std::move(request), std::move(respond));
      return;
    }
    if (known_path == nullptr) known_path = &route;
  }
  request.path_params.clear();
  if (known_path != nullptr) {
    respond(MethodNotAllowed(*known_path, request));
  } else if (options_.not_found) {
    respond(options_.not_found(request));
  } else {
    respond(TextResponse(404, "404 page not found"));
  }
}

HttpResponse HttpRouter::MethodNotAllowed(const Route& route,
                                          const HttpRequest& request) const {
  std::vector<std::string> allowed;
  for (const Method& method : route.methods) allowed.push_back(method.name);
  std::ranges::sort(allowed);
  HttpResponse response = options_.method_not_allowed
                              ? options_.method_not_allowed(request, allowed)
                              : TextResponse(405, "405 method not allowed");
  response.headers.Set("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
  return response;
}

}  // namespace khtrace::net
