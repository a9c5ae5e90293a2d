// SPDX-License-Identifier: Apache-2.0
// What the contract of storage/trace_store.h does not say: durability under
// faults, budgets, retention, and the directory. The contract itself is
// tested in tests/conformance.
#include "storage/columnar/columnar_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "storage/columnar/columnar_store_testing.h"
#include "storage/columnar/data_directory.h"
#include "storage/columnar/wal_format.h"

namespace khtrace::storage::columnar {
namespace {

using model::SpanBatchPtr;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(ColumnarStoreTest, CrashWithoutCloseLosesNothing) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  ASSERT_TRUE(store_->Flush());
  ASSERT_TRUE(Write(Batch(2)));
  // The files as a killed process would leave them.
  const std::string copy = dir_.File("copy");
  ASSERT_EQ(std::system(("cp -r " + options_.data_dir + " " + copy).c_str()),
            0);
  options_.data_dir = copy;
  ASSERT_TRUE(Open());
  EXPECT_EQ(Stored(), Described({Batch(1), Batch(2)}));
  EXPECT_EQ(store_->counters().recovered_spans, 6u);
}

TEST_F(ColumnarStoreTest, FlushMovesSpansToAPartAndEmptiesTheLog) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  RequestContext context;
  context.tenant = "t";
  EXPECT_EQ(store_->Stats(context)->parts, 0u);
  EXPECT_GT(store_->Stats(context)->wal_bytes, 0u);
  ASSERT_TRUE(store_->Flush());
  EXPECT_EQ(store_->Stats(context)->parts, 1u);
  EXPECT_EQ(store_->Stats(context)->wal_bytes, 0u);
  EXPECT_EQ(store_->Stats(context)->head_spans, 0u);
  EXPECT_EQ(store_->counters().head_bytes, 0u);
  EXPECT_EQ(Stored(), Described({Batch(1)}));
}

TEST_F(ColumnarStoreTest, FullHeadIsFlushedByItself) {
  options_.head_max_bytes = 16 << 20;
  ASSERT_TRUE(Open());
  for (uint64_t seed = 1; store_->counters().flushes == 0; ++seed) {
    ASSERT_LT(seed, 1000u);
    ASSERT_TRUE(Write(Batch(seed, 2000)));
  }
  EXPECT_LT(store_->counters().head_bytes, options_.head_max_bytes);
}

// Keeps what is posted until it is told to run it.
class HeldExecutor : public Executor {
 public:
  void Post(std::function<void()> work) override {
    work_.push_back(std::move(work));
  }
  void RunAll() {
    for (auto& work : std::exchange(work_, {})) work();
  }

 private:
  std::vector<std::function<void()>> work_;
};

TEST_F(ColumnarStoreTest, TenantAtItsMemoryLimitIsRefusedAndOthersAreNot) {
  options_.tenants["a"].max_memory_bytes = 32 << 20;
  HeldExecutor background;
  auto store = ColumnarStore::Open(options_, *fs_, clock_,
                                   {inline_, background, inline_});
  ASSERT_TRUE(store);
  store_ = *std::move(store);
  Status status;
  for (uint64_t seed = 1; status; ++seed) {
    ASSERT_LT(seed, 1000u);
    status = Write(Batch(seed, 2000), "a");
  }
  EXPECT_EQ(status.error().code, Code::kResourceExhausted);
  EXPECT_THAT(status.error().message, HasSubstr("its limit is 33554432"));
  EXPECT_LE(store_->counters().head_bytes, uint64_t{32} << 20);
  EXPECT_TRUE(Write(Batch(1, 2000), "b"));
  background.RunAll();
  EXPECT_TRUE(Write(Batch(1, 2000), "a"));
  EXPECT_EQ(store_->counters().flushes, 1u);
  background.RunAll();  // Close() waits for what was started
  store_.reset();
}

TEST_F(ColumnarStoreTest, LimitsThatCannotBeAreRefused) {
  options_.tenants["a"].max_memory_bytes = 1000;
  EXPECT_THAT(Open().error().message,
              HasSubstr("max_memory_bytes of tenant \"a\" is 1000, at least "
                        "33554432"));
  options_.tenants = {{"a/b", {}}};
  EXPECT_THAT(Open().error().message, HasSubstr("a/b"));
}

