// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

// Is it chance that two groups differ? Pure; no model of latency.

namespace khtrace::analysis {

// The two-sided p-value of two shares, a of a_all and b of b_all (normal
// approximation, pooled). 1 if a group is empty.
double ShareTest(uint64_t a, uint64_t a_all, uint64_t b, uint64_t b_all);

// Whether values of `a` are greater than those of `b`: the rank test of Mann
// and Whitney (Annals of Mathematical Statistics 18, 1947) with its correction
// for ties. `effect`: the chance that one of `a` is greater minus the chance
// that it is less, -1 to 1 (Cliff's delta). 0 and 1 if a group is empty.
struct RankResult {
  double effect = 0;
  double p_value = 1;
};
RankResult RankTest(const std::vector<double>& a, const std::vector<double>& b);

// What p-values are among so many tests, in their order: Benjamini and
// Hochberg, Journal of the Royal Statistical Society B 57 (1995): p times the
// number of tests over its rank, made monotone.
std::vector<double> CorrectForManyTests(const std::vector<double>& p_values);

// Nearest rank; 0 of none.
double MedianOf(std::vector<double> values);

}  // namespace khtrace::analysis
