// SPDX-License-Identifier: Apache-2.0
#include "aggregate/span_traits.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

#include "model/ids.h"

namespace khtrace::aggregate {
namespace {

// The value of `key` in members separated by `separator`, key and value by
// `assign`.
std::optional<std::string_view> Member(std::string_view list, char separator,
                                       char assign, std::string_view key) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(separator), list.size());
    std::string_view member = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    while (!member.empty() && (member[0] == ' ' || member[0] == '\t')) {
      member.remove_prefix(1);
    }
    if (member.size() <= key.size() || !member.starts_with(key)) continue;
    if (member[key.size()] == assign) return member.substr(key.size() + 1);
  }
  return std::nullopt;
}

// Up to 14 hexadecimal digits: the first ones of a number of 56 bits.
std::optional<double> ProbabilityOfThreshold(std::string_view hex) {
  while (!hex.empty() && (hex.back() == ' ' || hex.back() == '\t')) {
    hex.remove_suffix(1);
  }
  constexpr uint64_t kWhole = uint64_t{1} << 56;
  uint64_t threshold = 0;
  if (hex.empty() || hex.size() > 14) return std::nullopt;
  const auto [end, error] =
      std::from_chars(hex.data(), hex.data() + hex.size(), threshold, 16);
  if (error != std::errc() || end != hex.data() + hex.size()) {
    return std::nullopt;
  }
  threshold <<= 4 * (14 - hex.size());
  return static_cast<double>(kWhole - threshold) / static_cast<double>(kWhole);
}

std::optional<double> ProbabilityOfPower(std::string_view text) {
  unsigned power = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), power);
  // 63 means a probability of zero: nothing is known of its spans.
  if (error != std::errc() || end != text.data() + text.size() || power > 62) {
    return std::nullopt;
  }
  return std::ldexp(1.0, -static_cast<int>(power));
}

}  // namespace

Trait TraitOfKey(std::string_view key) {
  if (key.starts_with("gen_ai.") || key.starts_with("ai.") ||
      key.starts_with("llm.")) {
    return Trait::kAi;
  }
  if (key == "db.system.name" || key == "db.system") return Trait::kDatabase;
  if (key == "messaging.system") return Trait::kMessaging;
  return Trait::kNone;
}

uint64_t UnsampledOf(double probability) {
  if (!(probability > 0) || probability >= 1) return 0;
  const double stands_for = std::min(1 / probability, kMaxSpansStoodFor);
  return static_cast<uint64_t>(
      std::llround((stands_for - 1) * static_cast<double>(kSampleUnit)));
}

std::optional<double> SamplingProbability(std::string_view trace_state) {
  const auto ot = Member(trace_state, ',', '=', "ot");
  if (!ot) return std::nullopt;
  if (const auto hex = Member(*ot, ';', ':', "th")) {
    return ProbabilityOfThreshold(*hex);
  }
  if (const auto power = Member(*ot, ';', ':', "p")) {
    return ProbabilityOfPower(*power);
  }
  return std::nullopt;
}

bool Sampled::Before(const Sampled& other) const {
  const auto key = [](const Sampled& s) {
    return std::tuple(s.empty(), model::TraceIdHash{}(s.trace_id), s.trace_id,
                      s.duration);
  };
  return key(*this) < key(other);
}

bool Slowest::Before(const Slowest& other) const {
  if (empty() || other.empty()) return !empty() && other.empty();
  return duration != other.duration ? duration > other.duration
                                    : trace_id < other.trace_id;
}

}  // namespace khtrace::aggregate
