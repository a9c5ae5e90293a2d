// SPDX-License-Identifier: Apache-2.0
#include "query/morsels.h"

#include <memory>
#include <utility>

#include "base/mutex.h"

namespace khtrace::query {
namespace {

// Outlives the call: a helper may come only after it has ended.
struct Shared {
  Mutex mu;
  CondVar idle;
  // Cleared when the caller is done: who comes later has nothing to do.
  const std::function<Status(size_t)>* work KHTRACE_GUARDED_BY(mu) = nullptr;
  size_t next KHTRACE_GUARDED_BY(mu) = 1;
  size_t running KHTRACE_GUARDED_BY(mu) = 0;
  Status status KHTRACE_GUARDED_BY(mu);
};

void Help(Shared& shared) {
  const std::function<Status(size_t)>* work;
  size_t number;
  {
    MutexLock lock(shared.mu);
    work = shared.work;
    if (work == nullptr) return;
    number = shared.next++;
    ++shared.running;
  }
  Status status = (*work)(number);
  MutexLock lock(shared.mu);
  if (!status && shared.status) shared.status = std::move(status);
  if (--shared.running == 0) shared.idle.NotifyAll();
}

}  // namespace

Status RunMorsels(Executor* helpers, size_t count,
                  const std::function<Status(size_t number)>& work) {
  if (helpers == nullptr || count < 2) return work(0);
  const auto shared = std::make_shared<Shared>();
  {
    MutexLock lock(shared->mu);
    shared->work = &work;
  }
  for (size_t i = 1; i < count; ++i) {
    helpers->Post([shared] { Help(*shared); });
  }
  Status own = work(0);
  MutexLock lock(shared->mu);
  shared->work = nullptr;
  while (shared->running > 0) shared->idle.Wait(shared->mu);
  if (!own) return own;
  return std::move(shared->status);
}

}  // namespace khtrace::query
