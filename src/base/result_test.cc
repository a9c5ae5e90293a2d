// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace khtrace {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return Error{Code::kInvalidArgument, "odd"};
  return value / 2;
}

Result<int> Quarter(int value) {
  ASSIGN_OR_RETURN(const int half, Half(value));
  ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

Status CheckQuarter(int value) {
  RETURN_IF_ERROR(Quarter(value));
  RETURN_IF_ERROR(Status());
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(*Half(4), 2);
  EXPECT_FALSE(Half(3));
  EXPECT_EQ(Half(3).error().message, "odd");
}

TEST(Result, MacrosPassTheFirstErrorOn) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).error().code, Code::kInvalidArgument);
  EXPECT_TRUE(CheckQuarter(8));
  EXPECT_FALSE(CheckQuarter(7));
}

TEST(Result, CarriesMoveOnlyValues) {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = *std::move(made);
  EXPECT_EQ(*taken, 7);
}

TEST(Error, WithPutsContextInFront) {
  const Error error =
      Error{Code::kDataLoss, "checksum differs"}.With("open part 42");
  EXPECT_EQ(error.code, Code::kDataLoss);
  EXPECT_EQ(error.message, "open part 42: checksum differs");
}

TEST(ResultDeathTest, ReadingTheWrongSideStopsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)*Half(3), "BUG");
  EXPECT_DEATH((void)Half(4).error(), "BUG");
  EXPECT_DEATH((void)Status().error(), "BUG");
}

TEST(Code, NamesAreGrpcs) {
  EXPECT_EQ(CodeName(Code::kInvalidArgument), "INVALID_ARGUMENT");
  EXPECT_EQ(CodeName(Code::kResourceExhausted), "RESOURCE_EXHAUSTED");
  EXPECT_EQ(static_cast<int>(Code::kUnauthenticated), 16);
  EXPECT_EQ(CodeName(static_cast<Code>(2)), "UNKNOWN");
}

}  // namespace
}  // namespace khtrace
