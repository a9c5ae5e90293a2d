// SPDX-License-Identifier: Apache-2.0
#include "base/executor.h"

#include <pthread.h>

#include <utility>

namespace khtrace {
namespace {

void NameThisThread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace

ThreadPool::ThreadPool(const std::string& name, int threads) {
  threads_.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, name] {
      NameThisThread(name);
      Run();
    });
  }
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  ready_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Post(std::function<void()> work) {
  {
    MutexLock lock(mu_);
    queue_.push_back(std::move(work));
  }
  ready_.NotifyOne();
}

void ThreadPool::Run() {
  for (;;) {
    std::function<void()> work;
    {
      MutexLock lock(mu_);
      while (queue_.empty() && !stopping_) ready_.Wait(mu_);
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

PeriodicThread::PeriodicThread(const std::string& name,
                               std::function<std::chrono::nanoseconds()> work)
    : thread_([this, name, work = std::move(work)] {
        NameThisThread(name);
        for (;;) {
          {
            MutexLock lock(mu_);
            if (stopping_) return;
            woken_ = false;
          }
          const std::chrono::nanoseconds pause = work();
          MutexLock lock(mu_);
          if (!stopping_ && !woken_) wake_.WaitFor(mu_, pause);
        }
      }) {}

PeriodicThread::~PeriodicThread() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

void PeriodicThread::Wake() {
  {
    MutexLock lock(mu_);
    woken_ = true;
  }
  wake_.NotifyAll();
}

}  // namespace khtrace
