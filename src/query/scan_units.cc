// SPDX-License-Identifier: Apache-2.0
#include "query/scan_units.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "query/morsels.h"

namespace khtrace::query {
namespace {

// Units that are worth another thread.
constexpr size_t kUnitsForThread = 2;

class Run {
 public:
  Run(const storage::FrameScan& scan, const RequestContext& context,
      const ScanProgress* progress)
      : scan_(scan),
        context_(context),
        progress_(progress),
        visited_(progress == nullptr ? 0 : scan.unit_count()) {}

  Status Work(UnitWorker& worker) {
    QueryStats stats;
    Status status;
    Tell({});
    for (;;) {
      const size_t unit = next_.fetch_add(1, std::memory_order_relaxed);
      if (unit >= scan_.unit_count() || stop_) break;
      if (!worker.Wants(scan_.newest_start(unit))) break;
      status = VisitOne(unit, worker, &stats);
      if (!status) {
        stop_ = true;
        break;
      }
      if (progress_ == nullptr) continue;
      AddStats(std::exchange(stats, {}));
      Tell(unit);
    }
    AddStats(stats);
    return status;
  }

  void Finish(QueryStats* stats, Status* loss) {
    MutexLock lock(mu_);
    *stats = stats_;
    stats->units = scan_.unit_count();
    *loss = std::move(loss_);
  }

 private:
  void AddStats(const QueryStats& stats) {
    MutexLock lock(mu_);
    stats_.inspected_traces += stats.inspected_traces;
    stats_.inspected_spans += stats.inspected_spans;
    stats_.inspected_bytes += stats.inspected_bytes;
    stats_.units_done += stats.units_done;
    stats_.units_cached += stats.units_cached;
    stats_.units_lost += stats.units_lost;
  }

  // `unit`: was visited; nothing: none yet.
  void Tell(std::optional<size_t> unit) {
    if (progress_ == nullptr) return;
    QueryStats stats;
    UnixNanos settled;
    {
      MutexLock lock(mu_);
      if (unit) visited_[*unit] = true;
      if (telling_ || (told_ && Now() - told_at_ < progress_->every)) return;
      telling_ = told_ = true;
      while (first_open_ < visited_.size() && visited_[first_open_]) {
        ++first_open_;
      }
      if (first_open_ < visited_.size()) {
        settled = scan_.newest_start(first_open_);
      }
      stats = stats_;
      stats.units = scan_.unit_count();
    }
    progress_->tell(stats, settled);
    MutexLock lock(mu_);
    telling_ = false;
    told_at_ = Now();
  }

  std::chrono::nanoseconds Now() const { return context_.clock->Monotonic(); }

  Status VisitOne(size_t unit, UnitWorker& worker, QueryStats* stats) {
    RETURN_IF_ERROR(context_.Check());
    const std::string identity = scan_.identity(unit);
    ++stats->units_done;
    if (!identity.empty()) {
      ASSIGN_OR_RETURN(const bool known, worker.Known(identity));
      if (known) {
        ++stats->units_cached;
        return {};
      }
    }
    auto frame = scan_.Open(context_, unit);
    Status status = frame ? worker.Visit(**frame, identity)
                          : Status(std::move(frame).error());
    if (frame) {
      stats->inspected_traces += (*frame)->trace_count();
      stats->inspected_spans += (*frame)->span_count();
      stats->inspected_bytes += (*frame)->bytes_read();
    }
    if (status || status.error().code != Code::kDataLoss) return status;
    ++stats->units_lost;
    scan_.NoteLoss(unit, status.error());
    MutexLock lock(mu_);
    if (loss_) loss_ = std::move(status);
    return {};
  }

  const storage::FrameScan& scan_;
  const RequestContext& context_;
  const ScanProgress* const progress_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> stop_{false};
  Mutex mu_;
  QueryStats stats_ KHTRACE_GUARDED_BY(mu_);
  Status loss_ KHTRACE_GUARDED_BY(mu_);
  // Of progress.
  std::vector<bool> visited_ KHTRACE_GUARDED_BY(mu_);
  size_t first_open_ KHTRACE_GUARDED_BY(mu_) = 0;
  bool told_ KHTRACE_GUARDED_BY(mu_) = false;
  bool telling_ KHTRACE_GUARDED_BY(mu_) = false;
  std::chrono::nanoseconds told_at_ KHTRACE_GUARDED_BY(mu_){};
};

}  // namespace

size_t MaxWorkers(const storage::FrameScan& scan, const Executor* helpers) {
  if (helpers == nullptr) return 1;
  const size_t threads = std::max(1u, std::thread::hardware_concurrency());
  return std::clamp(scan.unit_count() / kUnitsForThread, size_t{1}, threads);
}

Status VisitUnits(const storage::FrameScan& scan, const RequestContext& context,
                  Executor* helpers,
                  const std::function<UnitWorker&(size_t)>& make,
                  QueryStats* stats, Status* loss,
                  const ScanProgress* progress) {
  Run run(scan, context, progress);
  Status status =
      RunMorsels(helpers, MaxWorkers(scan, helpers),
                 [&](size_t number) { return run.Work(make(number)); });
  run.Finish(stats, loss);
  return status;
}

}  // namespace khtrace::query
