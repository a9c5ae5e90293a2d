// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "traceql/printer.h"

namespace khtrace::api {
namespace {

using std::chrono::milliseconds;

std::string Text(const TraceFilter& filter) {
  const auto query = ToTraceQl(filter);
  return query ? traceql::Print(*query) : query.error().message;
}

TEST(TracingSearch, WithoutConditionsEverythingFits) {
  EXPECT_EQ(Text({}), "{ }");
}

TEST(TracingSearch, ConditionsAreOfOneSpan) {
  TraceFilter filter;
  filter.service = "a\"b";
  filter.operation = "GET /";
  filter.status = "error";
  filter.tags = {{"http.route", "/x"}};
  filter.min_span_duration = milliseconds(5);
  filter.min_duration = milliseconds(1000);
  EXPECT_EQ(Text(filter),
            "{ resource.service.name = `a\"b` && name = \"GET /\" && status = "
            "error && .http.route = \"/x\" && duration >= 5ms && "
            "traceDuration >= 1s }");
}

TEST(TracingSearch, TagsCompareAsNumbersToo) {
  TraceFilter filter;
  filter.tags = {{"http.response.status_code", "500"}};
  EXPECT_EQ(Text(filter),
            "{ .http.response.status_code = \"500\" || "
            ".http.response.status_code = 500 }");
}

TEST(TracingSearch, QueryIsNarrowedByTheOthers) {
  TraceFilter filter;
  filter.traceql = "{ .a = 1 } | count() > 2";
  EXPECT_EQ(Text(filter), "{ .a = 1 } | count() > 2");
  filter.service = "shop";
  EXPECT_EQ(Text(filter),
            "{ .a = 1 } | count() > 2 | { resource.service.name = \"shop\" }");
}

TEST(TracingSearch, HintsOfTheQueryStayBehindTheWhole) {
  TraceFilter filter;
  filter.traceql = "{ .a = 1 } with (most_recent=true)";
  EXPECT_EQ(Text(filter), "{ .a = 1 } with(most_recent=true)");
  filter.service = "shop";
  EXPECT_EQ(Text(filter),
            "{ .a = 1 } | { resource.service.name = \"shop\" } "
            "with(most_recent=true)");
  filter.traceql = "{ .a = 1 } with (order_by=\"sideways\")";
  EXPECT_THAT(Text(filter), testing::HasSubstr("line 1, col"));
}

TEST(TracingSearch, RefusesWhatHasNoTraces) {
  TraceFilter filter;
  filter.traceql = "{ } | rate()";
  EXPECT_THAT(Text(filter), testing::HasSubstr("metrics query"));
  filter.traceql = "{ .a == 1 }";
  EXPECT_THAT(Text(filter), testing::HasSubstr("line 1, col"));
}

}  // namespace
}  // namespace khtrace::api
