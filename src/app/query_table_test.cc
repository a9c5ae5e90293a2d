// SPDX-License-Identifier: Apache-2.0
#include "app/query_table.h"

#include <gtest/gtest.h>

#include <string>

namespace khtrace::app {
namespace {

constexpr std::string_view kAnswer = R"({"summaries":[
  {"traceId":"0af7651916cd43dd8448eb211c80319c","rootServiceName":"web",
   "rootOperationName":"GET /","minStartTimeUnixNano":"1767225600000000000",
   "maxEndTimeUnixNano":"1767225600012345678","spanCount":12,
   "services":[]},
  {"traceId":"1af7651916cd43dd8448eb211c80319c","rootServiceName":"checkout",
   "rootOperationName":"POST /orders/with/a/long/name",
   "minStartTimeUnixNano":"1767225601500000000",
   "maxEndTimeUnixNano":"1767225603500000000","spanCount":1234,
   "errorSpanCount":3}]})";

TEST(QueryTable, ListsNewestFirstAndNeverCutsTheId) {
  auto summaries = ParseSummaries(kAnswer);
  ASSERT_TRUE(summaries);
  EXPECT_EQ(
      RenderSummaries(*std::move(summaries), {false, true, 120}),
      "Start (UTC)               Duration   Spans  Errors  "
      "Root                                Trace id\n"
      "2026-01-01 00:00:01.500        2 s   1 234       3  "
      "checkout: POST /orders/with/a/lon…  1af7651916cd43dd8448eb211c80319c\n"
      "2026-01-01 00:00:00.000    12.3 ms      12       0  "
      "web: GET /                          0af7651916cd43dd8448eb211c80319c\n");
}

TEST(QueryTable, RefusesWhatIsNotASummary) {
  for (const std::string_view answer :
       {"", "nonsense", "{}", R"({"summaries":[{}]})",
        R"({"summaries":[{"traceId":"zz"}]})", R"({"summaries":7})"}) {
    const auto summaries = ParseSummaries(answer);
    ASSERT_FALSE(summaries) << answer;
    EXPECT_EQ(summaries.error().code, Code::kDataLoss);
  }
}

}  // namespace
}  // namespace khtrace::app
