// SPDX-License-Identifier: Apache-2.0
// Merging: docs/adr/0008-one-merge-a-span.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "model/span_batch_builder.h"
#include "storage/columnar/columnar_store_testing.h"
#include "storage/columnar/data_directory.h"
#include "storage/columnar/tenant_query.h"

namespace khtrace::storage::columnar {
namespace {

using model::SpanBatchPtr;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class MergeTest : public ColumnarStoreTest {
 protected:
  MergeTest() {
    options_.merge.min_parts = 3;
    options_.merge.bytes_per_second = 0;
  }

  void WritePartOf(const SpanBatchPtr& batch) {
    ASSERT_TRUE(Write(batch));
    ASSERT_TRUE(store_->Flush());
  }
  StoreStats Stats() {
    RequestContext context;
    context.tenant = "t";
    return *store_->Stats(context);
  }
  std::string PartsDir() const {
    return options_.data_dir + "/tenants/t/parts";
  }
  std::vector<std::string> Files() { return *Fs::Real().List(PartsDir()); }
  void Flip(const std::string& name) {
    const std::string path = PartsDir() + "/" + name;
    std::string bytes = *ReadFile(Fs::Real(), path);
    bytes[20] = static_cast<char>(bytes[20] ^ 1);  // of the first page
    ASSERT_TRUE(Fs::Real().Remove(path));
    ASSERT_TRUE(WriteFileAtomically(Fs::Real(), path, bytes));
  }
};

TEST_F(MergeTest, SmallPartsBecomeOne) {
  ASSERT_TRUE(Open());
  for (uint64_t seed = 1; seed <= 3; ++seed) WritePartOf(Batch(seed));
  EXPECT_EQ(Stats().parts, 3u);
  store_->RunMaintenance();
  EXPECT_EQ(Stats().parts, 1u);
  EXPECT_THAT(Files(), SizeIs(1));
  EXPECT_EQ(store_->counters().merges, 1u);
  EXPECT_EQ(store_->counters().merged_parts, 3u);
  const auto all = Described({Batch(1), Batch(2), Batch(3)});
  EXPECT_EQ(Stored(), all);
  store_.reset();
  ASSERT_TRUE(Open());
  EXPECT_EQ(Stored(), all);
  EXPECT_EQ(Stats().parts, 1u);
}

TEST_F(MergeTest, LateSpansRejoinTheirTraceAndDuplicatesVanish) {
  ASSERT_TRUE(Open());
  const SpanBatchPtr whole = Batch(1, 40);
  std::vector<model::RowIndex> early;
  std::vector<model::RowIndex> late;
  for (model::RowIndex row = 0; row < 40; ++row) {
    (row % 2 == 0 ? early : late).push_back(row);
  }
  const auto part_of = [&](const std::vector<model::RowIndex>& rows) {
    return std::make_shared<const model::SpanBatch>(
        model::Compact(*whole, rows));
  };
  WritePartOf(part_of(early));
  WritePartOf(part_of(late));
  WritePartOf(whole);
  EXPECT_EQ(Stats().spans, 80u);
  store_->RunMaintenance();
  EXPECT_EQ(Stats().spans, 40u);
  EXPECT_EQ(store_->counters().merge_duplicates, 40u);
  EXPECT_EQ(Stored(), Described({whole}));
}

TEST_F(MergeTest, ViewFromBeforeStaysReadable) {
  StoreContext context{
      options_, Fs::Real(), clock_, {inline_, inline_, inline_}, {}, {}};
  auto store = TenantStore::Open(context, options_.data_dir + "/tenants/t");
  ASSERT_TRUE(store);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    (*store)->Write(*Batch(seed), [](Status status) { ASSERT_TRUE(status); });
    ASSERT_TRUE((*store)->Flush());
  }
  const TenantView before = (*store)->View();
  IoPacer pacer(clock_, 0);
  const auto merged = (*store)->MergeSome(pacer);
  ASSERT_TRUE(merged) << merged.error().message;
  EXPECT_TRUE(*merged);
  EXPECT_THAT(Files(), SizeIs(1));
  ASSERT_THAT(*before.parts, SizeIs(3));
  EXPECT_THAT(*(*store)->View().parts, SizeIs(1));
  const auto trace = GetTrace({}, before, Batch(1)->spans().trace_id.front());
  EXPECT_TRUE(trace) << trace.error().message;
  EXPECT_FALSE(*(*store)->MergeSome(pacer));
  EXPECT_TRUE((*store)->Close());
}

TEST_F(MergeTest, PartsThatACrashLeftBesideTheirMergeAreDeletedAtOpen) {
  FaultyFs faulty(Fs::Real());
  fs_ = &faulty;
  ASSERT_TRUE(Open());
  for (uint64_t seed = 1; seed <= 3; ++seed) WritePartOf(Batch(seed));
  const std::vector<std::string> inputs = Files();
  const std::string copy = dir_.File("inputs");
  ASSERT_EQ(std::system(("cp -r " + PartsDir() + " " + copy).c_str()), 0);
  store_->RunMaintenance();
  store_.reset();
  ASSERT_EQ(std::system(("cp " + copy + "/* " + PartsDir()).c_str()), 0);
  ASSERT_THAT(Files(), SizeIs(4));
  const auto report = InspectDirectory(Fs::Real(), options_.data_dir);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->tenants[0].part_spans, 18u);
  EXPECT_THAT(report->tenants[0].leftovers, SizeIs(3));
  ASSERT_TRUE(Open());
  EXPECT_THAT(Files(), SizeIs(1));
  EXPECT_EQ(Stats().spans, 18u);
  EXPECT_EQ(Stored(), Described({Batch(1), Batch(2), Batch(3)}));
  store_.reset();
}

