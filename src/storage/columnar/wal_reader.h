// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/fs.h"
#include "model/span_batch.h"

namespace khtrace::storage::columnar {

// A place in the log that could not be read though it was acknowledged, or
// may have been.
struct WalDamage {
  std::string file;
  uint64_t offset = 0;
  std::string what;
};

struct WalSegment {
  std::string path;
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;  // first_sequence - 1 if it holds no frame
  uint64_t file_bytes = 0;
  uint64_t good_bytes = 0;  // up to the end of the last good frame
};

struct WalReplay {
  std::vector<WalSegment> segments;  // in order
  std::vector<WalDamage> damage;
  uint64_t frames = 0;  // given to the visitor
  uint64_t next_sequence = 1;
  // Bytes of an unfinished write at the end of the last segment, which is
  // what a crash leaves behind. Nothing of it was acknowledged.
  uint64_t torn_bytes = 0;
};

using WalVisitor =
    std::function<Status(uint64_t sequence, model::SpanBatchPtr batch)>;

// Reads the log in `dir` and gives every frame with a sequence above `after`
// to `visit`, in order. Changes nothing. A damaged frame is reported and
// stepped over if the next one is whole; otherwise reading goes on with the
// next segment. Errors: the visitor's, the file system's, and kUnimplemented
// for a segment or batch of a newer version, naming the file.
Result<WalReplay> ReplayWal(Fs& fs, const std::string& dir, uint64_t after,
                            const WalVisitor& visit);

}  // namespace khtrace::storage::columnar
