// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/trace_store.h"

namespace khtrace::alerting {

// A reader for many queries over the same windows: what the first one brought
// in order and decoded is there for the next ones, cut into slices that have an
// identity if all of their spans start within the window (MetricsRequest::
// sliding). Frames belong to one thread, so this does as well: external. Scans
// that it gives must be gone before Reset().
class SharedScanReader : public storage::TraceReader {
 public:
  // `reader` outlives this.
  explicit SharedScanReader(storage::TraceReader& reader) : reader_(reader) {}
  ~SharedScanReader() override;

  // Lets go of everything that was read.
  void Reset();

  // Snapshots of the first scan of this tenant and window since Reset().
  Result<std::unique_ptr<storage::FrameScan>> Scan(
      const RequestContext& context,
      const storage::FrameRequest& request) override;

  Result<model::SpanBatchPtr> GetTrace(const RequestContext& context,
                                       const model::TraceId& id,
                                       const storage::TimeHint& hint) override {
    return reader_.GetTrace(context, id, hint);
  }
  Result<std::vector<std::string>> Services(
      const RequestContext& context) override {
    return reader_.Services(context);
  }
  Result<std::vector<storage::Operation>> Operations(
      const RequestContext& context, std::string_view service) override {
    return reader_.Operations(context, service);
  }
  Result<std::vector<storage::DependencyEdge>> Dependencies(
      const RequestContext& context, UnixNanos start, UnixNanos end) override {
    return reader_.Dependencies(context, start, end);
  }
  Result<aggregate::Partial> Aggregate(
      const RequestContext& context,
      const storage::AggregateRequest& request) override {
    return reader_.Aggregate(context, request);
  }
  Result<storage::AttributeKeys> Keys(const RequestContext& context,
                                      UnixNanos start, UnixNanos end) override {
    return reader_.Keys(context, start, end);
  }
  Result<storage::StoreStats> Stats(const RequestContext& context) override {
    return reader_.Stats(context);
  }

 private:
  struct Kept;
  Status Fill(const RequestContext& context, Kept* kept) const;

  storage::TraceReader& reader_;
  // Every column that was asked for: from the second round on, the first scan
  // has all that the others need.
  std::vector<storage::FrameKey> columns_;
  std::vector<std::shared_ptr<Kept>> kept_;  // by tenant and window
};

}  // namespace khtrace::alerting
