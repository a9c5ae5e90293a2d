// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/faulty_fs.h"
#include "base/temp_dir.h"
#include "model/testing.h"
#include "storage/columnar/columnar_store.h"
#include "storage/testing.h"

// A store on a temporary directory, and lives of it that faults interrupt.

namespace khtrace::storage::columnar {

inline const UnixNanos kNow = model::RandomBatchOptions().start;

inline model::SpanBatchPtr Batch(uint64_t seed, uint32_t spans = 6) {
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
    auto store = ColumnarStore::Open(options_, *fs_, clock_,
                                     {inline_, inline_, inline_});
    if (!store) return std::move(store).error();
    store_ = *std::move(store);
    return {};
  }
  Status Write(const model::SpanBatchPtr& batch,
               const std::string& tenant = "t") {
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
    auto found = StoredTraceIdsForTesting(*store_, context);
    if (!found) return {found.error().message};
    for (const model::TraceId& id : *found) {
      auto trace = store_->GetTrace(context, id);
      if (!trace) return {trace.error().message};
      for (model::RowIndex row = 0; row < (*trace)->row_count(); ++row) {
        spans.insert(DescribeSpan(**trace, row));
      }
    }
    return spans;
  }
  static std::multiset<std::string> Described(
      const std::vector<model::SpanBatchPtr>& batches) {
    std::multiset<std::string> spans;
    for (const model::SpanBatchPtr& batch : batches) {
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

// A small life of a store: writes, a flush, more writes, retention, a close;
// others override Live(). Which batches were acknowledged is written down as
// it happens.
class FaultTest : public ColumnarStoreTest {
 protected:
  FaultTest() { fs_ = &faulty_; }
  ~FaultTest() override { store_.reset(); }  // before its file system

  virtual void Live() {
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
  // A sender that is refused tries again, once.
  void Send(uint64_t seed) {
    if (Write(Batch(seed)) || Write(Batch(seed))) acknowledged_.insert(seed);
    sent_.insert(seed);
  }
  // Acknowledged spans are there exactly once; what is more was at least
  // sent, and is not there twice.
  void ExpectKept() {
    const auto stored = Stored();
    const auto sent = Described(BatchesOf(sent_));
    for (const std::string& span : Described(BatchesOf(acknowledged_))) {
      ASSERT_EQ(stored.count(span), 1u) << span;
    }
    for (const std::string& span : stored) {
      ASSERT_EQ(stored.count(span), 1u) << span;
      ASSERT_EQ(sent.count(span), 1u) << span;
    }
  }
  static std::vector<model::SpanBatchPtr> BatchesOf(
      const std::set<uint64_t>& seeds) {
    std::vector<model::SpanBatchPtr> batches;
    for (const uint64_t seed : seeds) batches.push_back(Batch(seed));
    return batches;
  }
  uint64_t CallsOfAWholeLife() {
    FaultyFs fs(Fs::Real());
    fs_ = &fs;
    options_.data_dir = dir_.File("dry-run");
    Live();
    EXPECT_EQ(acknowledged_.size(), sent_.size());
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
  std::set<uint64_t> acknowledged_;  // seeds
  std::set<uint64_t> sent_;
};

}  // namespace khtrace::storage::columnar
