// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/request_context.h"
#include "storage/columnar/part_file.h"
#include "storage/columnar/part_predicate.h"
#include "storage/trace_store.h"

namespace khtrace::storage::columnar {

// One FindTraces over one part. Used once, confined to one thread. Borrows
// everything.
class PartSearch {
 public:
  // `scopes` has one span for each scope of the part, of that scope and with
  // nothing else.
  PartSearch(const PartFile& file, const model::SpanBatch& scopes,
             const ScanRequest& request);

  // Newest row groups first, until `request.limit` traces are found and the
  // remaining groups cannot have newer ones. kDataLoss comes after what the
  // other row groups have.
  Status Run(const RequestContext& context, std::vector<TraceMatch>* matches,
             ScanStats* stats);

 private:
  // A column in which a condition may find its value.
  struct Target {
    uint32_t column = 0;
    // With a dictionary: for each position whether it holds.
    std::vector<uint8_t> positions;
  };
  struct Plan {
    Predicate predicate;
    // For each scope whether its spans hold, whatever else they have.
    std::vector<uint8_t> scopes;
    bool any_scope = false;
    std::vector<Target> targets;
  };
  // Which rows of a table hold: one byte each.
  using Mask = std::vector<uint8_t>;
  // What of the current row group was decoded so far.
  struct Group {
    size_t number = 0;
    std::array<std::vector<uint64_t>, kTables + 1> shapes;
    std::vector<uint64_t> scopes;
  };

  Result<bool> MakePlans();
  Result<bool> AddTarget(uint32_t column, Plan* plan);
  bool GroupMayMatch(size_t group) const;
  bool TargetMayMatch(const Plan& plan, const Target& target,
                      size_t group) const;
  Result<bool> SearchGroup(Mask* selected);
  Status SearchGroup(size_t group, std::vector<TraceMatch>* matches);
  Status SelectTimes(Mask* selected);
  Status ApplyPlan(const Plan& plan, Mask* selected);
  Status ApplyTarget(const Plan& plan, const Target& target, Mask* mask);
  // Which of a chunk's values hold; false: none.
  Result<bool> TestValues(const Plan& plan, const Target& target, Mask* hits);
  Result<bool> TestTexts(const Plan& plan, const Target& target, Mask* hits);
  Status HitsToSpans(const Column& column, uint32_t number, const Mask& hits,
                     Mask* mask);
  Status CollectTraces(const Mask& selected, std::vector<TraceMatch>* matches);
  Status Read(Table table, ColumnField field, std::vector<uint64_t>* out);
  Status ReadColumn(uint32_t column, std::vector<uint64_t>* out);

  const PartFile& file_;
  const model::SpanBatch& scopes_;
  const ScanRequest& request_;
  std::vector<Plan> plans_;
  Group group_;
  uint64_t read_bytes_ = 0;
};

}  // namespace khtrace::storage::columnar
