// SPDX-License-Identifier: Apache-2.0
#include "app/metrics_text.h"

#include <charconv>
#include <optional>

namespace khtrace::app {
namespace {

//   name [ '{' label '="' value '"' [ ',' … ] '}' ] ' ' number [ ' ' time ]
// Within a value \\, \" and \n are escaped.
class LineParser {
 public:
  explicit LineParser(std::string_view line) : rest_(line) {}

  std::optional<MetricSample> Parse() {
    MetricSample sample;
    const size_t end = rest_.find_first_of("{ ");
    if (end == rest_.npos || end == 0) return std::nullopt;
    sample.name = rest_.substr(0, end);
    rest_.remove_prefix(end);
    if (rest_.front() == '{' && !Labels(&sample)) return std::nullopt;
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
    const auto [at, error] = std::from_chars(
        rest_.data(), rest_.data() + rest_.size(), sample.value);
    if (error != std::errc()) return std::nullopt;
    return sample;
  }

 private:
  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool Labels(MetricSample* sample) {
    Take('{');
    while (!Take('}')) {
      const size_t equals = rest_.find('=');
      if (equals == rest_.npos) return false;
      const std::string key(rest_.substr(0, equals));
      rest_.remove_prefix(equals + 1);
      if (!Take('"') || !Value(&sample->labels[key])) return false;
      Take(',');
    }
    return true;
  }
  bool Value(std::string* value) {
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (c == '\\') {
        if (rest_.empty()) return false;
        c = rest_.front() == 'n' ? '\n' : rest_.front();
        rest_.remove_prefix(1);
      }
      value->push_back(c);
    }
    return false;
  }

  std::string_view rest_;
};

}  // namespace

std::vector<MetricSample> ParseMetricsText(std::string_view text) {
  std::vector<MetricSample> samples;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    if (auto sample = LineParser(line).Parse()) {
      samples.push_back(*std::move(sample));
    }
  }
  return samples;
}

double SumOf(const std::vector<MetricSample>& samples, std::string_view name,
             std::string_view label, std::string_view value) {
  double sum = 0;
  for (const MetricSample& sample : samples) {
    std::string_view bare = sample.name;
    if (bare.ends_with("_total") && !name.ends_with("_total")) {
      bare.remove_suffix(6);
    }
    if (bare != name) continue;
    if (!label.empty()) {
      const auto found = sample.labels.find(std::string(label));
      if (found == sample.labels.end() || found->second != value) continue;
    }
    sum += sample.value;
  }
  return sum;
}

}  // namespace khtrace::app
