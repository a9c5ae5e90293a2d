// SPDX-License-Identifier: Apache-2.0
#include "analysis/recent_answers.h"

#include <gtest/gtest.h>

#include <future>
#include <stop_token>
#include <thread>

namespace khtrace::analysis {
namespace {

using namespace std::chrono_literals;
using Ptr = std::shared_ptr<const int>;

class RecentAnswersTest : public testing::Test {
 protected:
  // Of that window; its size is its value.
  Result<Ptr> Get(uint64_t window, const std::function<Result<Ptr>()>& make,
                  const RequestContext& context = {}) {
    return answers_.Get(
        context, {"tenant", window, window + 1}, 5s,
        [](int answer) { return static_cast<size_t>(answer); }, make);
  }
  Result<Ptr> Make(int answer) {
    ++made_;
    return std::make_shared<const int>(answer);
  }
  int Answer(uint64_t window, int fresh) {
    return **Get(window, [&] { return Make(fresh); });
  }

  // Window 1 is being answered with 1, until `go`.
  std::jthread AskUntil(std::promise<void>* go) {
    std::promise<void> begun;
    std::future<void> is_asked = begun.get_future();
    std::jthread asking([this, go, begun = std::move(begun)]() mutable {
      (void)Get(1, [&] {
        begun.set_value();
        go->get_future().wait();
        return Make(1);
      });
    });
    is_asked.wait();
    return asking;
  }

  FakeClock clock_{UnixNanos{0}};
  RecentAnswers<int> answers_{clock_, 3, 100};
  std::atomic<int> made_ = 0;
};

TEST_F(RecentAnswersTest, AnAnswerIsKeptWhileItIsFresh) {
  EXPECT_EQ(Answer(1, 10), 10);
  EXPECT_EQ(Answer(1, 11), 10);
  EXPECT_EQ(Answer(2, 12), 12);
  clock_.Advance(5s);
  EXPECT_EQ(Answer(1, 13), 13);
  EXPECT_EQ(made_, 3);
}

TEST_F(RecentAnswersTest, OldOnesGoForTooManyAndTooLarge) {
  for (int window = 1; window <= 4; ++window) {
    Answer(static_cast<uint64_t>(window), window);
    clock_.Advance(1ms);
  }
  EXPECT_EQ(Answer(4, 0), 4);
  EXPECT_EQ(Answer(2, 0), 2);
  EXPECT_EQ(Answer(1, 20), 20);
  clock_.Advance(1ms);
  Answer(5, 99);  // beside it only one is small enough, and that is older
  EXPECT_EQ(Answer(5, 0), 99);
  EXPECT_EQ(Answer(1, 30), 30);
  clock_.Advance(1ms);
  Answer(6, 1000);  // too large for any other
  EXPECT_EQ(Answer(6, 0), 1000);
  EXPECT_EQ(Answer(1, 40), 40);
}

TEST_F(RecentAnswersTest, EqualQuestionsWaitForOne) {
  std::promise<void> go;
  const std::jthread first = AskUntil(&go);
  std::vector<std::jthread> others;
  for (int i = 0; i < 3; ++i) {
    others.emplace_back([&] { EXPECT_EQ(Answer(1, 2), 1); });
  }
  // Another question does not wait.
  EXPECT_EQ(Answer(2, 3), 3);
  go.set_value();
  others.clear();
  EXPECT_EQ(made_, 2);
}

TEST_F(RecentAnswersTest, WhoeverWaitsLooksAtItsOwnTime) {
  std::promise<void> go;
  const std::jthread first = AskUntil(&go);
  std::stop_source gone;
  gone.request_stop();
  RequestContext context;
  context.stop = gone.get_token();
  EXPECT_EQ(Get(
                1, [&] { return Make(2); }, context)
                .error()
                .code,
            Code::kCancelled);
  go.set_value();
}

TEST_F(RecentAnswersTest, AFailureIsNotKept) {
  const auto failed = Get(1, []() -> Result<Ptr> {
    return Error{Code::kDataLoss, "broken"};
  });
  EXPECT_EQ(failed.error().message, "broken");
  EXPECT_EQ(Answer(1, 7), 7);
}

}  // namespace
}  // namespace khtrace::analysis
