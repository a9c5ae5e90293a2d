// SPDX-License-Identifier: Apache-2.0
#include "app/bench_store.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "base/executor.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"
#include "codec/otlp.h"
#include "query/find_traces.h"
#include "storage/columnar/columnar_store.h"

namespace khtrace::app {
namespace {

using model::SpanBatch;
using storage::columnar::ColumnarStore;
using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

// CPU time of the process or, with RUSAGE_THREAD, of the calling thread.
double CpuSeconds(int who) {
  rusage usage{};
  (void)getrusage(who, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

uint64_t PeakBytes() {
  rusage usage{};
  (void)getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) << 10;
}

void Row(const char* name, const std::string& value) {
  fmt::print("{:<44} {:>22}\n", name, value);
}

// From the first start to the last.
struct TimeRange {
  uint64_t first = std::numeric_limits<uint64_t>::max();
  uint64_t last = 0;
};

Result<TimeRange> TimesOf(const BenchCorpus& corpus) {
  TimeRange range;
  for (const std::string& request : corpus.requests) {
    ASSIGN_OR_RETURN(const codec::OtlpDecoded decoded,
                     codec::DecodeOtlpProtobuf(request));
    for (const UnixNanos start : decoded.batch.spans().start) {
      range.first = std::min(range.first, start.ns);
      range.last = std::max(range.last, start.ns);
    }
  }
  return range;
}

// The batch as new traces: ids mixed with `salt`, times `shift` ns later.
SpanBatch Renewed(const SpanBatch& batch, uint64_t salt, uint64_t shift) {
  model::SpanBatchData data = batch.data();
  const auto renew_trace = [&](std::vector<model::TraceId>& ids) {
    for (model::TraceId& id : ids) id.high ^= salt;
  };
  const auto renew_spans = [&](std::vector<model::SpanId>& ids) {
    for (model::SpanId& id : ids) {
      if (id.value != 0 && id.value != salt) id.value ^= salt;
    }
  };
  const auto later = [&](std::vector<UnixNanos>& times) {
    for (UnixNanos& time : times) time.ns += shift;
  };
  renew_trace(data.spans.trace_id);
  renew_spans(data.spans.span_id);
  renew_spans(data.spans.parent_span_id);
  renew_trace(data.links.trace_id);
  renew_spans(data.links.span_id);
  later(data.spans.start);
  later(data.spans.end);
  later(data.events.time);
  return SpanBatch(std::move(data));
}

// Feeds a store from several threads.
class Filler {
 public:
  Filler(const BenchCorpus& corpus, const BenchStoreOptions& options,
         TimeRange times, ColumnarStore& store)
      : corpus_(corpus),
        batches_((options.spans + corpus.spans - 1) / corpus.spans *
                 corpus.requests.size()),
        target_(options.spans),
        sample_every_(
            std::max<uint64_t>(1, batches_ / std::max(1u, options.lookups))),
        round_ns_(times.last - times.first + 1'000'000'000),
        store_(store) {
    // The last round ends now.
    const uint64_t rounds = batches_ / corpus.requests.size();
    first_shift_ = Clock::System().Now().ns - times.first - rounds * round_ns_;
  }

  Status Run(int threads);

  // What the stand-in for the sender and the decoder took: not the store's.
  double sender_cpu_seconds() const {
    MutexLock lock(mu_);
    return sender_cpu_seconds_;
  }
  uint64_t spans() const { return spans_; }
  uint64_t refused() const { return refused_; }
  std::vector<model::TraceId> sample() const {
    MutexLock lock(mu_);
    return sample_;
  }

 private:
  void Feed();
  Result<model::SpanBatchPtr> Batch(uint64_t number);
  bool Write(const model::SpanBatchPtr& batch);
  void Fail(const Error& error);
  void PrintProgress(double seconds) const;

  const BenchCorpus& corpus_;
  const uint64_t batches_;
  const uint64_t target_;
  const uint64_t sample_every_;
  const uint64_t round_ns_;
  uint64_t first_shift_ = 0;
  ColumnarStore& store_;
  std::atomic<uint64_t> next_{0};
  std::atomic<uint64_t> spans_{0};
  std::atomic<uint64_t> refused_{0};
  std::atomic<int> running_{0};
  mutable Mutex mu_;
  double sender_cpu_seconds_ KHTRACE_GUARDED_BY(mu_) = 0;
  std::vector<model::TraceId> sample_ KHTRACE_GUARDED_BY(mu_);
  Status failure_ KHTRACE_GUARDED_BY(mu_);
};

Result<model::SpanBatchPtr> Filler::Batch(uint64_t number) {
  const uint64_t round = number / corpus_.requests.size();
  ASSIGN_OR_RETURN(const codec::OtlpDecoded decoded,
                   codec::DecodeOtlpProtobuf(
                       corpus_.requests[number % corpus_.requests.size()]));
  return std::make_shared<const SpanBatch>(Renewed(
      decoded.batch, Mix64(round + 1), first_shift_ + round * round_ns_));
}

// One after the other, so the store's answers bound what is in flight. False
// when the store gave an error that waiting does not mend.
bool Filler::Write(const model::SpanBatchPtr& batch) {
  for (;;) {
    std::atomic<bool> done{false};
    Status result;
    store_.Write({}, batch, [&](Status status) {
      result = std::move(status);
      done = true;
      done.notify_one();
    });
    done.wait(false);
    if (result) return true;
    if (result.error().code != Code::kResourceExhausted) {
      Fail(result.error());
      return false;
    }
    ++refused_;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void Filler::Fail(const Error& error) {
  MutexLock lock(mu_);
  failure_ = error;
  next_ = batches_;
}

void Filler::Feed() {
  double sender_seconds = 0;
  for (uint64_t number; (number = next_++) < batches_ && spans_ < target_;) {
    const double start = CpuSeconds(RUSAGE_THREAD);
    const Result<model::SpanBatchPtr> batch = Batch(number);
    sender_seconds += CpuSeconds(RUSAGE_THREAD) - start;
    if (!batch) {
      Fail(batch.error());
      break;
    }
    if (!Write(*batch)) break;
    spans_ += (*batch)->row_count();
    if (number % sample_every_ == 0 && !(*batch)->empty()) {
      MutexLock lock(mu_);
      sample_.push_back((*batch)->spans().trace_id[0]);
    }
  }
  MutexLock lock(mu_);
  sender_cpu_seconds_ += sender_seconds;
  --running_;
}

void Filler::PrintProgress(double seconds) const {
  const auto spans = static_cast<double>(spans_);
  fmt::print(stderr,
             "{:.1f} of {:.1f} million spans, {:.0f} a second, peak {}\n",
             spans / 1e6, static_cast<double>(target_) / 1e6, spans / seconds,
             FormatByteSize(PeakBytes()));
}

Status Filler::Run(int threads) {
  const auto start = SteadyClock::now();
  running_ = threads;
  {
    std::vector<std::jthread> feeders;
    for (int i = 0; i < threads; ++i) {
      feeders.emplace_back([this] { Feed(); });
    }
    double next_report = 5;
    while (running_ > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (SecondsSince(start) < next_report) continue;
      PrintProgress(SecondsSince(start));
      next_report += 5;
    }
  }
  MutexLock lock(mu_);
  return failure_;
}

// Until a second passes in which nothing is done.
void WaitUntilIdle() {
  for (double before = CpuSeconds(RUSAGE_SELF);;) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const double now = CpuSeconds(RUSAGE_SELF);
    if (now - before < 0.02) return;
    before = now;
  }
}

// A store and the threads that it runs on.
struct OpenStore {
  ThreadPool commit{"wal", 1};
  ThreadPool background{"background", 1};
  ThreadPool upkeep{"upkeep", 1};
  std::unique_ptr<ColumnarStore> store;
};

Result<std::unique_ptr<OpenStore>> Open(const std::string& dir) {
  auto open = std::make_unique<OpenStore>();
  storage::columnar::StoreOptions options;
  options.data_dir = dir;
  ASSIGN_OR_RETURN(
      open->store,
      ColumnarStore::Open(options, Fs::Real(), Clock::System(),
                          {open->commit, open->background, open->upkeep}));
  return open;
}

// Milliseconds of each call, sorted.
using Latencies = std::vector<double>;

void PrintLatencies(const char* name, Latencies ms) {
  if (ms.empty()) return;
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double q) {
    return ms[static_cast<size_t>(q * static_cast<double>(ms.size() - 1))];
  };
  Row(name,
      fmt::format("{:.3f} / {:.3f} / {:.3f}", at(0.5), at(0.95), at(0.99)));
}

Result<Latencies> LookUp(ColumnarStore& store,
                         const std::vector<model::TraceId>& ids, bool present) {
  Latencies latencies;
  for (const model::TraceId& id : ids) {
    const auto start = SteadyClock::now();
    const Result<model::SpanBatchPtr> trace = store.GetTrace({}, id);
    latencies.push_back(SecondsSince(start) * 1e3);
    const bool as_expected =
        present ? trace.has_value()
                : !trace && trace.error().code == Code::kNotFound;
    if (as_expected) continue;
    return Error{
        Code::kInternal,
        fmt::format("the look-up of trace {} went wrong: {}", id.ToHex(),
                    trace ? "found although it was never written"
                          : trace.error().message)};
  }
  return latencies;
}

Status Ask(ColumnarStore& store, std::vector<model::TraceId> ids) {
  std::mt19937_64 random(1);
  std::shuffle(ids.begin(), ids.end(), random);
  std::vector<model::TraceId> missing;
  for (size_t i = 0; i < ids.size(); ++i)
    missing.push_back({random(), random()});
  ASSIGN_OR_RETURN(Latencies found, LookUp(store, ids, true));
  PrintLatencies("trace by id, p50 / p95 / p99, ms", std::move(found));
  ASSIGN_OR_RETURN(Latencies absent, LookUp(store, missing, false));
  PrintLatencies("missing id, p50 / p95 / p99, ms", std::move(absent));
  const auto start = SteadyClock::now();
  ASSIGN_OR_RETURN(const std::vector<std::string> services, store.Services({}));
  Row("services, ms", fmt::format("{:.3f}", SecondsSince(start) * 1e3));
  Latencies newest;
  for (const std::string& service : services) {
    query::FindRequest request;
    query::SpanCondition& condition = request.spans.all.emplace_back();
    condition.of = query::SpanCondition::Of::kService;
    condition.text = service;
    const auto begin = SteadyClock::now();
    RETURN_IF_ERROR(query::FindTraces(store, {}, request));
    newest.push_back(SecondsSince(begin) * 1e3);
  }
  PrintLatencies("newest 20 of a service, p50 / p95 / p99, ms",
                 std::move(newest));
  return {};
}

void PrintFill(const Filler& filler, const ColumnarStore& store, double seconds,
               double cpu_loaded, double cpu_idle, uint64_t kept_bytes) {
  const auto spans = static_cast<double>(filler.spans());
  const double sender = filler.sender_cpu_seconds();
  const auto per_million = [&](double cpu) {
    return fmt::format("{:.2f}", (cpu - sender) / spans * 1e6);
  };
  const storage::columnar::StoreCounters& counters = store.counters();
  const uint64_t written = counters.wal.bytes + counters.flushed_bytes +
                           counters.merge_written_bytes;
  fmt::print("\n");
  Row("spans/s", fmt::format("{:.0f}", spans / seconds));
  Row("store's CPU-s per million, at load's end", per_million(cpu_loaded));
  Row("store's CPU-s per million, until idle", per_million(cpu_idle));
  Row("batches told to retry", fmt::format("{}", filler.refused()));
  Row("peak memory of filling, the corpus included",
      FormatByteSize(PeakBytes()));
  Row("flushes, merges, parts merged",
      fmt::format("{}, {}, {}", counters.flushes.load(), counters.merges.load(),
                  counters.merged_parts.load()));
  Row("bytes on disk a span",
      fmt::format("{:.1f}", static_cast<double>(kept_bytes) / spans));
  Row("written for what is kept, the log included",
      fmt::format("{:.2f}", static_cast<double>(written) /
                                static_cast<double>(kept_bytes)));
}

Status Measure(const BenchCorpus& corpus, const BenchStoreOptions& options,
               const std::string& dir) {
  ASSIGN_OR_RETURN(const TimeRange times, TimesOf(corpus));
  ASSIGN_OR_RETURN(std::unique_ptr<OpenStore> open, Open(dir));
  Filler filler(corpus, options, times, *open->store);
  const double cpu_before = CpuSeconds(RUSAGE_SELF);
  const auto start = SteadyClock::now();
  RETURN_IF_ERROR(filler.Run(4));
  const double seconds = SecondsSince(start);
  const double cpu_loaded = CpuSeconds(RUSAGE_SELF) - cpu_before;
  RETURN_IF_ERROR(open->store->Flush());
  WaitUntilIdle();
  const double cpu_idle = CpuSeconds(RUSAGE_SELF) - cpu_before;
  ASSIGN_OR_RETURN(const storage::StoreStats stats, open->store->Stats({}));
  PrintFill(filler, *open->store, seconds, cpu_loaded, cpu_idle,
            stats.disk_bytes);
  RETURN_IF_ERROR(open->store->Close());
  open.reset();
  const auto reopen = SteadyClock::now();
  ASSIGN_OR_RETURN(open, Open(dir));
  Row("opening what was stored, ms",
      fmt::format("{:.1f}", SecondsSince(reopen) * 1e3));
  Row("parts", fmt::format("{}", stats.parts));
  RETURN_IF_ERROR(Ask(*open->store, filler.sample()));
  return open->store->Close();
}

}  // namespace

Status BenchStore(const BenchCorpus& corpus, const BenchStoreOptions& options) {
  const bool own_dir = options.data_dir.empty();
  const std::string dir = own_dir ? (std::filesystem::temp_directory_path() /
                                     fmt::format("khtrace-bench-{}", getpid()))
                                        .string()
                                  : options.data_dir;
  std::error_code ignored;
  if (std::filesystem::exists(dir, ignored) &&
      !std::filesystem::is_empty(dir, ignored)) {
    return Error{Code::kFailedPrecondition,
                 fmt::format("cannot fill {}: it is not empty", dir)};
  }
  log::SetLevel(log::Level::kWarning);
  const Status status = Measure(corpus, options, dir);
  if (own_dir) std::filesystem::remove_all(dir, ignored);
  return status;
}

}  // namespace khtrace::app
