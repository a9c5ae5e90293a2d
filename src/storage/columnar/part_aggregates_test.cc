// SPDX-License-Identifier: Apache-2.0
// The aggregates written with a part, and what happens without them.
#include <gtest/gtest.h>

#include <cstring>

#include "aggregate/partial_builder.h"
#include "aggregate/testing.h"
#include "model/span_batch_builder.h"
#include "model/testing.h"
#include "storage/columnar/part_testing.h"
#include "storage/columnar/split_traces.h"
#include "storage/columnar/tenant_query.h"

namespace khtrace::storage::columnar {
namespace {

using aggregate::DescribePartial;
using model::SpanBatchPtr;

SpanBatchPtr RandomBatch(uint64_t seed) {
  model::RandomBatchOptions options;
  options.span_count = 300;
  options.odd_times = seed % 2 == 0;
  return std::make_shared<const model::SpanBatch>(
      model::RandomBatchForTesting(seed, options));
}

std::shared_ptr<const Part> Write(BytesFsForTesting& fs,
                                  const std::string& path,
                                  std::vector<SpanBatchPtr> batches,
                                  const PartWriteOptions& options = {}) {
  EXPECT_TRUE(WritePart(fs, path, batches, {}, options));
  return *Part::Open(fs, path);
}

// What a tenant with these parts and an empty head answers.
std::string Aggregated(std::vector<std::shared_ptr<const Part>> parts,
                       DamageLog* damage) {
  const TenantView view{std::make_shared<const PartList>(std::move(parts)),
                        {},
                        damage,
                        std::make_shared<AggregateCache>(),
                        std::make_shared<SplitTraces>()};
  const auto partial = Aggregate({}, view, {});
  return partial ? DescribePartial(*partial) : partial.error().message;
}

TEST(PartAggregates, AreThoseOfItsTraces) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    BytesFsForTesting fs;
    // The second batch repeats spans.
    const std::vector<SpanBatchPtr> batches = {
        RandomBatch(seed), RandomBatch(seed), RandomBatch(seed + 100)};
    const auto part = Write(fs, "p", batches, {.row_group_spans = 100});
    const auto stored = part->ReadAggregates({});
    ASSERT_TRUE(stored && *stored);
    ASSERT_EQ(DescribePartial(**stored),
              DescribePartial(aggregate::AggregateBatches(batches)));
  }
}

TEST(PartAggregates, PartWithoutThemIsReadInstead) {
  BytesFsForTesting fs;
  const SpanBatchPtr batch = RandomBatch(1);
  const auto with = Write(fs, "with", {batch});
  const auto without = Write(fs, "without", {batch}, {.aggregates = false});
  ASSERT_TRUE(without->ReadAggregates({}));
  EXPECT_FALSE(without->ReadAggregates({})->has_value());
  DamageLog damage;
  EXPECT_EQ(Aggregated({with}, &damage), Aggregated({without}, &damage));
  EXPECT_EQ(damage.places(), 0u);
}

TEST(PartAggregates, CorruptOnesAreNotedAndComputedAgain) {
  BytesFsForTesting fs;
  const auto good = Write(fs, "p", {RandomBatch(1)});
  DamageLog damage;
  const std::string expected = Aggregated({good}, &damage);
  uint64_t length = 0;
  for (const ColumnInfo& column : good->Columns()) {
    if (column.name == "aggregates") length = column.bytes;
  }
  ASSERT_GT(length, 0u);
  // The last page before the footer, whose length the trailer says.
  std::string& file = fs.files["p"];
  uint64_t footer = 0;
  std::memcpy(&footer, file.data() + file.size() - 40, sizeof footer);
  file[footer - length / 2] ^= 0x20;
  const auto bad = *Part::Open(fs, "p");
  const auto read = bad->ReadAggregates({});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kDataLoss);
  EXPECT_TRUE(read.error().message.starts_with("p: aggregates: "));
  EXPECT_EQ(Aggregated({bad}, &damage), expected);
  EXPECT_EQ(damage.places(), 1u);
}

// Spans of every trace in every part, some of them in several.
TEST(PartAggregates, SplitTracesCountAsWhole) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    BytesFsForTesting fs;
    const SpanBatchPtr all = RandomBatch(seed);
    std::vector<model::RowIndex> rows[3];
    for (model::RowIndex row = 0; row < all->row_count(); ++row) {
      rows[row % 3].push_back(row);
      if (row % 5 == 0) rows[(row + 1) % 3].push_back(row);
    }
    std::vector<std::shared_ptr<const Part>> parts;
    for (size_t i = 0; i < 3; ++i) {
      parts.push_back(Write(fs, "p" + std::to_string(i),
                            {std::make_shared<const model::SpanBatch>(
                                model::Compact(*all, rows[i]))}));
    }
    DamageLog damage;
    ASSERT_EQ(Aggregated(parts, &damage),
              DescribePartial(aggregate::AggregateBatches({&all, 1})));
  }
}

}  // namespace
}  // namespace khtrace::storage::columnar
