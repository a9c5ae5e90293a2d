// SPDX-License-Identifier: Apache-2.0
#include "telemetry/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/check.h"

namespace khtrace::telemetry {
namespace {

bool IsName(std::string_view name, bool colon_allowed) {
  const auto fits = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (c >= '0' && c <= '9') || (colon_allowed && c == ':');
  };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), fits);
}

// Of HELP lines; label values escape the quote as well.
std::string Escape(std::string_view text, bool escape_quotes) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (c == '"' && escape_quotes)) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

// 'a="1",b="2"'
std::string RenderLabels(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    KHTRACE_CHECK(IsName(name, false));
    if (!out.empty()) out.push_back(',');
    out += fmt::format("{}=\"{}\"", name, Escape(value, true));
  }
  return out;
}

std::string RenderNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

void RenderSample(std::string_view name, std::string_view labels,
                  std::string_view value, std::string* out) {
  out->append(name);
  if (!labels.empty()) out->append("{").append(labels).append("}");
  out->append(" ").append(value).append("\n");
}

void RenderHistogram(const std::string& name, const std::string& labels,
                     const Histogram& histogram, std::string* out) {
  const std::vector<uint64_t> counts = histogram.BucketCounts();
  const std::string prefix = labels.empty() ? "" : labels + ",";
  uint64_t cumulative = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    cumulative += counts[i];
    const std::string bound = i < histogram.bounds().size()
                                  ? RenderNumber(histogram.bounds()[i])
                                  : "+Inf";
    RenderSample(name + "_bucket", fmt::format("{}le=\"{}\"", prefix, bound),
                 fmt::format("{}", cumulative), out);
  }
  RenderSample(name + "_sum", labels, RenderNumber(histogram.sum()), out);
  RenderSample(name + "_count", labels, fmt::format("{}", cumulative), out);
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {
  KHTRACE_CHECK(std::all_of(bounds_.begin(), bounds_.end(),
                            [](double bound) { return std::isfinite(bound); }));
  KHTRACE_CHECK(std::adjacent_find(bounds_.begin(), bounds_.end(),
                                   std::greater_equal<>()) == bounds_.end());
}

void Histogram::Observe(double value) {
  if (std::isnan(value)) return;
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  counts_[static_cast<size_t>(bucket - bounds_.begin())].fetch_add(
      1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<uint64_t> Histogram::BucketCounts() const {
  std::vector<uint64_t> counts;
  counts.reserve(counts_.size());
  for (const auto& count : counts_) {
    counts.push_back(count.load(std::memory_order_relaxed));
  }
  return counts;
}

std::vector<double> LatencyBoundsSeconds() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
          0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    60};
}

Registry::Family& Registry::FamilyOf(Kind kind, const std::string& name,
                                     const std::string& help) {
  KHTRACE_CHECK(IsName(name, true));
  const auto [entry, is_new] =
      families_.try_emplace(name, Family{kind, help, {}});
  KHTRACE_CHECK(entry->second.kind == kind);
  return entry->second;
}

template <typename T, typename Make>
T& Registry::FindOrAdd(Kind kind, const std::string& name,
                       const std::string& help, const Labels& labels,
                       Make make) {
  const std::string rendered = RenderLabels(labels);
  MutexLock lock(mu_);
  auto& metrics = FamilyOf(kind, name, help).metrics;
  auto entry = metrics.find(rendered);
  if (entry == metrics.end()) entry = metrics.emplace(rendered, make()).first;
  auto* metric = std::get_if<std::shared_ptr<T>>(&entry->second);
  KHTRACE_CHECK(metric != nullptr);
  return **metric;
}

void Registry::AddCallback(Kind kind, const std::string& name,
                           const std::string& help, const Labels& labels,
                           Callback value) {
  const std::string rendered = RenderLabels(labels);
  MutexLock lock(mu_);
  const bool is_new =
      FamilyOf(kind, name, help)
          .metrics
          .emplace(rendered, std::make_shared<Callback>(std::move(value)))
          .second;
  KHTRACE_CHECK(is_new);
}

Counter& Registry::AddCounter(const std::string& name, const std::string& help,
                              const Labels& labels) {
  return FindOrAdd<Counter>(Kind::kCounter, name, help, labels,
                            [] { return std::make_shared<Counter>(); });
}

Gauge& Registry::AddGauge(const std::string& name, const std::string& help,
                          const Labels& labels) {
  return FindOrAdd<Gauge>(Kind::kGauge, name, help, labels,
                          [] { return std::make_shared<Gauge>(); });
}

void Registry::AddGaugeCallback(const std::string& name,
                                const std::string& help, const Labels& labels,
                                std::function<double()> value) {
  AddCallback(Kind::kGauge, name, help, labels, std::move(value));
}

void Registry::AddCounterCallback(const std::string& name,
                                  const std::string& help, const Labels& labels,
                                  std::function<double()> value) {
  AddCallback(Kind::kCounter, name, help, labels, std::move(value));
}

Histogram& Registry::AddHistogram(const std::string& name,
                                  const std::string& help, const Labels& labels,
                                  std::vector<double> bounds) {
  return FindOrAdd<Histogram>(Kind::kHistogram, name, help, labels, [&] {
    return std::make_shared<Histogram>(std::move(bounds));
  });
}

void Registry::RenderFamily(const std::string& name, const Family& family,
                            std::string* out) {
  constexpr std::string_view kKindNames[] = {"counter", "gauge", "histogram"};
  *out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name,
                      Escape(family.help, false), name,
                      kKindNames[static_cast<size_t>(family.kind)]);
  for (const auto& [labels, metric] : family.metrics) {
    if (const auto* c = std::get_if<std::shared_ptr<Counter>>(&metric)) {
      RenderSample(name, labels, fmt::format("{}", (*c)->value()), out);
    } else if (const auto* g = std::get_if<std::shared_ptr<Gauge>>(&metric)) {
      RenderSample(name, labels, RenderNumber((*g)->value()), out);
    } else if (const auto* f =
                   std::get_if<std::shared_ptr<Callback>>(&metric)) {
      RenderSample(name, labels, RenderNumber((**f)()), out);
    } else {
      RenderHistogram(name, labels,
                      *std::get<std::shared_ptr<Histogram>>(metric), out);
    }
  }
}

std::string Registry::RenderPrometheus() const {
  std::map<std::string, Family> families;
  {
    MutexLock lock(mu_);
    families = families_;
  }
  std::string out;
  for (const auto& [name, family] : families) RenderFamily(name, family, &out);
  return out;
}

}  // namespace khtrace::telemetry
