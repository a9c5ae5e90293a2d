// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/merge_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

namespace khtrace::storage::columnar {
namespace {

using std::chrono::hours;
using testing::ElementsAre;
using testing::IsEmpty;

class MergePolicy : public testing::Test {
 protected:
  void Add(uint64_t spans, uint64_t newest_hour, uint32_t level = 0) {
    PartInfo& info = infos_.emplace_back();
    info.span_count = spans;
    info.max_start = UnixNanos{}.Plus(hours(1000 + newest_hour));
    info.meta.level = level;
    parts_.push_back({&info, false});
  }
  std::vector<size_t> Pick(std::chrono::seconds retention = hours(0)) {
    return PickMerge(parts_, {.max_spans = 100, .min_parts = 3}, retention);
  }

  std::deque<PartInfo> infos_;
  std::vector<MergeCandidate> parts_;
};

TEST_F(MergePolicy, TwoSmallPartsWait) {
  Add(10, 0);
  Add(10, 1);
  EXPECT_THAT(Pick(), IsEmpty());
}

TEST_F(MergePolicy, ManySmallPartsAreMerged) {
  for (int i = 0; i < 5; ++i) Add(1, 0);
  EXPECT_THAT(Pick(), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(MergePolicy, PartsThatArrivedTogetherAreMergedWhateverTheirSpansSay) {
  Add(20, 0);
  Add(30, 24 * 365 * 170);  // a clock far ahead
  EXPECT_THAT(Pick(), IsEmpty());
  for (PartInfo& info : infos_) info.meta.written = UnixNanos{1};
  EXPECT_THAT(Pick(), ElementsAre(0, 1));
}

TEST_F(MergePolicy, TwoPartsThatMakeALargeOneAreMerged) {
  Add(20, 0);
  Add(30, 1);
  EXPECT_THAT(Pick(), ElementsAre(0, 1));
}

TEST_F(MergePolicy, MergedPartStaysBelowTheLimit) {
  Add(40, 0);
  Add(40, 1);
  Add(40, 2);
  EXPECT_THAT(Pick(), ElementsAre(0, 1));
}

TEST_F(MergePolicy, LargeMergedAndBarredPartsAreLeftAlone) {
  Add(50, 0);     // large
  Add(20, 0, 1);  // merged before: a second time would write it a third
  Add(20, 0);
  Add(30, 0);
  Add(30, 0);
  parts_[3].barred = true;
  EXPECT_THAT(Pick(), ElementsAre(2, 4));
}

TEST_F(MergePolicy, PartsFarApartInTimeStayApart) {
  Add(30, 0);
  Add(30, 30);
  Add(30, 31);
  EXPECT_THAT(Pick(), ElementsAre(1, 2));
  // An eighth of a retention of 4 h is half an hour.
  EXPECT_THAT(Pick(hours(4)), IsEmpty());
}

TEST_F(MergePolicy, NeighboursInTimeNeedNotBeNeighboursOnDisk) {
  Add(30, 5);
  Add(30, 500);  // a sender whose clock is wrong
  Add(30, 6);
  EXPECT_THAT(Pick(), ElementsAre(0, 2));
}

TEST_F(MergePolicy, ZeroSpansTurnsMergingOff) {
  for (int i = 0; i < 5; ++i) Add(1, 0);
  EXPECT_THAT(PickMerge(parts_, {.max_spans = 0, .min_parts = 2}, hours(0)),
              IsEmpty());
}

}  // namespace
}  // namespace khtrace::storage::columnar
