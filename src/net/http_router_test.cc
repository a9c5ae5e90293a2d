// SPDX-License-Identifier: Apache-2.0
#include "net/http_router.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace khtrace::net {
namespace {

// Answers with the pattern's name and the parameters that it captured.
HttpHandler Named(const std::string& name) {
  return [name](const HttpRequest& request, const HttpRespond& respond) {
    std::string text = name;
    for (const auto& [param, value] : request.path_params) {
      text += " " + param + "=" + value;
    }
    respond({.body = text});
  };
}

HttpResponse Ask(const HttpRouter& router, std::string method,
                 std::string target) {
  HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.path = PercentDecode(request.raw_path(), false);
  HttpResponse answer;
  router.Handle(std::move(request),
                [&answer](HttpResponse response) { answer = response; });
  return answer;
}

TEST(HttpRouter, PrefersLiteralThenParameterThenRest) {
  HttpRouter router;
  router.Add("GET", "/api/{rest...}", Named("rest"));
  router.Add("GET", "/api/{id}", Named("param"));
  router.Add("GET", "/api/status", Named("literal"));
  router.Add("GET", "/api/{id}/spans", Named("nested"));
  EXPECT_EQ(Ask(router, "GET", "/api/status").body, "literal");
  EXPECT_EQ(Ask(router, "GET", "/api/x?status").body, "param id=x");
  EXPECT_EQ(Ask(router, "GET", "/api/x/spans").body, "nested id=x");
  EXPECT_EQ(Ask(router, "GET", "/api/x/y/z").body, "rest rest=x/y/z");
  EXPECT_EQ(Ask(router, "GET", "/api/").body, "rest rest=");
  EXPECT_EQ(Ask(router, "GET", "/api").status, 404);
}

TEST(HttpRouter, KeepsEncodedSlashesInsideTheirSegment) {
  HttpRouter router;
  router.Add("GET", "/services/{name}/operations", Named("ops"));
  EXPECT_EQ(Ask(router, "GET", "/services/a%2Fb%20c/operations").body,
            "ops name=a/b c");
  EXPECT_EQ(Ask(router, "GET", "/services//operations").status, 404);
}

TEST(HttpRouter, AnswersUnknownPathsWith404) {
  const HttpRouter router;
  const HttpResponse response = Ask(router, "GET", "/none");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, "404 page not found\n");
}

TEST(HttpRouter, NamesAllowedMethodsOfAKnownPath) {
  HttpRouter router({.not_found = {},
                     .method_not_allowed = [](const HttpRequest&,
                                              std::span<const std::string> a) {
                       return HttpResponse{.status = 405,
                                           .content_type = "text/plain",
                                           .body = "only " + a[0]};
                     }});
  router.Add("POST", "/v1/traces", Named("traces"));
  router.Add("DELETE", "/v1/traces", Named("delete"));
  const HttpResponse response = Ask(router, "GET", "/v1/traces");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.Get("allow"), "DELETE, POST");
  EXPECT_EQ(response.body, "only DELETE");
}

TEST(HttpRouter, ServesHeadByTheGetHandler) {
  HttpRouter router;
  router.Add("GET", "/ready", Named("ready"));
  EXPECT_EQ(Ask(router, "HEAD", "/ready").body, "ready");
}

}  // namespace
}  // namespace khtrace::net
