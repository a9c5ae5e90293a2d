// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/mutex.h"

namespace khtrace::telemetry {

// Only grows. Thread-safe, lock-free; on a cache line of its own, since
// threads on the ingest path write neighbouring counters.
class alignas(64) Counter {
 public:
  void Add(uint64_t count = 1) {
    value_.fetch_add(count, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Goes up and down. Thread-safe, lock-free.
class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double delta) { value_.fetch_add(delta, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Counts observations in fixed buckets. Thread-safe, lock-free; a reader may
// see a sum that is a few observations ahead of the buckets.
class Histogram {
 public:
  // Upper bounds (inclusive), ascending and finite; a last bucket without a
  // bound is added.
  explicit Histogram(std::vector<double> bounds);

  // NaN is ignored.
  void Observe(double value);

  const std::vector<double>& bounds() const { return bounds_; }
  // One entry a bucket, not cumulative; bounds().size() + 1 of them.
  std::vector<uint64_t> BucketCounts() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> bounds_;
  std::vector<std::atomic<uint64_t>> counts_;
  std::atomic<double> sum_{0};
};

// Bounds for durations in seconds, 100 µs to 60 s: below lies a request that
// touched no disk, above one that timed out.
std::vector<double> LatencyBoundsSeconds();

// Name and value, e.g. {{"receiver", "otlp_http"}}. Order is kept as given;
// the same labels in another order are other labels.
using Labels = std::vector<std::pair<std::string, std::string>>;

// All metrics of one process; app/ owns the one instance. Thread-safe.
// References stay valid as long as the registry. Registering is for start-up
// and first use, not for hot paths: keep the reference.
//
// The same name and labels give the same metric. The same name with another
// kind, with a second callback for the same labels, or a name or label name
// that Prometheus refuses is our bug and stops the program. The help text is
// that of the first registration.
class Registry {
 public:
  // By Prometheus' convention `name` ends in "_total".
  Counter& AddCounter(const std::string& name, const std::string& help,
                      const Labels& labels = {});
  Gauge& AddGauge(const std::string& name, const std::string& help,
                  const Labels& labels = {});
  // `value` is called by RenderPrometheus, from its thread and without a
  // lock held; what it uses must live as long as anybody renders.
  void AddGaugeCallback(const std::string& name, const std::string& help,
                        const Labels& labels, std::function<double()> value);
  // The same for a counter that is kept elsewhere.
  void AddCounterCallback(const std::string& name, const std::string& help,
                          const Labels& labels, std::function<double()> value);
  // `bounds` as for Histogram; of the first registration of these labels.
  Histogram& AddHistogram(const std::string& name, const std::string& help,
                          const Labels& labels, std::vector<double> bounds);

  // Text exposition format 0.0.4 ("text/plain; version=0.0.4"), ordered by
  // name, then labels.
  // https://prometheus.io/docs/instrumenting/exposition_formats/
  std::string RenderPrometheus() const;

 private:
  enum class Kind { kCounter, kGauge, kHistogram };
  using Callback = std::function<double()>;
  // shared_ptr, so that rendering reads a snapshot without the lock.
  using Metric =
      std::variant<std::shared_ptr<Counter>, std::shared_ptr<Gauge>,
                   std::shared_ptr<Histogram>, std::shared_ptr<Callback>>;
  struct Family {
    Kind kind;
    std::string help;
    std::map<std::string, Metric> metrics;  // by rendered labels
  };

  // The metric of these names; what `make` gives if it is new. `make` must
  // not be something slow: it runs under the lock.
  template <typename T, typename Make>
  T& FindOrAdd(Kind kind, const std::string& name, const std::string& help,
               const Labels& labels, Make make) KHTRACE_EXCLUDES(mu_);
  void AddCallback(Kind kind, const std::string& name, const std::string& help,
                   const Labels& labels, Callback value) KHTRACE_EXCLUDES(mu_);
  Family& FamilyOf(Kind kind, const std::string& name, const std::string& help)
      KHTRACE_REQUIRES(mu_);
  static void RenderFamily(const std::string& name, const Family& family,
                           std::string* out);

  mutable Mutex mu_;
  std::map<std::string, Family> families_ KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::telemetry
