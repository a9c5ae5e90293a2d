// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/store_options.h"

#include <fmt/format.h>

#include "base/request_context.h"
#include "base/text.h"

namespace khtrace::storage::columnar {
namespace {

constexpr uint64_t kMinHeadBytes = 16 << 20;
constexpr uint64_t kMinAggregateBytes = 16 << 20;
constexpr uint64_t kMinSegmentBytes = 64 << 10;

Status Refuse(std::string message) {
  return Error{Code::kInvalidArgument, std::move(message)};
}

// `of`: "" or " of tenant …".
Status ValidateLimits(const TenantLimits& limits, const std::string& of) {
  if (limits.retention.count() < 0) {
    return Refuse(fmt::format("retention{} is {} s, below zero", of,
                              limits.retention.count()));
  }
  // A smaller one would make a part of every few requests.
  constexpr uint64_t kMinMemory = 2 * kMinHeadBytes;
  if (limits.max_memory_bytes != 0 && limits.max_memory_bytes < kMinMemory) {
    return Refuse(fmt::format("max_memory_bytes{} is {}, at least {} is needed",
                              of, limits.max_memory_bytes, kMinMemory));
  }
  return {};
}

}  // namespace

const TenantLimits& StoreOptions::LimitsOf(std::string_view tenant) const {
  const auto found = tenants.find(tenant);
  return found == tenants.end() ? limits : found->second;
}

Status StoreOptions::Validate(std::vector<std::string>* warnings) const {
  if (data_dir.empty()) return Refuse("storage path is empty");
  if (head_max_bytes < kMinHeadBytes) {
    return Refuse(fmt::format("head_max_bytes is {}, at least {} is needed",
                              head_max_bytes, kMinHeadBytes));
  }
  if (wal.segment_bytes < kMinSegmentBytes) {
    return Refuse(fmt::format("wal segment_bytes is {}, at least {} is needed",
                              wal.segment_bytes, kMinSegmentBytes));
  }
  if (wal.queue_bytes == 0) return Refuse("wal queue_bytes is 0");
  if (wal_sync_interval.count() <= 0) {
    return Refuse(
        fmt::format("wal sync interval is {} ms, at least 1 is needed",
                    wal_sync_interval.count()));
  }
  if (head_max_age.count() <= 0) {
    return Refuse(fmt::format("head_max_age is {} s, at least 1 is needed",
                              head_max_age.count()));
  }
  RETURN_IF_ERROR(ValidateLimits(limits, ""));
  for (const auto& [tenant, own] : tenants) {
    if (Status valid = ValidateTenant(tenant); !valid) {
      return std::move(valid).error().With("storage tenants");
    }
    RETURN_IF_ERROR(
        ValidateLimits(own, fmt::format(" of tenant \"{}\"", tenant)));
  }
  if (!(retention_max_disk_fill >= 0 && retention_max_disk_fill <= 1)) {
    return Refuse(fmt::format("retention max_disk_fill is {}, not in 0 to 1",
                              retention_max_disk_fill));
  }
  if (trace_idle.count() < 0) {
    return Refuse(
        fmt::format("trace_idle is {} s, below zero", trace_idle.count()));
  }
  if (scrub_interval.count() <= 0) {
    return Refuse(fmt::format("scrub interval is {} s, at least 1 is needed",
                              scrub_interval.count()));
  }
  if (merge.min_parts < 2) {
    return Refuse(fmt::format("merge min_parts is {}, at least 2 are needed",
                              merge.min_parts));
  }
  if (aggregate_cache_bytes < kMinAggregateBytes) {
    return Refuse(
        fmt::format("aggregate_cache_bytes is {}, at least {} is needed",
                    aggregate_cache_bytes, kMinAggregateBytes));
  }
  if (max_tenants == 0) return Refuse("max_tenants is 0");
  if (limits.retention.count() > 0 && limits.retention < head_max_age) {
    warnings->push_back(fmt::format(
        "retention {} is shorter than head_max_age {}: spans are kept for the "
        "latter",
        FormatGoDuration(limits.retention), FormatGoDuration(head_max_age)));
  }
  if (wal.sync == WalSync::kNone) {
    warnings->push_back(
        "wal sync is none: acknowledged spans may be lost by a power cut");
  }
  return {};
}

}  // namespace khtrace::storage::columnar
