// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/params.h"
#include "base/check.h"

namespace khtrace::api {
namespace {

std::string Wording(std::string_view name, std::string_view reason) {
  return std::string(name) + std::string(reason);
}

void ReadAll(const net::QueryParams& query) {
  for (const auto& param : query) {
    const ParamReader::Names name = {param.key};
    ParamReader params(query, Wording);
    const int64_t limit = params.Integer(name, 5, 1, 9);
    KHTRACE_CHECK(limit >= 1 && limit <= 9);
    const auto duration = params.Duration(name);
    KHTRACE_CHECK(!duration || duration->count() >= 0);
    (void)params.Bool(name);
    (void)params.UnixTime(name, std::chrono::microseconds(1));
    (void)params.MicrosOrMillis(name);
    (void)params.Rfc3339(name);
    (void)params.Map(name);
    (void)ParseJaegerTraceId(param.value);
  }
}

}  // namespace
}  // namespace khtrace::api

// A query string, every parameter of it read as everything.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view query(reinterpret_cast<const char*>(data), size);
  khtrace::api::ReadAll(khtrace::net::QueryParams::Parse(query));
  return 0;
}
