// SPDX-License-Identifier: Apache-2.0
// Decodes arbitrary bytes as an OTLP/JSON request; what comes out must be a
// consistent batch that survives its own encoding.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "codec/otlp.h"
#include "model/testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using khtrace::codec::DecodeOtlpJson;
  using khtrace::model::DescribeBatch;
  const auto first = DecodeOtlpJson(
      std::string_view(reinterpret_cast<const char*>(data), size),
      {.max_attribute_depth = 5, .max_attributes = 20});
  if (!first) return 0;
  std::string json = "{\"resourceSpans\":";
  khtrace::codec::EncodeOtlpJson(first->batch,
                                 khtrace::codec::OtlpJsonStyle::kOtlp, &json);
  json += "}";
  const auto second = DecodeOtlpJson(json);
  KHTRACE_CHECK(second.has_value());
  KHTRACE_CHECK(DescribeBatch(first->batch) == DescribeBatch(second->batch));
  KHTRACE_CHECK(second->message.empty());
  return 0;
}
