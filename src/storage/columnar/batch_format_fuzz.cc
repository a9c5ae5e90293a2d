// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "model/testing.h"
#include "storage/columnar/batch_format.h"

// What decodes must be safe to read, and encode to the same spans again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using khtrace::storage::columnar::DecodeBatch;
  using khtrace::storage::columnar::EncodeBatch;
  auto batch = DecodeBatch({reinterpret_cast<const char*>(data), size});
  if (!batch) return 0;
  auto again = DecodeBatch(EncodeBatch(*batch));
  KHTRACE_CHECK(again.has_value());
  KHTRACE_CHECK(khtrace::model::DescribeBatch(*batch) ==
                khtrace::model::DescribeBatch(*again));
  return 0;
}
