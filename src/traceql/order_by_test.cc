// SPDX-License-Identifier: Apache-2.0
#include "traceql/order_by.h"

#include <gtest/gtest.h>

#include "traceql/parser.h"

namespace khtrace::traceql {
namespace {

TEST(OrderBy, ReadsWhatItWrites) {
  for (const char* text : {"start asc", "start desc", "duration asc",
                           "duration desc", "spanCount asc", "spanCount desc",
                           "errorCount asc", "errorCount desc"}) {
    const auto order = ParseOrderBy(text);
    ASSERT_TRUE(order) << text;
    EXPECT_EQ(ToString(*order), text);
  }
}

TEST(OrderBy, GoesFromLargeToSmallWithoutADirection) {
  EXPECT_EQ(ToString(*ParseOrderBy("duration")), "duration desc");
}

TEST(OrderBy, RefusesWhatCannotBeOrderedBy) {
  for (const char* text : {"", " ", "size", "desc", "start ", "start  asc",
                           "START", "start asc ", "start,asc"}) {
    EXPECT_EQ(ParseOrderBy(text).error().code, Code::kInvalidArgument) << text;
  }
}

TEST(OrderBy, TheFirstTextAmongHintsCounts) {
  const auto order_of = [](const char* text) {
    return *OrderOf(*ParseQuery(text));
  };
  EXPECT_EQ(order_of("{ }"), std::nullopt);
  EXPECT_EQ(order_of("{ } with(order_by=1)"), std::nullopt);
  EXPECT_EQ(order_of("{ } with(order_by=1, order_by=\"start asc\", "
                     "order_by=\"duration\")"),
            (OrderBy{OrderBy::Key::kStart, false}));
}

}  // namespace
}  // namespace khtrace::traceql
