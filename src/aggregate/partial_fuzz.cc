// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "aggregate/partial.h"
#include "aggregate/testing.h"
#include "base/check.h"

// What can be parsed can be merged, and is written and parsed again as it is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using khtrace::aggregate::DescribePartial;
  using khtrace::aggregate::Partial;
  const auto partial =
      Partial::Parse({reinterpret_cast<const char*>(data), size});
  if (!partial) return 0;
  const std::string bytes = partial->Serialise();
  const auto again = Partial::Parse(bytes);
  KHTRACE_CHECK(again.has_value());
  KHTRACE_CHECK(DescribePartial(*partial) == DescribePartial(*again));
  KHTRACE_CHECK(again->Serialise() == bytes);
  Partial merged;
  merged.Merge(*partial, {.step_minutes = 5});
  merged.Merge(*partial, {.step_minutes = 5, .subtract = true});
  merged.DropEmptyRows();
  return 0;
}
