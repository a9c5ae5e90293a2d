// SPDX-License-Identifier: Apache-2.0
#include "api/traceql_explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "api/testing.h"

namespace khtrace::api {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class TraceqlExplainTest : public ApiFixture {
 protected:
  TraceqlExplainTest() {
    RegisterTraceqlExplain(router_, api_);
    Store({{.service = "shop", .id = 1, .name = "GET /"},
           {.service = "db", .id = 2, .parent = 1, .name = "SELECT"}});
  }

  net::HttpResponse Explain(std::string_view rest) {
    return Get("/api/tracing/traceql/explain?" + std::string(rest));
  }
};

TEST_F(TraceqlExplainTest, TellsThePlanAsStructureAndAsText) {
  const auto answer = Explain("q=%7B%20name%20%3D%20%22SELECT%22%20%7D");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(answer.body,
              StartsWith(R"({"query":"{ name = \"SELECT\" }","logical":{"op":)"
                         R"("search","text":"the newest 20 traces)"));
  EXPECT_THAT(answer.body, HasSubstr(R"({"op":"unless","text":"name = )"));
  EXPECT_THAT(answer.body,
              HasSubstr(R"("text":"{ name = \"SELECT\" }\n\nwhat)"));
  EXPECT_THAT(answer.body, Not(HasSubstr("analysis")));
  EXPECT_THAT(answer.body, Not(HasSubstr("counts")));
}

TEST_F(TraceqlExplainTest, AnalyzeTellsWhatTheOperatorsDid) {
  const auto answer =
      Explain("q=%7B%20name%20%3D%20%22SELECT%22%20%7D&analyze=1");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr(R"("analysis":{"results":1,)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("rowsIn":2,"rowsOut":1)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("inspectedSpans":2)"));
}

TEST_F(TraceqlExplainTest, ExplainsMetrics) {
  const auto answer = Explain("q=%7B%7D%7Crate()by(name)&analyze=true");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr(R"("op":"fold")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("analysis":{"results":2,)"));
}

TEST_F(TraceqlExplainTest, JudgementsAreColumns) {
  const auto answer =
      Explain("q=%7Bperf:grade%3D%22A%22%7D%7Ccount_over_time()&analyze=true");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr(R"(perf:grade = \"A\": by column)"));
}

TEST_F(TraceqlExplainTest, RefusesWhatIsNoQueryWithItsPlace) {
  const auto answer = Explain("q=%7B%20.a%20%3D%3D%201%20%7D");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.content_type, "application/problem+json");
  EXPECT_THAT(answer.body,
              HasSubstr(R"("detail":"q: invalid TraceQL query: parse error at )"
                        "line 1"));
  EXPECT_THAT(answer.body, HasSubstr(R"("parameter":"q")"));
}

TEST_F(TraceqlExplainTest, ProblemsNameTheParameterAtFault) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "q"},
      {"q=%7B%7D&analyze=maybe", "analyze"},
      {"q=%7B%7D&start=20&end=10", "end"},
      {"q=%7B%7D&start=yesterday", "start"},
      {"q=%7B%7D&limit=0", "limit"},
      {"q=%7B%7D&step=1", "step"},
      {"query=%7B%7D", "query"},
  };
  for (const auto& [query, parameter] : cases) {
    const auto answer = Explain(query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_THAT(answer.body, HasSubstr("\"parameter\":\"" + parameter + "\""))
        << query;
  }
}

}  // namespace
}  // namespace khtrace::api
