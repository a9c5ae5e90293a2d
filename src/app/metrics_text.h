// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace khtrace::app {

struct MetricSample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

// Prometheus' text format (version 0.0.4). Lines that it does not understand
// are left out: the reader is a person who wants what there is.
std::vector<MetricSample> ParseMetricsText(std::string_view text);

// Sum of every sample of this name (with or without "_total") that carries
// the label; an empty `label` takes all.
double SumOf(const std::vector<MetricSample>& samples, std::string_view name,
             std::string_view label = {}, std::string_view value = {});

}  // namespace khtrace::app
