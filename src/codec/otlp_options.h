// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace khtrace::codec {

// Bounds of what one sender may make us hold. A span over one of them is
// dropped under its reason; the rest of the request is stored.
struct OtlpDecodeOptions {
  // Levels of arrays and kvlists inside an attribute. Larger: deeper trees
  // in the answers, more stack in every consumer that walks them.
  int max_attribute_depth = 32;
  // Attributes on one span, event or link. Larger: one span may hold more.
  // The attributes beyond are cut off and counted in the span's own
  // dropped_attributes_count, as an SDK's limit does.
  size_t max_attributes = 16384;
};

}  // namespace khtrace::codec
