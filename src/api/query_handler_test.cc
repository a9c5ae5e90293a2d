// SPDX-License-Identifier: Apache-2.0
#include "api/query_handler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <functional>
#include <stop_token>
#include <utility>
#include <vector>

#include "api/testing.h"

namespace khtrace::api {
namespace {

// Runs what was posted when the test says so.
class LaterExecutor : public Executor {
 public:
  void Post(std::function<void()> work) override {
    queue_.push_back(std::move(work));
  }
  void RunAll() {
    while (!queue_.empty()) {
      const std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      work();
    }
  }

 private:
  std::deque<std::function<void()>> queue_;
};

class QueryHandlerTest : public testing::Test {
 protected:
  void Send(std::stop_token stop = {}) {
    net::HttpRequest request;
    request.stop = std::move(stop);
    const auto handler =
        QueryHandler(api_, PlainTextError,
                     [](const RequestContext&,
                        const net::HttpRequest&) -> Result<net::HttpResponse> {
                       return net::TextResponse(200, "fine");
                     });
    handler(std::move(request), [this](net::HttpResponse response) {
      answers_.push_back(std::move(response));
    });
  }

  storage::memory::MemoryStore store_;
  LaterExecutor cpu_;
  FakeClock clock_{UnixNanos{kTestEpoch}};
  ApiContext api_{.reader = store_, .cpu = cpu_, .clock = clock_};
  std::vector<net::HttpResponse> answers_;
};

TEST_F(QueryHandlerTest, AnswersTimeoutWhenThePoolTookTooLong) {
  Send();
  clock_.Advance(std::chrono::seconds(31));
  cpu_.RunAll();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status, 504);
}

TEST_F(QueryHandlerTest, DoesNotWorkForAClientThatLeft) {
  std::stop_source source;
  Send(source.get_token());
  source.request_stop();
  cpu_.RunAll();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status, 499);
}

TEST_F(QueryHandlerTest, RefusesOneMoreThanMayWaitUntilOneIsDone) {
  api_.options.max_pending = 2;
  Send();
  Send();
  Send();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status, 429);
  EXPECT_EQ(answers_[0].headers.Get("Retry-After"), "1");
  EXPECT_EQ(answers_[0].body,
            "2 queries are running or waiting; retry later\n");
  cpu_.RunAll();
  EXPECT_EQ(answers_.size(), 3u);
  EXPECT_EQ(answers_[2].status, 200);
  Send();
  cpu_.RunAll();
  EXPECT_EQ(answers_[3].status, 200);
  EXPECT_EQ(api_.pending, 0u);
}

TEST(HttpStatusOf, MapsEveryCode) {
  EXPECT_EQ(HttpStatusOf(Code::kInvalidArgument), 400);
  EXPECT_EQ(HttpStatusOf(Code::kUnauthenticated), 401);
  EXPECT_EQ(HttpStatusOf(Code::kNotFound), 404);
  EXPECT_EQ(HttpStatusOf(Code::kResourceExhausted), 429);
  EXPECT_EQ(HttpStatusOf(Code::kCancelled), 499);
  EXPECT_EQ(HttpStatusOf(Code::kInternal), 500);
  EXPECT_EQ(HttpStatusOf(Code::kDataLoss), 500);
  EXPECT_EQ(HttpStatusOf(Code::kUnimplemented), 501);
  EXPECT_EQ(HttpStatusOf(Code::kUnavailable), 503);
  EXPECT_EQ(HttpStatusOf(Code::kDeadlineExceeded), 504);
}

}  // namespace
}  // namespace khtrace::api
