// SPDX-License-Identifier: Apache-2.0
// Holds OTLP's two encodings to one meaning: protobuf bytes that decode must
// come out the same after a detour through JSON.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "codec/otlp.h"
#include "model/testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using khtrace::model::DescribeBatch;
  const auto from_protobuf = khtrace::codec::DecodeOtlpProtobuf(
      std::string(reinterpret_cast<const char*>(data), size));
  if (!from_protobuf) return 0;
  std::string json = "{\"resourceSpans\":";
  khtrace::codec::EncodeOtlpJson(from_protobuf->batch,
                                 khtrace::codec::OtlpJsonStyle::kOtlp, &json);
  json += "}";
  const auto from_json = khtrace::codec::DecodeOtlpJson(json);
  KHTRACE_CHECK(from_json.has_value());
  KHTRACE_CHECK(DescribeBatch(from_protobuf->batch) ==
                DescribeBatch(from_json->batch));
  return 0;
}
