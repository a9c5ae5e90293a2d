// SPDX-License-Identifier: Apache-2.0
#include "analysis/two_samples.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

namespace khtrace::analysis {

double ShareTest(uint64_t a, uint64_t a_all, uint64_t b, uint64_t b_all) {
  const auto n1 = static_cast<double>(a_all);
  const auto n2 = static_cast<double>(b_all);
  if (n1 == 0 || n2 == 0) return 1;
  const auto in_a = static_cast<double>(a);
  const auto in_b = static_cast<double>(b);
  const double pooled = (in_a + in_b) / (n1 + n2);
  const double variance = pooled * (1 - pooled) * (1 / n1 + 1 / n2);
  if (variance <= 0) return 1;
  return std::erfc(std::fabs(in_a / n1 - in_b / n2) / std::sqrt(2 * variance));
}

RankResult RankTest(const std::vector<double>& a,
                    const std::vector<double>& b) {
  if (a.empty() || b.empty()) return {};
  std::vector<std::pair<double, bool>> all;  // value, of a
  for (const double value : a) all.emplace_back(value, true);
  for (const double value : b) all.emplace_back(value, false);
  std::sort(all.begin(), all.end());
  const auto n1 = static_cast<double>(a.size());
  const auto n2 = static_cast<double>(b.size());
  const double n = n1 + n2;
  double ranks = 0;  // of a; equal values share the mean of their ranks
  double ties = 0;
  for (size_t i = 0; i < all.size();) {
    size_t end = i;
    size_t of_a = 0;
    for (; end < all.size() && all[end].first == all[i].first; ++end) {
      of_a += all[end].second ? 1 : 0;
    }
    const auto count = static_cast<double>(end - i);
    ranks += static_cast<double>(of_a) * (static_cast<double>(i + end + 1) / 2);
    ties += count * count * count - count;
    i = end;
  }
  const double u = ranks - n1 * (n1 + 1) / 2;
  RankResult result;
  result.effect = 2 * u / (n1 * n2) - 1;
  const double variance =
      n1 * n2 / 12 * ((n + 1) - (n > 1 ? ties / (n * (n - 1)) : 0));
  if (variance <= 0) return result;
  const double distance = std::fabs(u - n1 * n2 / 2);
  // One half less: ranks are whole numbers.
  result.p_value =
      std::erfc(std::max(0.0, distance - 0.5) / std::sqrt(2 * variance));
  return result;
}

std::vector<double> CorrectForManyTests(const std::vector<double>& p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> corrected(p_values.size());
  const auto tests = static_cast<double>(p_values.size());
  double least = 1;
  for (size_t rank = order.size(); rank > 0; --rank) {
    const size_t at = order[rank - 1];
    least = std::min(least, p_values[at] * tests / static_cast<double>(rank));
    corrected[at] = least;
  }
  return corrected;
}

double MedianOf(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle =
      values.begin() + static_cast<ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace khtrace::analysis
