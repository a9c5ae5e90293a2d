// SPDX-License-Identifier: Apache-2.0
//
// Status    { code 1 varint, message 2 string, details 3 Any }
// Any       { type_url 1 string, value 2 bytes }
// RetryInfo { retry_delay 1 Duration }
// Duration  { seconds 1 varint, nanos 2 varint }
#include "net/grpc_status.h"

#include <cstdint>

namespace khtrace::net {
namespace {

void AppendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    out.push_back(static_cast<char>(value | 0x80));
  }
  out.push_back(static_cast<char>(value));
}

void AppendInt(std::string& out, int field, uint64_t value) {
  if (value == 0) return;  // proto3 leaves defaults out
  AppendVarint(out, static_cast<uint64_t>(field) << 3);
  AppendVarint(out, value);
}

void AppendBytes(std::string& out, int field, std::string_view bytes) {
  AppendVarint(out, static_cast<uint64_t>(field) << 3 | 2);
  AppendVarint(out, bytes.size());
  out += bytes;
}

}  // namespace

std::string EncodeRetryStatus(int code, std::string_view message,
                              std::chrono::milliseconds retry_after) {
  const uint64_t ms =
      retry_after.count() < 0 ? 0 : static_cast<uint64_t>(retry_after.count());
  std::string duration;
  AppendInt(duration, 1, ms / 1000);
  AppendInt(duration, 2, ms % 1000 * 1'000'000);
  std::string retry_info;
  AppendBytes(retry_info, 1, duration);
  std::string any;
  AppendBytes(any, 1, "type.googleapis.com/google.rpc.RetryInfo");
  AppendBytes(any, 2, retry_info);
  std::string status;
  AppendInt(status, 1, static_cast<uint64_t>(code));
  AppendBytes(status, 2, message);
  AppendBytes(status, 3, any);
  return status;
}

}  // namespace khtrace::net
