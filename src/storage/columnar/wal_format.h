// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/span_batch.h"

// The bytes of a write-ahead log segment and its frames. Layout and worked
// example: docs/format/wal.md.
//
//   segment := header frame*
//   header  := magic[8] version:u32 zero:u32 first_sequence:u64
//              previous_sequence:u64 previous_bytes:u64 checksum:u64
//   frame   := size:u32 raw_size:u32 sequence:u64 checksum:u64 payload[size]

namespace khtrace::storage::columnar {

inline constexpr uint32_t kWalVersion = 1;
inline constexpr size_t kWalHeaderBytes = 48;
inline constexpr size_t kWalFrameBytes = 24;  // before the payload
// Of one batch before compression. Larger batches are refused: ingest limits
// requests far below.
inline constexpr size_t kWalMaxRawBytes = size_t{1} << 30;

struct WalHeader {
  uint64_t first_sequence = 0;
  // The segment before this one, and how many of its bytes count: what lies
  // behind was refused (its sync failed) and must not come back. 0 = there
  // was none.
  uint64_t previous_sequence = 0;
  uint64_t previous_bytes = 0;
};

// "<first sequence, 20 digits>.wal".
std::string WalFileName(uint64_t first_sequence);
// The first sequence, or nullopt for a name of another form.
std::optional<uint64_t> ParseWalFileName(std::string_view name);

std::array<char, kWalHeaderBytes> EncodeWalHeader(const WalHeader& header);
// kDataLoss: short, not a segment, or damaged. kUnimplemented: newer version.
Result<WalHeader> DecodeWalHeader(std::string_view file);

// A batch on its way into the log: all of a frame but the sequence, which is
// known only when it is written.
struct WalFrame {
  uint32_t raw_size = 0;
  uint64_t payload_hash = 0;
  std::string payload;  // EncodeBatch, then LZ4

  size_t bytes() const { return kWalFrameBytes + payload.size(); }
};

// kInvalidArgument: more than kWalMaxRawBytes.
Result<WalFrame> EncodeWalFrame(const model::SpanBatch& batch);
void AppendWalFrame(const WalFrame& frame, uint64_t sequence, std::string* out);

// A frame as it lies in a file.
struct WalFrameView {
  uint64_t sequence = 0;
  uint32_t raw_size = 0;
  std::string_view payload;
  size_t bytes() const { return kWalFrameBytes + payload.size(); }
};

// The frame at the beginning of `bytes`; nullopt if it is torn or damaged.
std::optional<WalFrameView> ParseWalFrame(std::string_view bytes);
// How far a damaged frame says it reaches, if that is inside `bytes`.
std::optional<size_t> ClaimedWalFrameBytes(std::string_view bytes);
Result<model::SpanBatch> DecodeWalFrame(const WalFrameView& frame);

}  // namespace khtrace::storage::columnar
