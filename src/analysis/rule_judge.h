// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "analysis/options.h"
#include "query/span_judge.h"

namespace khtrace::analysis {

// Judges spans for queries as reports judge operations: by category rules,
// targets and overrides. A span's grade is that of its duration. Immutable.
class RuleJudge : public query::SpanJudge {
 public:
  explicit RuleJudge(AnalysisOptions options);

  const std::vector<std::string>& categories() const override {
    return categories_;
  }
  Judgement Judge(const Subject& subject) const override;
  const std::string& identity() const override { return identity_; }

 private:
  const AnalysisOptions options_;
  std::vector<std::string> categories_;  // in the order of the options
  std::string identity_;
};

}  // namespace khtrace::analysis
