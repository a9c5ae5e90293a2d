// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace khtrace {

// Runs functions on threads that somebody else owns. Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `work` later, never inside this call (but see InlineExecutor).
  virtual void Post(std::function<void()> work) = 0;
};

// A fixed number of threads over one queue, first in first out. What is
// posted must bound itself: callers post only after their own admission
// check (bytes in flight), so the queue has no limit of its own.
class ThreadPool : public Executor {
 public:
  // `name` shows up in `top -H` (15 characters at most).
  ThreadPool(const std::string& name, int threads);
  // Runs everything that was posted, then joins.
  ~ThreadPool() override;

  void Post(std::function<void()> work) override;

 private:
  void Run() KHTRACE_EXCLUDES(mu_);

  Mutex mu_;
  CondVar ready_;
  std::deque<std::function<void()>> queue_ KHTRACE_GUARDED_BY(mu_);
  bool stopping_ KHTRACE_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

// Runs work at once in the caller: for tests and small tools.
class InlineExecutor : public Executor {
 public:
  void Post(std::function<void()> work) override { work(); }
};

// One thread that calls `work` until stopped, for background jobs. `work`
// returns how long to sleep before the next call; Wake() cuts the sleep short.
// The destructor stops: it waits for a running call, and makes no further one.
class PeriodicThread {
 public:
  PeriodicThread(const std::string& name,
                 std::function<std::chrono::nanoseconds()> work);
  ~PeriodicThread();
  void Wake();

 private:
  Mutex mu_;
  CondVar wake_;
  bool woken_ KHTRACE_GUARDED_BY(mu_) = false;
  bool stopping_ KHTRACE_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace khtrace
