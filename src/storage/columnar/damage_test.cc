// SPDX-License-Identifier: Apache-2.0
// A flipped byte: found by the scrub, named, counted, and no more lost than
// what it lies in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>

#include "storage/columnar/columnar_store_testing.h"
#include "storage/columnar/part_testing.h"

namespace khtrace::storage::columnar {
namespace {

using model::SpanBatchPtr;
using model::TraceId;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kPath = "dir/a.part";

// The row group that damage of this message costs; nullopt: more than one.
std::optional<size_t> GroupOf(const std::string& message) {
  static const std::regex pattern(
      "column (span|event|link|trace)\\.[^:]*, row group ([0-9]+): (filter: )?"
      "corrupt.*");
  std::smatch match;
  const size_t at = message.find("column ");
  if (at == std::string::npos) return std::nullopt;
  const std::string tail = message.substr(at);
  if (!std::regex_match(tail, match, pattern)) return std::nullopt;
  return std::stoul(match[2]);
}

class DamagedPart : public testing::Test {
 protected:
  DamagedPart() {
    model::RandomBatchOptions random;
    random.span_count = 120;
    random.trace_count = 30;
    batch_ = std::make_shared<const model::SpanBatch>(
        model::RandomBatchForTesting(3, random));
    const std::vector<SpanBatchPtr> batches = {batch_};
    PartWriteOptions options;
    options.row_group_spans = 30;
    EXPECT_TRUE(WritePart(fs_, kPath, batches, {}, options));
    good_ = fs_.files[kPath];
    const auto part = *Part::Open(fs_, kPath);
    size_t group = 0;
    uint32_t spans = 0;
    // As the writer fills row groups.
    EXPECT_TRUE(part->ForEachTrace({}, [&](const TraceId& id, UnixNanos) {
      const uint32_t own = (*part->GetTrace({}, id))->row_count();
      if (spans > 0 && spans + own > options.row_group_spans) {
        ++group;
        spans = 0;
      }
      spans += own;
      groups_[id] = group;
    }));
    EXPECT_GT(group, 2u);
  }

