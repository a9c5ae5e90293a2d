// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

// Clang's thread-safety analysis; nothing under other compilers.
#if defined(__clang__)
#define KHTRACE_TSA(x) __attribute__((x))
#else
#define KHTRACE_TSA(x)
#endif
#define KHTRACE_CAPABILITY(x) KHTRACE_TSA(capability(x))
#define KHTRACE_SCOPED_CAPABILITY KHTRACE_TSA(scoped_lockable)
#define KHTRACE_GUARDED_BY(x) KHTRACE_TSA(guarded_by(x))
#define KHTRACE_REQUIRES(...) KHTRACE_TSA(requires_capability(__VA_ARGS__))
#define KHTRACE_EXCLUDES(...) KHTRACE_TSA(locks_excluded(__VA_ARGS__))
#define KHTRACE_ACQUIRE(...) KHTRACE_TSA(acquire_capability(__VA_ARGS__))
#define KHTRACE_RELEASE(...) KHTRACE_TSA(release_capability(__VA_ARGS__))
#define KHTRACE_NO_ANALYSIS KHTRACE_TSA(no_thread_safety_analysis)

namespace khtrace {

// std::mutex with annotations that clang checks. Not recursive.
class KHTRACE_CAPABILITY("mutex") Mutex {
 public:
  void Lock() KHTRACE_ACQUIRE() { mu_.lock(); }
  void Unlock() KHTRACE_RELEASE() { mu_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

class KHTRACE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mu) KHTRACE_ACQUIRE(mu) : mu_(mu) { mu_.Lock(); }
  ~MutexLock() KHTRACE_RELEASE() { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

// Wakes may be spurious: wait in a loop over the condition.
class CondVar {
 public:
  void Wait(Mutex& mu) KHTRACE_REQUIRES(mu) KHTRACE_NO_ANALYSIS {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  // Returns false when `timeout` passed without a wake. A timeout beyond a day
  // counts as a day: adding more to the time of day could overflow.
  bool WaitFor(Mutex& mu, std::chrono::nanoseconds timeout)
      KHTRACE_REQUIRES(mu) KHTRACE_NO_ANALYSIS {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    // system_clock: TSan of g++ 12 does not know pthread_cond_clockwait.
    const bool woken =
        cv_.wait_until(lock, std::chrono::system_clock::now() +
                                 std::min<std::chrono::nanoseconds>(
                                     timeout, std::chrono::hours(24))) ==
        std::cv_status::no_timeout;
    lock.release();
    return woken;
  }
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace khtrace
