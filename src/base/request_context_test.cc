// SPDX-License-Identifier: Apache-2.0
#include "base/request_context.h"

#include <gtest/gtest.h>

namespace khtrace {
namespace {

TEST(RequestContext, DefaultHasNoLimit) {
  EXPECT_TRUE(RequestContext().Check());
  EXPECT_EQ(RequestContext().tenant, "default");
}

TEST(RequestContext, SaysWhenTheDeadlineHasPassed) {
  FakeClock clock({0});
  RequestContext context;
  context.clock = &clock;
  context.deadline = std::chrono::seconds(5);
  clock.Advance(std::chrono::seconds(5));
  EXPECT_TRUE(context.Check());
  clock.Advance(std::chrono::nanoseconds(1));
  EXPECT_EQ(context.Check().error().code, Code::kDeadlineExceeded);
}

TEST(RequestContext, SaysWhenItWasCancelled) {
  std::stop_source source;
  RequestContext context;
  context.stop = source.get_token();
  EXPECT_TRUE(context.Check());
  source.request_stop();
  EXPECT_EQ(context.Check().error().code, Code::kCancelled);
}

TEST(ValidateTenant, AcceptsDirectoryNames) {
  for (const std::string& good :
       {std::string("a"), std::string("Team-1_x.y"), std::string(150, 'a')}) {
    EXPECT_TRUE(ValidateTenant(good)) << good;
  }
}

TEST(ValidateTenant, RefusesWhatCouldLeaveItsDirectory) {
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string(".a"),
        std::string("a/b"), std::string("a b"), std::string("a\0b", 3),
        std::string("é"), std::string(151, 'a')}) {
    const Status status = ValidateTenant(bad);
    ASSERT_FALSE(status) << bad;
    EXPECT_EQ(status.error().code, Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace khtrace
