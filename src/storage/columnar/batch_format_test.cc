// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/batch_format.h"

#include <gtest/gtest.h>

#include "model/span_batch_builder.h"
#include "model/testing.h"
#include "storage/columnar/batch_layout.h"

namespace khtrace::storage::columnar {
namespace {

using model::SpanBatch;

SpanBatch SmallBatch(uint64_t seed) {
  return model::RandomBatchForTesting(seed, {.span_count = 6});
}

TEST(BatchFormat, EmptyBatchComesBack) {
  auto decoded = DecodeBatch(EncodeBatch(SpanBatch()));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_TRUE(decoded->empty());
}

TEST(BatchFormat, RandomBatchesComeBackSpanForSpan) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    model::RandomBatchOptions options;
    options.odd_times = seed % 2 == 0;
    options.span_count = static_cast<uint32_t>(seed);
    const SpanBatch batch = model::RandomBatchForTesting(seed, options);
    const SpanBatch compact = model::Compact(batch);
    auto decoded = DecodeBatch(EncodeBatch(compact));
    ASSERT_TRUE(decoded) << decoded.error().message << " seed " << seed;
    ASSERT_EQ(decoded->row_count(), batch.row_count());
    for (model::RowIndex row = 0; row < batch.row_count(); ++row) {
      ASSERT_EQ(DescribeSpan(batch, row), DescribeSpan(*decoded, row)) << seed;
    }
  }
}

TEST(BatchFormat, BatchThatIsNotCompactComesBackToo) {
  const SpanBatch batch = model::RandomBatchForTesting(7);
  auto decoded = DecodeBatch(EncodeBatch(batch));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(DescribeBatch(batch), DescribeBatch(*decoded));
}

TEST(BatchFormat, EveryTruncationIsRefused) {
  const std::string bytes = EncodeBatch(SmallBatch(3));
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto decoded = DecodeBatch(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(decoded) << size;
    EXPECT_EQ(decoded.error().code, Code::kDataLoss);
  }
}

TEST(BatchFormat, FlippedBytesNeverCrash) {
  const std::string bytes = EncodeBatch(SmallBatch(4));
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      if (auto decoded = DecodeBatch(damaged)) model::DescribeBatch(*decoded);
    }
  }
}

TEST(BatchFormat, NewerVersionIsRefusedByName) {
  std::string bytes = EncodeBatch(model::RandomBatchForTesting(4));
  bytes[0] = static_cast<char>(kBatchVersion + 1);
  auto decoded = DecodeBatch(bytes);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Code::kUnimplemented);
  EXPECT_NE(decoded.error().message.find("version 2"), std::string::npos);
}

TEST(BatchFormat, TraceThatRepeatsCostsAByteASpan) {
  model::SpanBatchBuilder builder;
  model::SpanBatchBuilder::SpanFields fields;
  fields.trace_id = {1, 2};
  for (uint64_t i = 1; i <= 1000; ++i) {
    fields.span_id = {i << 40};
    builder.AddSpan(fields);
  }
  // 8 of the span id, one each of trace, parent, start, end and shape.
  EXPECT_LT(EncodeBatch(builder.Build()).size(), 1000 * 13 + 100u);
}

}  // namespace
}  // namespace khtrace::storage::columnar
