// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_computed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "model/testing.h"
#include "storage/columnar/part_testing.h"

namespace khtrace::storage::columnar {
namespace {

using model::SpanBatch;
using model::SpanBatchPtr;

// From the batch alone, by the definitions of docs/format/part.md.
class Naive {
 public:
  explicit Naive(const SpanBatch& batch) : batch_(batch) {
    const size_t n = batch.row_count();
    std::map<uint64_t, uint32_t> rows;
    for (uint32_t i = 0; i < n; ++i) {
      rows.try_emplace(batch.spans().span_id[i].value, i);
    }
    std::vector<uint32_t> parents;
    for (uint32_t i = 0; i < n; ++i) {
      const uint64_t id = batch.spans().parent_span_id[i].value;
      const auto it = rows.find(id);
      parents.push_back(id == 0 || it == rows.end() ? aggregate::kNoRow
                                                    : it->second);
    }
    tree_.SetParents(parents);
  }
  uint32_t Parent(uint32_t row) const { return tree_.parents()[row]; }
  uint64_t Start(uint32_t row) const { return batch_.spans().start[row].ns; }
  uint64_t End(uint32_t row) const {
    return std::max(Start(row), batch_.spans().end[row].ns);
  }
  // Between each two neighbouring times at which something begins or ends,
  // either a child runs or none does.
  uint64_t SelfNanos(uint32_t row) const {
    std::vector<uint64_t> times = {Start(row), End(row)};
    for (const uint32_t child : tree_.children(row)) {
      times.push_back(std::clamp(Start(child), Start(row), End(row)));
      times.push_back(std::clamp(End(child), Start(row), End(row)));
    }
    std::sort(times.begin(), times.end());
    uint64_t self = 0;
    for (size_t i = 0; i + 1 < times.size(); ++i) {
      bool covered = false;
      for (const uint32_t child : tree_.children(row)) {
        covered |= Start(child) <= times[i] && times[i + 1] <= End(child);
      }
      if (!covered) self += times[i + 1] - times[i];
    }
    return self;
  }
  uint32_t Root() const {
    for (uint32_t row = 0; row < batch_.row_count(); ++row) {
      if (batch_.spans().parent_span_id[row].IsZero()) return row;
    }
    uint32_t row = 0;
    while (Parent(row) != aggregate::kNoRow) ++row;
    return row;
  }

 private:
  const SpanBatch& batch_;
  aggregate::SpanTree tree_;
};

void ExpectComputed(const Part& part, const model::TraceId& id) {
  const auto trace = part.GetTrace({}, id);
  ASSERT_TRUE(trace.has_value() && *trace != nullptr);
  const auto computed = part.GetComputed({}, id);
  ASSERT_TRUE(computed.has_value()) << computed.error().message;
  ASSERT_TRUE(computed->has_value());
  const ComputedSpans& c = **computed;
  const Naive naive(**trace);
  const size_t n = (*trace)->row_count();
  std::vector<uint32_t> children(n);
  uint64_t critical = 0;
  for (uint32_t row = 0; row < n; ++row) {
    ASSERT_EQ(c.parent[row], naive.Parent(row));
    ASSERT_EQ(c.self_nanos[row], naive.SelfNanos(row));
    ASSERT_LE(c.critical_nanos[row], naive.End(row) - naive.Start(row));
    critical += c.critical_nanos[row];
    if (c.parent[row] == aggregate::kNoRow) continue;
    ++children[c.parent[row]];
    ASSERT_GT(c.nested_left[row], c.nested_left[c.parent[row]]);
    ASSERT_LT(c.nested_right[row], c.nested_right[c.parent[row]]);
  }
  ASSERT_EQ(c.child_count, children);
  ASSERT_EQ(critical, naive.End(naive.Root()) - naive.Start(naive.Root()));
}

TEST(PartComputed, EqualsWhatTheSpansSay) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    BytesFsForTesting fs;
    model::RandomBatchOptions options;
    options.span_count = 300;
    options.trace_count = static_cast<uint32_t>(1 + seed * 2);
    options.odd_times = seed % 2 == 1;
    const auto batch = std::make_shared<const SpanBatch>(
        model::RandomBatchForTesting(seed, options));
    PartWriteOptions write;
    write.row_group_spans = seed % 3 == 0 ? 64 : 65'536;
    ASSERT_TRUE(
        WritePart(fs, "p", std::span(&batch, 1), {}, write).has_value());
    const auto part = Part::Open(fs, "p");
    ASSERT_TRUE(part.has_value());
    std::set<model::TraceId> ids(batch->spans().trace_id.begin(),
                                 batch->spans().trace_id.end());
    for (const model::TraceId& id : ids) {
      ASSERT_NO_FATAL_FAILURE(ExpectComputed(**part, id)) << seed;
    }
  }
}