  BytesFsForTesting fs_;
  SpanBatchPtr batch_;
  std::string good_;
  std::map<TraceId, size_t> groups_;
};

TEST_F(DamagedPart, CostsOneRowGroupOrNothingElse) {
  int in_one_group = 0;
  for (size_t i = 8; i < good_.size(); i += 41) {
    fs_.files[kPath] = good_;
    fs_.files[kPath][i] ^= 0x10;
    const auto part = Part::Open(fs_, kPath);
    if (!part) continue;  // footer or trailer
    ScrubProgress progress;
    std::vector<Error> damage;
    (*part)->Scrub(UINT64_MAX, &progress, &damage);
    ASSERT_THAT(damage, SizeIs(1)) << i;
    EXPECT_TRUE(progress.done);
    const std::string& message = damage[0].message;
    ASSERT_TRUE(message.starts_with(kPath)) << message;
    const std::optional<size_t> lost = GroupOf(message);
    const bool index = message.find("trace index") != std::string::npos;
    in_one_group += lost.has_value();
    if (!lost && !index) continue;
    for (const auto& [id, group] : groups_) {
      const auto trace = (*part)->GetTrace({}, id);
      if (lost && group == *lost) continue;
      ASSERT_TRUE(trace) << message << " costs a trace of group " << group
                         << ": " << trace.error().message;
      ASSERT_NE(*trace, nullptr);
    }
    const std::set<TraceId> found = TracesInFramesForTesting(**part);
    for (const auto& [id, group] : groups_) {
      if (lost && group == *lost) continue;
      ASSERT_TRUE(found.contains(id)) << message;
    }
    std::set<TraceId> visited;
    (void)(*part)->ForEachBatch({}, [&](const SpanBatchPtr& batch) -> Status {
      visited.insert(batch->spans().trace_id.begin(),
                     batch->spans().trace_id.end());
      return {};
    });
    for (const auto& [id, group] : groups_) {
      if (lost && group == *lost) continue;
      ASSERT_TRUE(visited.contains(id)) << message;
    }
  }
  EXPECT_GT(in_one_group, 50);
}

TEST_F(DamagedPart, MissingTraceStaysMissingWithoutTheIndex) {
  // It lies near the end.
  for (size_t i = good_.size() - 1; i > 8; i -= 7) {
    fs_.files[kPath] = good_;
    fs_.files[kPath][i] ^= 1;
    const auto part = Part::Open(fs_, kPath);
    if (!part) continue;
    ScrubProgress progress;
    std::vector<Error> damage;
    (*part)->Scrub(UINT64_MAX, &progress, &damage);
    if (damage[0].message.find("trace index") == std::string::npos) continue;
    const auto trace = (*part)->GetTrace({}, {1, 2});
    ASSERT_TRUE(trace) << trace.error().message;
    EXPECT_EQ(*trace, nullptr);
    return;
  }
  FAIL() << "no trace index";
}

TEST_F(DamagedPart, ScrubGoesOnWhereItStopped) {
  const auto part = *Part::Open(fs_, kPath);
  ScrubProgress progress;
  std::vector<Error> damage;
  size_t steps = 0;
  for (; !progress.done; ++steps) {
    const uint64_t before = progress.bytes;
    part->Scrub(100, &progress, &damage);
    EXPECT_TRUE(progress.bytes > before || progress.done);
    ASSERT_LT(steps, good_.size());
  }
  EXPECT_GT(steps, 5u);
  EXPECT_THAT(damage, IsEmpty());
}

class ScrubTest : public ColumnarStoreTest {
 protected:
  ScrubTest() {
    options_.merge.max_spans = 0;
    options_.scrub_bytes_per_second = 1 << 20;
  }
  std::string PartPath(size_t i) {
    const std::string dir = options_.data_dir + "/tenants/t/parts/";
    return dir + (*Fs::Real().List(dir))[i];
  }
  // Through the same file, as a failing disk would.
  void Flip(const std::string& path, size_t at) {
    std::FILE* file = std::fopen(path.c_str(), "r+b");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(std::fseek(file, static_cast<long>(at), SEEK_SET), 0);
    const int byte = std::fgetc(file);
    ASSERT_EQ(std::fseek(file, static_cast<long>(at), SEEK_SET), 0);
    ASSERT_NE(std::fputc(byte ^ 1, file), EOF);
    ASSERT_EQ(std::fclose(file), 0);
  }
  void OpenWithTwoParts() {
    ASSERT_TRUE(Open());
    for (uint64_t seed = 1; seed <= 2; ++seed) {
      ASSERT_TRUE(Write(Batch(seed)));
      ASSERT_TRUE(store_->Flush());
    }
  }
  void Scrub() {
    clock_.Advance(options_.scrub_interval);
    for (int i = 0; i < 3; ++i) {
      store_->RunMaintenance();
      clock_.Advance(std::chrono::seconds(1));
    }
  }
};

TEST_F(ScrubTest, EveryPartIsReadOnceAnInterval) {
  OpenWithTwoParts();
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().scrubbed_parts, 0u);
  Scrub();
  EXPECT_EQ(store_->counters().scrubbed_parts, 2u);
  EXPECT_EQ(store_->counters().scrub_rounds, 1u);
  Scrub();
  EXPECT_EQ(store_->counters().scrubbed_parts, 4u);
  EXPECT_EQ(store_->damage().places(), 0u);
}

TEST_F(ScrubTest, RateIsKept) {
  options_.scrub_bytes_per_second = 500;
  OpenWithTwoParts();
  clock_.Advance(options_.scrub_interval);
  store_->RunMaintenance();
  uint64_t last = store_->counters().scrubbed_bytes;
  while (store_->counters().scrub_rounds == 0) {
    clock_.Advance(std::chrono::seconds(1));
    store_->RunMaintenance();
    const uint64_t bytes = store_->counters().scrubbed_bytes;
    ASSERT_LT(bytes - last, 500 + 4096u);  // a page more
    last = bytes;
  }
  EXPECT_GT(last, 5000u);
}

TEST_F(ScrubTest, CorruptPageIsNamedCountedAndContained) {
  OpenWithTwoParts();
  EXPECT_EQ(Stored(), Described({Batch(1), Batch(2)}));
  Flip(PartPath(0), 12);
  Scrub();
  EXPECT_EQ(store_->damage().places(), 1u);
  EXPECT_EQ(store_->damage().parts(), 1u);
  Scrub();
  EXPECT_EQ(store_->damage().places(), 1u);  // the same
  RequestContext context;
  context.tenant = "t";
  const auto found = StoredTraceIdsForTesting(*store_, context);
  ASSERT_TRUE(found) << found.error().message;
  const auto ids = Batch(2)->spans().trace_id;
  for (const TraceId& id : ids) EXPECT_TRUE(store_->GetTrace(context, id));
  // It goes with its part.
  clock_.Advance(options_.limits.retention + std::chrono::hours(1));
  store_->RunMaintenance();
  EXPECT_EQ(store_->damage().parts(), 0u);
}

// Every byte of a part, and every question: answers hold what is readable,
// and whatever is missing was counted.
TEST_F(ScrubTest, FlippedByteNeverFailsAQuestionThatAnotherPartAnswers) {
  OpenWithTwoParts();
  RequestContext context;
  context.tenant = "t";
  const auto services = *store_->Services(context);
  const auto all = *StoredTraceIdsForTesting(*store_, context);
  const auto edges =
      store_->Dependencies(context, {}, UnixNanos::Max())->size();
  const auto second = Batch(2)->spans().trace_id;
  store_.reset();
  const std::string path = PartPath(0);
  const size_t size = *Fs::Real().FileSize(path);
  for (size_t at = 0; at < size; at += 37) {
    SCOPED_TRACE(at);
    Flip(path, at);
    ASSERT_TRUE(Open());
    const auto found = StoredTraceIdsForTesting(*store_, context);
    ASSERT_TRUE(found) << found.error().message;
    for (const TraceId& id : second) {
      ASSERT_TRUE(store_->GetTrace(context, id));
    }
    size_t read = 0;
    for (const TraceId& id : all) {
      read += store_->GetTrace(context, id).has_value();
    }
    const auto named = store_->Services(context);
    ASSERT_TRUE(named) << named.error().message;
    const auto joined = store_->Dependencies(context, {}, UnixNanos::Max());
    const bool short_answer = read < all.size() || found->size() < all.size() ||
                              named->size() < services.size() ||
                              (joined && joined->size() < edges);
    const bool counted = store_->damage().encounters() > 0 ||
                         store_->counters().parts_unreadable > 0;
    EXPECT_TRUE(counted || !short_answer);
    if (!joined) {
      EXPECT_EQ(joined.error().code, Code::kDataLoss);
      EXPECT_TRUE(counted);
    }
    store_.reset();
    Flip(path, at);
  }
}

}  // namespace
}  // namespace khtrace::storage::columnar
