// SPDX-License-Identifier: Apache-2.0
#include "api/ui_landing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/testing.h"

namespace khtrace::api {
namespace {

using testing::HasSubstr;
using testing::Not;

class UiLanding : public ApiFixture {
 protected:
  UiLanding() {
    RegisterUiLanding(router_, api_,
                      {{"OTLP/gRPC", "127.0.0.1:4317"},
                       {"Health", "http://127.0.0.1:13133/"}});
  }
};

TEST_F(UiLanding, TellsHowToSendTheFirstTrace) {
  const net::HttpResponse response = Get("/");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("No traces yet"));
  EXPECT_THAT(response.body, HasSubstr("OTEL_EXPORTER_OTLP_ENDPOINT"));
  EXPECT_THAT(response.body, HasSubstr("Version 1.2.3"));
  EXPECT_THAT(response.body,
              HasSubstr("<a href=\"api/tracing/openapi.json\">"));
  EXPECT_THAT(response.body, HasSubstr("<td>127.0.0.1:4317</td>"));
  EXPECT_THAT(response.body, HasSubstr("<a href=\"http://127.0.0.1:13133/\">"));
}

TEST_F(UiLanding, LinksServicesWithTheirNamesEscaped) {
  Store({{.service = "a/b <x> & \"y\""}});
  const net::HttpResponse response = Get("/");
  EXPECT_THAT(response.body, HasSubstr("a/b &lt;x&gt; &amp; &quot;y&quot;"));
  EXPECT_THAT(response.body,
              HasSubstr("service=a%2Fb%20%3Cx%3E%20%26%20%22y%22&amp;limit"));
  EXPECT_THAT(response.body, Not(HasSubstr("No traces yet")));
}

TEST_F(UiLanding, ForbidsScriptsAndOutsideResources) {
  EXPECT_THAT(Get("/").headers.Get("Content-Security-Policy"),
              HasSubstr("default-src 'none'"));
}

}  // namespace
}  // namespace khtrace::api
