// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/wal_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/faulty_fs.h"
#include "base/temp_dir.h"
#include "model/testing.h"
#include "storage/columnar/wal_reader.h"

namespace khtrace::storage::columnar {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Keeps work until it is told to run it.
class ManualExecutor : public Executor {
 public:
  void Post(std::function<void()> work) override {
    work_.push_back(std::move(work));
  }
  void RunAll() {
    while (!work_.empty()) {
      auto work = std::move(work_.front());
      work_.pop_front();
      work();
    }
  }

 private:
  std::deque<std::function<void()>> work_;
};

class WalWriterTest : public testing::Test {
 protected:
  void Open() {
    auto replay = Replay();
    ASSERT_TRUE(replay) << replay.error().message;
    writer_ = std::make_unique<WalWriter>(fs_, inline_, dir_.path(), options_,
                                          *replay, counters_);
  }
  void Reopen() {
    (void)writer_->Close();
    writer_.reset();
    Open();
  }
  static WalFrame Frame(uint64_t seed) {
    return *EncodeWalFrame(
        model::RandomBatchForTesting(seed, {.span_count = 5}));
  }
  Result<uint64_t> Append(uint64_t seed) {
    Result<uint64_t> answer = Error{Code::kInternal, "no answer"};
    writer_->Append(Frame(seed), [&](Result<uint64_t> sequence) {
      answer = std::move(sequence);
    });
    return answer;
  }
  Result<WalReplay> Replay(uint64_t after = 0) {
    seen_.clear();
    return ReplayWal(fs_, dir_.path(), after,
                     [this](uint64_t sequence, model::SpanBatchPtr) -> Status {
                       seen_.push_back(sequence);
                       return {};
                     });
  }

  TempDirForTesting dir_;
  FaultyFs fs_{Fs::Real()};
  InlineExecutor inline_;
  WalOptions options_;
  WalCounters counters_;
  std::unique_ptr<WalWriter> writer_;
  std::vector<uint64_t> seen_;
};

TEST_F(WalWriterTest, FramesComeBackInOrderAfterReopening) {
  Open();
  EXPECT_EQ(*Append(1), 1u);
  EXPECT_EQ(*Append(2), 2u);
  Reopen();
  EXPECT_EQ(*Append(3), 3u);
  ASSERT_TRUE(Replay());
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3));
  ASSERT_TRUE(Replay(2));
  EXPECT_THAT(seen_, ElementsAre(3));
}

TEST_F(WalWriterTest, FramesThatWaitShareOneSync) {
  ManualExecutor manual;
  WalWriter writer(fs_, manual, dir_.path(), options_, *Replay(), counters_);
  int done = 0;
  for (uint64_t i = 1; i <= 10; ++i) {
    writer.Append(Frame(i), [&](Result<uint64_t> sequence) {
      EXPECT_TRUE(sequence);
      ++done;
    });
  }
  EXPECT_EQ(done, 0);
  manual.RunAll();
  EXPECT_EQ(done, 10);
  EXPECT_EQ(counters_.syncs, 1u);
  EXPECT_TRUE(writer.Close());
}

TEST_F(WalWriterTest, FullQueueRefusesAndNamesTheLimit) {
  ManualExecutor manual;
  options_.queue_bytes = 1;
  WalWriter writer(fs_, manual, dir_.path(), options_, *Replay(), counters_);
  writer.Append(Frame(1), [](Result<uint64_t> s) { EXPECT_TRUE(s); });
  std::optional<Error> refused;
  writer.Append(Frame(2), [&](Result<uint64_t> sequence) {
    ASSERT_FALSE(sequence);
    refused = sequence.error();
  });
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Code::kResourceExhausted);
  EXPECT_THAT(refused->message, testing::HasSubstr("limit 1"));
  manual.RunAll();
  EXPECT_TRUE(writer.Close());
}

TEST_F(WalWriterTest, SegmentsEndAtTheirSizeAndGoWithTruncate) {
  options_.segment_bytes = 1;
  Open();
  for (uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(Append(i));
  EXPECT_EQ(fs_.List(dir_.path())->size(), 4u);
  writer_->Truncate(3);
  EXPECT_THAT(*fs_.List(dir_.path()), ElementsAre(WalFileName(4)));
  writer_->Truncate(4);
  EXPECT_THAT(*fs_.List(dir_.path()), IsEmpty());
  EXPECT_EQ(writer_->bytes(), 0u);
  EXPECT_EQ(*Append(5), 5u);
}

TEST_F(WalWriterTest, FailedSyncIsRefusedAndDoesNotComeBack) {
  Open();
  ASSERT_TRUE(Append(1));
  fs_.InjectFault({.at_call = fs_.mutating_calls() + 2});  // append, sync
  auto refused = Append(2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_EQ(*Append(3), 2u);
  auto replay = Replay();
  ASSERT_TRUE(replay);
  EXPECT_THAT(seen_, ElementsAre(1, 2));
  EXPECT_THAT(replay->damage, IsEmpty());
  EXPECT_EQ(replay->segments.size(), 2u);
}

TEST_F(WalWriterTest, FullDiskIsRefusedAsSuchAndHealsByItself) {
  Open();
  ASSERT_TRUE(Append(1));
  fs_.InjectFault({.at_call = fs_.mutating_calls() + 1,
                   .code = Code::kResourceExhausted,
                   .all_afterwards = true,
                   .tear_append = true});
  EXPECT_EQ(Append(2).error().code, Code::kResourceExhausted);
  EXPECT_EQ(Append(3).error().code, Code::kResourceExhausted);
  fs_.ClearFault();
  EXPECT_EQ(*Append(4), 2u);
  auto replay = Replay();
  ASSERT_TRUE(replay);
  EXPECT_THAT(seen_, ElementsAre(1, 2));
  EXPECT_THAT(replay->damage, IsEmpty());
}

TEST_F(WalWriterTest, AppendAfterCloseIsRefused) {
  Open();
  ASSERT_TRUE(writer_->Close());
  EXPECT_EQ(Append(1).error().code, Code::kFailedPrecondition);
}

}  // namespace
}  // namespace khtrace::storage::columnar