TEST(PartComputed, TracesNameTheirRootAndItsScope) {
  BytesFsForTesting fs;
  model::RandomBatchOptions options;
  options.trace_count = 40;
  const auto batch = std::make_shared<const SpanBatch>(
      model::RandomBatchForTesting(3, options));
  ASSERT_TRUE(WritePart(fs, "p", std::span(&batch, 1), {}).has_value());
  const auto part = Part::Open(fs, "p");
  const auto file = PartFile::Open(fs, "p");
  ASSERT_TRUE(part.has_value() && file.has_value());
  const auto read = [&](ColumnField field) {
    std::vector<uint64_t> values;
    const uint32_t column = (*file)->Field(Table::kTrace, field);
    EXPECT_TRUE((*file)
                    ->ReadInts(column, 0, 0,
                               (*file)->column(column).chunks[0].values,
                               &values)
                    .has_value());
    return values;
  };
  const auto high = read(ColumnField::kTraceIdHigh);
  const auto low = read(ColumnField::kTraceIdLow);
  const auto roots = read(ColumnField::kRoot);
  const auto scopes = read(ColumnField::kScope);
  const auto names = read(ColumnField::kName);
  const auto texts =
      (*file)->Dictionary((*file)->Field(Table::kTrace, ColumnField::kName));
  ASSERT_TRUE(texts.has_value());
  std::map<uint64_t, std::string> services;  // by scope: one each
  for (size_t t = 0; t < roots.size(); ++t) {
    const auto trace = (*part)->GetTrace({}, {high[t], low[t]});
    ASSERT_TRUE(trace.has_value() && *trace != nullptr);
    if (roots[t] == 0) {
      EXPECT_EQ(scopes[t], 0u);
      EXPECT_EQ((*texts)->texts[names[t]], "");
      continue;
    }
    const auto row = static_cast<model::RowIndex>(roots[t] - 1);
    EXPECT_TRUE((*trace)->spans().parent_span_id[row].IsZero());
    EXPECT_EQ((*texts)->texts[names[t]],
              (*trace)->String((*trace)->spans().name[row]));
    const auto it =
        services.try_emplace(scopes[t], (*trace)->ServiceName(row)).first;
    EXPECT_EQ(it->second, (*trace)->ServiceName(row));
  }
}

TEST(PartComputed, MissingTraceHasNothing) {
  BytesFsForTesting fs;
  const auto batch =
      std::make_shared<const SpanBatch>(model::RandomBatchForTesting(1, {}));
  ASSERT_TRUE(WritePart(fs, "p", std::span(&batch, 1), {}).has_value());
  const auto part = Part::Open(fs, "p");
  ASSERT_TRUE(part.has_value());
  const auto computed = (*part)->GetComputed({}, {123, 456});
  ASSERT_TRUE(computed.has_value());
  EXPECT_FALSE(computed->has_value());
}

TEST(PartComputed, CriticalCodesAreOneToOne) {
  for (const uint64_t self : {uint64_t{0}, uint64_t{1}, uint64_t{1000}}) {
    for (const uint64_t critical : {uint64_t{0}, uint64_t{1}, uint64_t{999},
                                    uint64_t{1000}, uint64_t{1} << 40}) {
      EXPECT_EQ(CriticalFromCode(CriticalCode(critical, self), self), critical);
    }
  }
}

}  // namespace
}  // namespace khtrace::storage::columnar
