// SPDX-License-Identifier: Apache-2.0
#include "base/executor.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <semaphore>

namespace khtrace {
namespace {

using std::chrono::nanoseconds;

TEST(ThreadPool, DestructorRunsEverythingPosted) {
  std::atomic<int> done{0};
  {
    ThreadPool pool("test", 3);
    for (int i = 0; i < 1000; ++i) pool.Post([&] { ++done; });
  }
  EXPECT_EQ(done, 1000);
}

TEST(ThreadPool, WorkMayPostWorkWhileStopping) {
  std::atomic<int> done{0};
  {
    ThreadPool pool("test", 1);
    pool.Post([&] {
      pool.Post([&] { ++done; });
      ++done;
    });
  }
  EXPECT_EQ(done, 2);
}

TEST(ThreadPool, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    ThreadPool pool("test", 1);
    for (int i = 0; i < 100; ++i)
      pool.Post([&order, i] { order.push_back(i); });
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(ThreadPool, RunsOnSeveralThreadsAtOnce) {
  std::binary_semaphore a(0);
  std::binary_semaphore b(0);
  ThreadPool pool("test", 2);
  pool.Post([&] {
    a.release();
    b.acquire();
  });
  pool.Post([&] {
    b.release();
    a.acquire();
  });
}

TEST(ThreadPool, ThreadsCarryTheNameCutToFit) {
  std::string name(32, '\0');
  {
    ThreadPool pool("a-rather-long-name", 1);
    pool.Post(
        [&] { pthread_getname_np(pthread_self(), name.data(), name.size()); });
  }
  EXPECT_STREQ(name.c_str(), "a-rather-long-n");
}

TEST(InlineExecutor, RunsInTheCaller) {
  InlineExecutor executor;
  bool done = false;
  executor.Post([&] { done = true; });
  EXPECT_TRUE(done);
}

TEST(PeriodicThread, CallsAgainAfterThePause) {
  std::counting_semaphore<> calls(0);
  PeriodicThread thread("test", [&] {
    calls.release();
    return nanoseconds(1000);
  });
  for (int i = 0; i < 3; ++i) calls.acquire();
}

TEST(PeriodicThread, WakeCutsAnEndlessPauseShort) {
  std::counting_semaphore<> calls(0);
  PeriodicThread thread("test", [&] {
    calls.release();
    return nanoseconds::max();
  });
  calls.acquire();
  thread.Wake();
  calls.acquire();
}

TEST(PeriodicThread, WakeDuringACallIsNotLost) {
  std::binary_semaphore in_call(0);
  std::binary_semaphore go_on(0);
  std::atomic<int> calls{0};
  std::binary_semaphore second(0);
  PeriodicThread thread("test", [&] {
    if (++calls == 1) {
      in_call.release();
      go_on.acquire();
    } else if (calls == 2) {
      second.release();
    }
    return nanoseconds::max();
  });
  in_call.acquire();
  thread.Wake();
  go_on.release();
  second.acquire();
}

TEST(PeriodicThread, DestructorDoesNotWaitForThePause) {
  const auto before = std::chrono::steady_clock::now();
  {
    std::binary_semaphore called(0);
    PeriodicThread thread("test", [&] {
      called.release();
      return std::chrono::hours(1);
    });
    called.acquire();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::minutes(1));
}

}  // namespace
}  // namespace khtrace