TEST_F(ColumnarStoreTest, OldHeadIsFlushedByMaintenance) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().flushes, 0u);
  clock_.Advance(options_.head_max_age);
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().flushes, 1u);
}

TEST_F(ColumnarStoreTest, OldHeadWaitsForAPauseButNotForLong) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  clock_.Advance(options_.head_max_age - std::chrono::seconds(5));
  ASSERT_TRUE(Write(Batch(2)));
  clock_.Advance(std::chrono::seconds(9));
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().flushes, 0u);
  clock_.Advance(std::chrono::seconds(1));
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().flushes, 1u);

  ASSERT_TRUE(Write(Batch(3)));
  clock_.Advance(options_.head_max_age);
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(Write(Batch(4)));  // a trace that does not end
    store_->RunMaintenance();
    EXPECT_EQ(store_->counters().flushes, 1u);
    clock_.Advance(std::chrono::seconds(5));
  }
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().flushes, 2u);
}

TEST_F(ColumnarStoreTest, TooManyTenantsAreRefused) {
  options_.max_tenants = 1;
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1), "a"));
  const Status refused = Write(Batch(1), "b");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_THAT(refused.error().message, HasSubstr("limit 1"));
}

TEST_F(ColumnarStoreTest, UnrelatedDirectoryIsRefusedAndLeftAlone) {
  ASSERT_TRUE(Fs::Real().MakeDirs(options_.data_dir));
  const std::string file = options_.data_dir + "/photo.jpg";
  ASSERT_TRUE(WriteFileAtomically(Fs::Real(), file, "x"));
  const Status opened = Open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(opened.error().message, HasSubstr("photo.jpg"));
  EXPECT_EQ(Fs::Real().List(options_.data_dir)->size(), 1u);
}

TEST_F(ColumnarStoreTest, NewerDirectoryIsRefusedByVersion) {
  ASSERT_TRUE(Open());
  store_.reset();
  ASSERT_TRUE(WriteFileAtomically(Fs::Real(), options_.data_dir + "/FORMAT",
                                  "khtrace-data 2\n"));
  const Status opened = Open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kUnimplemented);
  EXPECT_THAT(opened.error().message, HasSubstr("version 2"));
}

TEST_F(ColumnarStoreTest, VerifyNamesAFlippedByte) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  ASSERT_TRUE(store_->Flush());
  ASSERT_TRUE(Write(Batch(2)));
  auto report = VerifyDirectory(Fs::Real(), options_.data_dir);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->parts, 1u);
  EXPECT_EQ(report->wal_frames, 1u);
  EXPECT_THAT(report->damage, IsEmpty());
  auto inspected = InspectDirectory(Fs::Real(), options_.data_dir);
  ASSERT_TRUE(inspected);
  ASSERT_EQ(inspected->tenants.size(), 1u);
  EXPECT_EQ(inspected->tenants[0].part_spans, 6u);
  EXPECT_EQ(inspected->tenants[0].wal_spans, 6u);
  const std::string part = inspected->tenants[0].parts[0].path;
  std::string bytes = *ReadFile(Fs::Real(), part);
  bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 4);
  ASSERT_TRUE(WriteFileAtomically(Fs::Real(), part, bytes));
  report = VerifyDirectory(Fs::Real(), options_.data_dir);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->damage.size(), 1u);
  EXPECT_EQ(report->damage[0].file, part);
}

TEST_F(FaultTest, AnyOneFailedCallLosesNothing) { ForEveryCall({}, false); }
TEST_F(FaultTest, AnyOneFailedCallAndAPowerCutLoseNothing) {
  ForEveryCall({}, true);
}
TEST_F(FaultTest, DiskThatDiesAndAPowerCutLoseNothing) {
  ForEveryCall({.all_afterwards = true}, true);
}
TEST_F(FaultTest, DiskThatFillsUpInTheMiddleOfAWriteLosesNothing) {
  ForEveryCall({.code = Code::kResourceExhausted,
                .all_afterwards = true,
                .tear_append = true},
               false);
}
TEST_F(FaultTest, TornAppendAndAPowerCutLoseNothing) {
  ForEveryCall({.tear_append = true}, true);
}

