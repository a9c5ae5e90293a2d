// SPDX-License-Identifier: Apache-2.0
// What the contract of storage/trace_store.h does not say: durability under
// faults, budgets, retention, and the directory. The contract itself is
// tested in tests/conformance.
#include "storage/columnar/columnar_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <set>
#include <thread>

#include "base/faulty_fs.h"
#include "base/temp_dir.h"
#include "model/testing.h"
#include "storage/columnar/data_directory.h"
#include "storage/columnar/wal_format.h"

namespace khtrace::storage::columnar {
namespace {

using model::SpanBatchPtr;
using testing::HasSubstr;
using testing::IsEmpty;

const UnixNanos kNow = model::RandomBatchOptions().start;

SpanBatchPtr Batch(uint64_t seed, uint32_t spans = 6) {
  return std::make_shared<const model::SpanBatch>(model::RandomBatchForTesting(
      seed, {.span_count = spans, .trace_count = 4}));
}

class ColumnarStoreTest : public testing::Test {
 protected:
  ColumnarStoreTest() {
    options_.data_dir = dir_.File("data");
    options_.background_thread = false;
  }

  Status Open() {
    auto store =
        ColumnarStore::Open(options_, *fs_, clock_, {inline_, inline_});
    if (!store) return std::move(store).error();
    store_ = *std::move(store);
    return {};
  }
  Status Write(const SpanBatchPtr& batch, const std::string& tenant = "t") {
    std::promise<Status> answer;
    RequestContext context;
    context.tenant = tenant;
    store_->Write(context, batch,
                  [&](Status status) { answer.set_value(std::move(status)); });
    return answer.get_future().get();
  }
  // Every stored span of tenant "t", described; duplicates would show.
  std::multiset<std::string> Stored() {
    RequestContext context;
    context.tenant = "t";
    std::multiset<std::string> spans;
    auto found = store_->FindTraces(context, {.limit = 100000});
    if (!found) return {found.error().message};
    for (const TraceMatch& match : found->matches) {
      auto trace = store_->GetTrace(context, match.trace_id);
      if (!trace) return {trace.error().message};
      for (model::RowIndex row = 0; row < (*trace)->row_count(); ++row) {
        spans.insert(DescribeSpan(**trace, row));
      }
    }
    return spans;
  }
  static std::multiset<std::string> Described(
      const std::vector<SpanBatchPtr>& batches) {
    std::multiset<std::string> spans;
    for (const SpanBatchPtr& batch : batches) {
      for (model::RowIndex row = 0; row < batch->row_count(); ++row) {
        spans.insert(DescribeSpan(*batch, row));
      }
    }
    return spans;
  }

  TempDirForTesting dir_;
  Fs* fs_ = &Fs::Real();
  FakeClock clock_{kNow};
  InlineExecutor inline_;
  StoreOptions options_;
  std::unique_ptr<ColumnarStore> store_;
};

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

TEST_F(ColumnarStoreTest, OldHeadIsFlushedByMaintenance) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().flushes, 0u);
  clock_.Advance(options_.head_max_age);
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().flushes, 1u);
}

TEST_F(ColumnarStoreTest, RetentionDropsPartsByAge) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  ASSERT_TRUE(store_->Flush());
  store_->RunMaintenance();
  EXPECT_EQ(Stored(), Described({Batch(1)}));
  clock_.Advance(options_.retention + std::chrono::minutes(2));
  store_->RunMaintenance();
  EXPECT_THAT(Stored(), IsEmpty());
  EXPECT_EQ(store_->counters().parts_dropped, 1u);
  ASSERT_TRUE(Write(Batch(2)));
  store_.reset();
  ASSERT_TRUE(Open());
  EXPECT_EQ(Stored(), Described({Batch(2)}));
}

