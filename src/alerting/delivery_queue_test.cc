// SPDX-License-Identifier: Apache-2.0
#include "alerting/delivery_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "alerting/testing.h"

namespace khtrace::alerting {
namespace {

using std::chrono::milliseconds;

class DeliveryQueueTest : public testing::Test {
 protected:
  std::unique_ptr<DeliveryQueue> Open(DeliveryQueue::Options options) {
    options.name = "pager";
    options.first_retry = milliseconds(5);
    return std::make_unique<DeliveryQueue>(
        std::move(options), Clock::System(),
        [this](const OutMessage&, Outcome outcome) {
          ++outcomes_[static_cast<size_t>(outcome)];
        });
  }
  DeliveryQueue::Options To(const ReceiverForTesting& receiver) {
    DeliveryQueue::Options options;
    options.address = *ParseHttpUrl(receiver.url());
    return options;
  }
  static OutMessage Message(const std::string& id) {
    return {.id = id,
            .receiver = "pager",
            .body = "{\"id\":\"" + id + "\"}",
            .created_at = Clock::System().Now(),
            .tenants = {"acme"}};
  }
  void WaitFor(Outcome outcome, int count) {
    for (int i = 0; i < 1000 && Count(outcome) < count; ++i) {
      std::this_thread::sleep_for(milliseconds(10));
    }
    EXPECT_EQ(Count(outcome), count) << OutcomeName(outcome);
  }
  int Count(Outcome outcome) { return outcomes_[static_cast<size_t>(outcome)]; }

  std::array<std::atomic<int>, 4> outcomes_{};
};

TEST_F(DeliveryQueueTest, SendsInOrderWithItsToken) {
  ReceiverForTesting receiver;
  auto options = To(receiver);
  options.bearer = Secret("open sesame");
  const auto queue = Open(std::move(options));
  for (const char* id : {"a", "b", "c"}) queue->PushOrDropOldest(Message(id));
  const auto requests = receiver.WaitFor(3);
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].body, R"({"id":"a"})");
  EXPECT_EQ(requests[2].body, R"({"id":"c"})");
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[0].path, "/hook");
  EXPECT_EQ(requests[0].MediaType(), "application/json");
  EXPECT_EQ(requests[0].headers.Get("Authorization"), "Bearer open sesame");
  WaitFor(Outcome::kDelivered, 3);
}

TEST_F(DeliveryQueueTest, TriesAgainUntilTheReceiverTakesIt) {
  ReceiverForTesting receiver;
  receiver.AnswerWith({503, 429, 500});
  const auto queue = Open(To(receiver));
  queue->PushOrDropOldest(Message("a"));
  WaitFor(Outcome::kDelivered, 1);
  EXPECT_EQ(Count(Outcome::kRetried), 3);
  EXPECT_EQ(queue->waiting(), 0u);
  EXPECT_EQ(queue->last_error("acme"), "");
}

TEST_F(DeliveryQueueTest, ARefusedMessageDoesNotHoldUpTheNext) {
  ReceiverForTesting receiver;
  receiver.AnswerWith({400});
  const auto queue = Open(To(receiver));
  queue->PushOrDropOldest(Message("a"));
  queue->PushOrDropOldest(Message("b"));
  WaitFor(Outcome::kDelivered, 1);
  WaitFor(Outcome::kRefused, 1);
}

TEST_F(DeliveryQueueTest, ADeadReceiverCostsTheOldestMessages) {
  DeliveryQueue::Options options;
  options.address = {.host = "127.0.0.1", .port = 1, .target = "/"};
  options.max_messages = 3;
  const auto queue = Open(std::move(options));
  for (int i = 0; i < 10; ++i) {
    queue->PushOrDropOldest(Message(std::to_string(i)));
  }
  EXPECT_EQ(queue->waiting(), 3u);
  WaitFor(Outcome::kDropped, 7);
  for (int i = 0; i < 1000 && queue->last_error("acme").empty(); ++i) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_NE(queue->last_error("acme"), "");
}

TEST_F(DeliveryQueueTest, OfSnapshotsOnlyTheNewestIsSent) {
  DeliveryQueue::Options options;
  options.address = {.host = "127.0.0.1", .port = 1, .target = "/"};
  options.newest_only = true;
  const auto queue = Open(std::move(options));
  for (int i = 0; i < 10; ++i) {
    queue->PushOrDropOldest(Message(std::to_string(i)));
  }
  EXPECT_EQ(queue->waiting(), 1u);
}

TEST_F(DeliveryQueueTest, AMessageThatWaitedTooLongIsGivenUp) {
  ReceiverForTesting receiver;
  const auto queue = Open(To(receiver));
  OutMessage old = Message("a");
  old.created_at = old.created_at.Minus(std::chrono::hours(7));
  queue->PushOrDropOldest(old);
  WaitFor(Outcome::kDropped, 1);
  EXPECT_EQ(receiver.requests().size(), 0u);
}

}  // namespace
}  // namespace khtrace::alerting
