// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/span_batch.h"
#include "query/metrics.h"
#include "query/search.h"

// For tests only: reads the files of tests/traceql/semantics/.

namespace khtrace::query::reference {

struct SemanticsStore {
  // Each trace in order of (start, span id, kind).
  std::vector<model::SpanBatchPtr> traces;
};

struct SemanticsCase {
  std::string where;  // "structure.txt:12"
  std::string query;
  std::shared_ptr<const SemanticsStore> store;
  SearchRequest search;    // without the query
  MetricsRequest metrics;  // likewise
  bool show_values = false;
  bool show_traces = false;
  bool show_times = false;
  bool show_exemplars = false;
  std::vector<std::string> expected;
  std::optional<std::string> error;  // a part of the message
};

Result<std::vector<SemanticsCase>> ReadSemantics(const std::string& path);

}  // namespace khtrace::query::reference