TEST_F(ColumnarStoreTest, RetentionByBytesDropsTheOldestPart) {
  options_.retention_max_bytes = 1;
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  ASSERT_TRUE(store_->Flush());
  store_->RunMaintenance();
  EXPECT_THAT(Stored(), IsEmpty());
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

// A small life of a store: writes, a flush, more writes, retention, a close.
// Which batches were acknowledged is written down as it happens.
class FaultTest : public ColumnarStoreTest {
 protected:
  FaultTest() { fs_ = &faulty_; }
  ~FaultTest() override { store_.reset(); }  // before its file system

  void Live() {
    if (!Open()) return;
    Send(1);
    Send(2);
    (void)store_->Flush();
    Send(3);
    store_->RunMaintenance();
    Send(4);
    Send(5);
    (void)store_->Flush();
    Send(6);
  }
  void Send(uint64_t seed) {
    if (Write(Batch(seed))) {
      acknowledged_.push_back(Batch(seed));
    } else {
      // A sender tries again, once.
      if (Write(Batch(seed))) acknowledged_.push_back(Batch(seed));
    }
    sent_.push_back(Batch(seed));
  }
  // Acknowledged spans are there exactly once; what is more was at least
  // sent, and is not there twice.
  void ExpectKept() {
    const auto stored = Stored();
    const auto sent = Described(sent_);
    for (const std::string& span : Described(acknowledged_)) {
      ASSERT_EQ(stored.count(span), 1u) << span;
    }
    for (const std::string& span : stored) {
      ASSERT_EQ(stored.count(span), 1u) << span;
      ASSERT_EQ(sent.count(span), 1u) << span;
    }
  }
  uint64_t CallsOfAWholeLife() {
    FaultyFs fs(Fs::Real());
    fs_ = &fs;
    options_.data_dir = dir_.File("dry-run");
    Live();
    EXPECT_EQ(acknowledged_.size(), 6u);
    (void)store_->Close();
    store_.reset();
    const uint64_t calls = fs.mutating_calls();
    acknowledged_.clear();
    sent_.clear();
    fs_ = &faulty_;
    return calls;
  }
  // One life with `fault`, then a power cut or a kill, then another life.
  void LiveThrough(const Fault& fault, bool power_cut) {
    options_.data_dir =
        dir_.File("run" + std::to_string(fault.at_call) +
                  (fault.all_afterwards ? "a" : "") +
                  (fault.tear_append ? "t" : "") + (power_cut ? "p" : ""));
    acknowledged_.clear();
    sent_.clear();
    Fault relative = fault;
    relative.at_call += faulty_.mutating_calls();
    faulty_.InjectFault(relative);
    Live();
    if (store_) ExpectKept();
    if (HasFatalFailure()) return;
    Kill();
    if (power_cut) {
      ASSERT_TRUE(faulty_.DropUnsynced());
    }
    faulty_.ClearFault();
    const Status opened = Open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(store_->counters().wal_damage, 0u);
    ExpectKept();
    if (HasFatalFailure()) return;
    Send(7);
    store_.reset();
    ASSERT_TRUE(Open());
    ExpectKept();
    store_.reset();
  }
  // What the store's destructor would still write does not reach the disk.
  void Kill() {
    faulty_.InjectFault(
        {.at_call = faulty_.mutating_calls() + 1, .all_afterwards = true});
    store_.reset();
  }
  void ForEveryCall(Fault fault, bool power_cut) {
    const uint64_t calls = CallsOfAWholeLife();
    ASSERT_GT(calls, 20u);
    for (uint64_t n = 1; n <= calls; ++n) {
      SCOPED_TRACE(testing::Message() << "fault at call " << n);
      fault.at_call = n;
      LiveThrough(fault, power_cut);
      if (HasFatalFailure()) return;
    }
  }

  FaultyFs faulty_{Fs::Real()};
  std::vector<SpanBatchPtr> acknowledged_;
  std::vector<SpanBatchPtr> sent_;
};

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

TEST_F(FaultTest, FullDiskRefusesWritesAnswersQueriesAndHeals) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  store_.reset();
  faulty_.InjectFault({.at_call = faulty_.mutating_calls() + 1,
                       .code = Code::kResourceExhausted,
                       .all_afterwards = true});
  ASSERT_TRUE(Open());
  EXPECT_EQ(Write(Batch(2)).error().code, Code::kResourceExhausted);
  EXPECT_EQ(Stored(), Described({Batch(1)}));
  faulty_.ClearFault();
  EXPECT_TRUE(Write(Batch(2)));
  EXPECT_EQ(Stored(), Described({Batch(1), Batch(2)}));
}

TEST_F(ColumnarStoreTest, ConcurrentWritesQueriesAndFlushesAgree) {
  ThreadPool commit("commit", 1);
  ThreadPool background("background", 1);
  options_.wal.sync = WalSync::kNone;
  options_.background_thread = true;
  options_.retention = std::chrono::seconds(0);  // the real clock is later
  auto opened = ColumnarStore::Open(options_, Fs::Real(), Clock::System(),
                                    {commit, background});
  ASSERT_TRUE(opened);
  store_ = *std::move(opened);
  constexpr uint64_t kWriters = 2;
  constexpr uint64_t kBatches = 20;
  std::vector<std::thread> threads;
  for (uint64_t w = 0; w < kWriters; ++w) {
    threads.emplace_back([this, w] {
      for (uint64_t i = 0; i < kBatches; ++i) {
        ASSERT_TRUE(Write(Batch(1 + w * kBatches + i)));
      }
    });
  }
  threads.emplace_back([this] {
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(store_->Flush());
  });
  threads.emplace_back([this] {
    for (int i = 0; i < 5; ++i) {
      for (const std::string& span : Stored()) {
        ASSERT_THAT(span, testing::StartsWith("span "));
      }
    }
  });
  for (std::thread& thread : threads) thread.join();
  std::vector<SpanBatchPtr> sent;
  for (uint64_t seed = 1; seed <= kWriters * kBatches; ++seed) {
    sent.push_back(Batch(seed));
  }
  EXPECT_EQ(Stored(), Described(sent));
  EXPECT_TRUE(store_->Close());
  store_.reset();
}

}  // namespace
}  // namespace khtrace::storage::columnar
