// SPDX-License-Identifier: Apache-2.0
#include "net/cors.h"

#include <gtest/gtest.h>

namespace khtrace::net {
namespace {

HttpRequest Preflight(std::string origin, std::string headers) {
  HttpRequest request;
  request.method = "OPTIONS";
  request.headers = {{"Origin", std::move(origin)},
                     {"Access-Control-Request-Method", "POST"},
                     {"Access-Control-Request-Headers", std::move(headers)}};
  return request;
}

CorsOptions Options() {
  CorsOptions options;
  options.allowed_origins = {"https://*.example.com"};
  options.allowed_headers = {"X-Extra"};
  options.exposed_headers = {"X-Trace-ID"};
  options.max_age = std::chrono::seconds(600);
  return options;
}

TEST(Cors, MatchesOneStarInsideAnOrigin) {
  EXPECT_TRUE(OriginMatches("*", "https://a.b"));
  EXPECT_TRUE(OriginMatches("https://*.x.com", "https://a.b.x.com"));
  EXPECT_TRUE(OriginMatches("http://A", "http://a"));
  EXPECT_FALSE(OriginMatches("https://*.x.com", "https://x.com"));
  EXPECT_FALSE(OriginMatches("https://x.com", "https://x.com.evil"));
  EXPECT_FALSE(OriginMatches("aa*aa", "aaa"));
}

TEST(Cors, PermitsAPreflightOfAnAllowedOrigin) {
  const auto response = AnswerPreflight(
      Options(), Preflight("https://ui.example.com", "content-type, x-extra"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 204);
  EXPECT_EQ(response->headers.Get("access-control-allow-origin"),
            "https://ui.example.com");
  EXPECT_EQ(response->headers.Get("access-control-allow-methods"), "POST");
  EXPECT_EQ(response->headers.Get("access-control-allow-headers"),
            "content-type, x-extra");
  EXPECT_EQ(response->headers.Get("access-control-max-age"), "600");
}

TEST(Cors, RefusesForeignOriginsAndHeadersNotAllowed) {
  for (const HttpRequest& request :
       {Preflight("https://evil.org", "content-type"),
        Preflight("https://ui.example.com", "x-other")}) {
    const auto response = AnswerPreflight(Options(), request);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 204);
    EXPECT_FALSE(response->headers.Has("access-control-allow-origin"));
  }
}

TEST(Cors, IsOffWithoutAllowedOrigins) {
  EXPECT_FALSE(AnswerPreflight({}, Preflight("https://a", "")));
  EXPECT_EQ(CorsHeaders({}, "https://a").size(), 0u);
}

TEST(Cors, LetsAllowedOriginsReadOrdinaryAnswers) {
  const HttpHeaders headers = CorsHeaders(Options(), "https://ui.example.com");
  EXPECT_EQ(headers.Get("access-control-allow-credentials"), "true");
  EXPECT_EQ(headers.Get("access-control-expose-headers"), "X-Trace-ID");
  EXPECT_EQ(headers.Get("vary"), "Origin");
  EXPECT_FALSE(CorsHeaders(Options(), "https://evil.org")
                   .Has("access-control-allow-origin"));
}

}  // namespace
}  // namespace khtrace::net
