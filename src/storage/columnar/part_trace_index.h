// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/ids.h"

// From trace id to the trace's number in the part: a bucketed hash table with
// one-byte fingerprints (docs/format/part.md, "Trace index"). A look-up
// touches one bucket of about eight entries.

namespace khtrace::storage::columnar {

// Appends the index; `ids[i]` is trace i's.
void EncodeTraceIndex(std::span<const model::TraceId> ids, std::string* out);

// Borrows the page. Immutable.
class TraceIndex {
 public:
  // kDataLoss: malformed.
  static Result<TraceIndex> Open(std::string_view page, uint64_t traces);

  // Numbers (< traces) of the traces that may have this id: at most one has.
  // Replaces `out`.
  Status Candidates(const model::TraceId& id, std::vector<uint32_t>* out) const;

 private:
  uint64_t traces_ = 0;
  unsigned bucket_bits_ = 0;
  unsigned ordinal_width_ = 0;
  const char* ends_ = nullptr;
  const char* fingerprints_ = nullptr;
  const char* ordinals_ = nullptr;
};

}  // namespace khtrace::storage::columnar
