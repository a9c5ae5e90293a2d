// SPDX-License-Identifier: Apache-2.0
#include "app/allocator.h"

#include <malloc.h>

namespace khtrace::app {

// Request buffers and columns come and go by the megabyte. Few arenas and an
// early trim keep the resident size near what is in use; what is smaller than
// the first threshold is not given back and faulted in again each time (a
// column of a row group is: queries take half as long).
void TuneAllocator() {
  mallopt(M_ARENA_MAX, 4);
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

void TrimAllocator() {
  constexpr size_t kMuch = 64 << 20;
  if (mallinfo2().fordblks >= kMuch) malloc_trim(0);
}

}  // namespace khtrace::app
