// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <functional>

#include "base/executor.h"
#include "base/mutex.h"
#include "base/request_context.h"
#include "query/frame_eval.h"
#include "query/search.h"
#include "storage/trace_frame.h"

namespace khtrace::query {

// What one thread does with the units it takes.
class UnitWorker {
 public:
  virtual ~UnitWorker() = default;

  // Whether the unit, and those after it, can still matter.
  virtual bool Wants(UnixNanos newest_start) = 0;
  // `identity`: FrameScan::identity. True: its part of the answer is known
  // already; the unit is not opened.
  virtual Result<bool> Known(const std::string& identity) = 0;
  virtual Status Visit(storage::TraceFrame& frame,
                       const std::string& identity) = 0;
};

// What was done so far, told now and then by a thread between two units; one
// thread at a time.
struct ScanProgress {
  // No more often than this, but once before the first unit.
  std::chrono::nanoseconds every{};
  // `settled`: what is still to be visited holds no trace that starts later.
  std::function<void(const QueryStats& stats, UnixNanos settled)> tell;
};

// Takes the units of a scan through workers, newest first, on the calling
// thread and on helpers. `make(n)` gives thread n its worker, for all of the
// run. Units that are damaged are noted and left out: the first such error
// goes to `loss`. `progress` may be nullptr.
Status VisitUnits(const storage::FrameScan& scan, const RequestContext& context,
                  Executor* helpers,
                  const std::function<UnitWorker&(size_t)>& make,
                  QueryStats* stats, Status* loss,
                  const ScanProgress* progress = nullptr);

// Threads that VisitUnits may use.
size_t MaxWorkers(const storage::FrameScan& scan, const Executor* helpers);

}  // namespace khtrace::query