TEST_F(MergeTest, DamagedPartIsLeftAloneAndTheOthersAreMerged) {
  ASSERT_TRUE(Open());
  for (uint64_t seed = 1; seed <= 4; ++seed) WritePartOf(Batch(seed));
  store_.reset();
  Flip(Files()[1]);
  ASSERT_TRUE(Open());
  store_->RunMaintenance();  // meets the damage
  EXPECT_EQ(store_->counters().merges, 0u);
  EXPECT_EQ(store_->damage().parts(), 1u);
  clock_.Advance(std::chrono::minutes(2));
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().merges, 1u);
  EXPECT_EQ(Stats().parts, 2u);
}

TEST_F(MergeTest, FewerPartsAreMergedThanMemoryHolds) {
  ASSERT_TRUE(Open());
  for (uint64_t seed = 1; seed <= 3; ++seed) WritePartOf(Batch(seed, 200));
  store_.reset();
  // Two of them fit.
  options_.merge.max_memory_bytes = 2 * Batch(1, 200)->MemoryBytes() + 30'000;
  ASSERT_TRUE(Open());
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().merged_parts, 2u);
  EXPECT_EQ(Stored(), Described({Batch(1, 200), Batch(2, 200), Batch(3, 200)}));
}

TEST_F(MergeTest, ClosingEndsAMergeAtOnceAndLosesNothing) {
  ThreadPool commit("commit", 1);
  ThreadPool background("background", 1);
  ThreadPool upkeep("upkeep", 1);
  options_.merge.bytes_per_second = 1;  // hours
  options_.wal.sync = WalSync::kNone;
  options_.limits.retention =
      std::chrono::seconds(0);  // the real clock is later
  auto opened = ColumnarStore::Open(options_, Fs::Real(), Clock::System(),
                                    {commit, background, upkeep});
  ASSERT_TRUE(opened);
  store_ = *std::move(opened);
  for (uint64_t seed = 1; seed <= 3; ++seed) WritePartOf(Batch(seed));
  store_->RunMaintenance();
  EXPECT_TRUE(store_->Close());
  store_.reset();
  EXPECT_THAT(Files(), SizeIs(3));
  ASSERT_TRUE(Open());
  EXPECT_EQ(Stored(), Described({Batch(1), Batch(2), Batch(3)}));
}

class MergeFaultTest : public FaultTest {
 protected:
  MergeFaultTest() {
    options_.merge.min_parts = 2;
    options_.merge.bytes_per_second = 0;
  }
  void Live() override {
    if (!Open()) return;
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      Send(seed);
      (void)store_->Flush();
      if (seed % 2 == 0) store_->RunMaintenance();
    }
    Send(5);
    Send(1);  // what is merged already
    (void)store_->Flush();
  }
};

TEST_F(MergeFaultTest, AnyOneFailedCallLosesNothing) {
  ForEveryCall({}, false);
}
TEST_F(MergeFaultTest, AnyOneFailedCallAndAPowerCutLoseNothing) {
  ForEveryCall({}, true);
}
TEST_F(MergeFaultTest, DiskThatDiesAndAPowerCutLoseNothing) {
  ForEveryCall({.all_afterwards = true}, true);
}
TEST_F(MergeFaultTest, DiskThatDiesLosesNothing) {
  ForEveryCall({.all_afterwards = true}, false);
}
TEST_F(MergeFaultTest, TornAppendAndAPowerCutLoseNothing) {
  ForEveryCall({.tear_append = true}, true);
}

}  // namespace
}  // namespace khtrace::storage::columnar
