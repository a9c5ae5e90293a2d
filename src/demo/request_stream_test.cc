// SPDX-License-Identifier: Apache-2.0
#include "demo/request_stream.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "codec/otlp.h"

namespace khtrace::demo {
namespace {

using model::RowIndex;
using model::SpanBatch;

constexpr UnixNanos kStart{1'767'225'600'000'000'000};  // 2026-01-01

std::string FirstRequests(uint64_t seed, UnixNanos start) {
  RequestStreamOptions options;
  options.workload.seed = seed;
  options.start = start;
  RequestStream stream(options);
  std::string bytes;
  for (int i = 0; i < 3; ++i) codec::EncodeOtlpProtobuf(stream.Next(), &bytes);
  return bytes;
}

TEST(RequestStream, SameSeedAndStartGiveTheSameBytes) {
  EXPECT_EQ(FirstRequests(7, kStart), FirstRequests(7, kStart));
  EXPECT_NE(FirstRequests(7, kStart), FirstRequests(8, kStart));
  EXPECT_NE(FirstRequests(7, kStart), FirstRequests(7, {kStart.ns + 1}));
}

TEST(RequestStream, RequestsHoldEverySpanOfTheManifestOnce) {
  RequestStream stream({.start = kStart, .spans_per_request = 500});
  std::set<std::pair<model::TraceId, uint64_t>> seen;
  std::map<std::string, uint64_t> by_service;
  uint64_t rows = 0;
  uint64_t split_traces = 0;
  std::set<model::TraceId> earlier;
  const auto take = [&](const SpanBatch& batch) {
    std::set<model::TraceId> here;
    for (RowIndex row = 0; row < batch.row_count(); ++row) {
      seen.emplace(batch.spans().trace_id[row],
                   batch.spans().span_id[row].value);
      ++by_service[std::string(batch.ServiceName(row))];
      here.insert(batch.spans().trace_id[row]);
    }
    rows += batch.row_count();
    for (const model::TraceId& id : here) split_traces += earlier.count(id);
    earlier.insert(here.begin(), here.end());
  };
  for (int i = 0; i < 20; ++i) {
    const SpanBatch batch = stream.Next();
    EXPECT_GE(batch.row_count(), 400u);
    EXPECT_LE(batch.row_count(), 700u);
    take(batch);
  }
  for (SpanBatch last = stream.Finish(); !last.empty();
       last = stream.Finish()) {
    take(last);
  }
  EXPECT_EQ(rows, stream.manifest().spans);
  EXPECT_EQ(seen.size(), rows);
  EXPECT_GT(split_traces, 10u);
  for (size_t i = 0; i < kServiceCount; ++i) {
    const auto service = static_cast<ServiceId>(i);
    EXPECT_EQ(by_service[std::string(Spec(service).name)],
              stream.manifest().of(service).spans);
  }
}

TEST(RequestStream, SpansKeepTheirServiceVersionAndScope) {
  RequestStreamOptions options{.start = kStart};
  options.workload.deployment_at = kStart;
  RequestStream stream(options);
  std::set<std::string> versions;
  for (int i = 0; i < 5; ++i) {
    const SpanBatch batch = stream.Next();
    EXPECT_LE(batch.resources().size(), 2 * 60u);
    for (RowIndex row = 0; row < batch.row_count(); ++row) {
      const model::Attr* version =
          batch.Find(batch.ResourceOf(row).attributes, "service.version");
      ASSERT_NE(version, nullptr);
      if (batch.ServiceName(row) == "knowledgehub-api") {
        versions.emplace(batch.Value(*version).bytes);
      }
      EXPECT_FALSE(batch.String(batch.ScopeOf(row).name).empty());
    }
  }
  EXPECT_TRUE(versions.contains("2.14.2"));
  EXPECT_TRUE(versions.contains("2.15.0"));
}

TEST(RequestStream, SpansComeAtTheRateAskedFor) {
  RequestStream stream({.start = kStart, .spans_per_second = 5000});
  uint64_t spans = 0;
  while (spans < 50'000) spans += stream.Next().row_count();
  const double seconds =
      static_cast<double>(stream.position().ns - kStart.ns) / 1e9;
  EXPECT_NEAR(static_cast<double>(spans) / seconds, 5000, 400);
}

TEST(RequestStream, RoundTripsThroughOtlp) {
  RequestStream stream({.start = kStart});
  const SpanBatch batch = stream.Next();
  std::string bytes;
  codec::EncodeOtlpProtobuf(batch, &bytes);
  const auto decoded = codec::DecodeOtlpProtobuf(std::move(bytes));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->batch.row_count(), batch.row_count());
  EXPECT_EQ(decoded->message, "");
}

}  // namespace
}  // namespace khtrace::demo