// What ThreadSanitizer watches.
class ConcurrencyTest : public ColumnarStoreTest {
 protected:
  static constexpr uint64_t kWriters = 2;
  static constexpr uint64_t kBatches = 20;

  ConcurrencyTest() {
    options_.wal.sync = WalSync::kNone;
    options_.background_thread = true;
    options_.limits.retention =
        std::chrono::seconds(0);  // the real clock is later
    options_.merge.min_parts = 2;
    options_.merge.bytes_per_second = 0;
  }
  ~ConcurrencyTest() override { store_.reset(); }

  // Writes, flushes, queries and maintenance at once, until all is written.
  void RunEverything() {
    auto opened = ColumnarStore::Open(options_, Fs::Real(), Clock::System(),
                                      {commit_, background_, upkeep_});
    ASSERT_TRUE(opened);
    store_ = *std::move(opened);
    std::atomic<uint64_t> writers{kWriters};
    std::vector<std::thread> threads;
    for (uint64_t w = 0; w < kWriters; ++w) {
      threads.emplace_back([this, w, &writers] {
        for (uint64_t i = 0; i < kBatches; ++i) {
          EXPECT_TRUE(Write(Batch(1 + w * kBatches + i)));
          if (i % 4 != 3) continue;
          EXPECT_TRUE(store_->Flush());
        }
        --writers;
      });
    }
    threads.emplace_back([this, &writers] {
      do {
        store_->RunMaintenance();
        std::this_thread::yield();
      } while (writers > 0);
    });
    threads.emplace_back([this, &writers] {
      RequestContext context;
      context.tenant = "t";
      do {
        AskForSpans();
        EXPECT_TRUE(store_->Services(context));
        EXPECT_TRUE(store_->Dependencies(context, {}, UnixNanos::Max()));
        EXPECT_TRUE(store_->Stats(context));
      } while (writers > 0);
    });
    for (std::thread& thread : threads) thread.join();
  }
  virtual void AskForSpans() {
    for (const std::string& span : Stored()) {
      ASSERT_THAT(span, testing::StartsWith("span "));
    }
  }

  ThreadPool commit_{"commit", 1};
  ThreadPool background_{"background", 1};
  ThreadPool upkeep_{"upkeep", 1};
};

TEST_F(ConcurrencyTest, WritesQueriesFlushesAndMergesAgree) {
  RunEverything();
  // On a slow machine the first merge may still be waiting for a thread.
  for (int i = 0; i < 10'000 && store_->counters().merges == 0; ++i) {
    store_->RunMaintenance();
    std::this_thread::yield();
  }
  std::vector<SpanBatchPtr> sent;
  for (uint64_t seed = 1; seed <= kWriters * kBatches; ++seed) {
    sent.push_back(Batch(seed));
  }
  EXPECT_EQ(Stored(), Described(sent));
  EXPECT_TRUE(store_->Close());
  EXPECT_GT(store_->counters().merges, 0u);
  EXPECT_EQ(store_->counters().merge_failures, 0u);
}

// A trace may go between being found and being read.
class ConcurrentRetentionTest : public ConcurrencyTest {
 protected:
  void AskForSpans() override {
    RequestContext context;
    context.tenant = "t";
    ASSERT_TRUE(StoredTraceIdsForTesting(*store_, context));
  }
};

TEST_F(ConcurrentRetentionTest, RetentionBesidesDisturbsNobody) {
  options_.limits.retention_max_bytes = 20'000;
  RunEverything();
  EXPECT_TRUE(store_->Close());
  EXPECT_GT(store_->counters().parts_dropped_by_bytes, 0u);
  EXPECT_EQ(store_->counters().flush_failures, 0u);
  EXPECT_EQ(store_->counters().merge_failures, 0u);
}

}  // namespace
}  // namespace khtrace::storage::columnar
