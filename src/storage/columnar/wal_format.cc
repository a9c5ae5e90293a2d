// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/wal_format.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "base/hash.h"
#include "storage/columnar/batch_format.h"
#include "storage/columnar/encoding_bytes.h"
#include "wire/compression.h"

namespace khtrace::storage::columnar {
namespace {

constexpr std::string_view kMagic = "KHTRWAL\n";
constexpr std::string_view kSuffix = ".wal";
constexpr size_t kDigits = 20;
// Offsets in the header.
constexpr size_t kVersionAt = 8;
constexpr size_t kHeaderChecksumAt = 40;
// Offset in a frame, of the fields that its checksum covers with the payload.
constexpr size_t kFrameChecksumAt = 16;

uint64_t FrameChecksum(std::string_view first_fields, uint64_t payload_hash) {
  return Hash64(first_fields, payload_hash);
}

}  // namespace

std::string WalFileName(uint64_t first_sequence) {
  return fmt::format("{:020}{}", first_sequence, kSuffix);
}

std::optional<uint64_t> ParseWalFileName(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  uint64_t sequence = 0;
  const char* end = name.data() + kDigits;
  const auto parsed = std::from_chars(name.data(), end, sequence);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return sequence;
}

std::array<char, kWalHeaderBytes> EncodeWalHeader(const WalHeader& header) {
  std::string bytes(kMagic);
  ByteWriter out(bytes);
  out.U32(kWalVersion);
  out.U32(0);
  out.U64(header.first_sequence);
  out.U64(header.previous_sequence);
  out.U64(header.previous_bytes);
  out.U64(Hash64(bytes));
  std::array<char, kWalHeaderBytes> fixed;
  std::memcpy(fixed.data(), bytes.data(), fixed.size());
  return fixed;
}

Result<WalHeader> DecodeWalHeader(std::string_view file) {
  if (file.size() < kWalHeaderBytes) {
    return Error{Code::kDataLoss,
                 fmt::format("{} bytes are no segment header", file.size())};
  }
  if (!file.starts_with(kMagic)) {
    return Error{Code::kDataLoss, "not a write-ahead log segment"};
  }
  if (LoadU64(file.data() + kHeaderChecksumAt) !=
      Hash64(file.substr(0, kHeaderChecksumAt))) {
    return Error{Code::kDataLoss, "the segment header is damaged"};
  }
  ByteReader in(file.substr(kVersionAt));
  const uint32_t version = in.U32();
  if (version > kWalVersion) {
    return Error{Code::kUnimplemented,
                 fmt::format("version {} is newer than {}, the newest that "
                             "this program reads",
                             version, kWalVersion)};
  }
  in.U32();
  WalHeader header;
  header.first_sequence = in.U64();
  header.previous_sequence = in.U64();
  header.previous_bytes = in.U64();
  return header;
}

Result<WalFrame> EncodeWalFrame(const model::SpanBatch& batch) {
  const std::string raw = EncodeBatch(batch);
  if (raw.size() > kWalMaxRawBytes) {
    return Error{Code::kInvalidArgument,
                 fmt::format("cannot log a batch of {} bytes, limit {}",
                             raw.size(), kWalMaxRawBytes)};
  }
  WalFrame frame;
  frame.raw_size = static_cast<uint32_t>(raw.size());
  frame.payload = wire::Lz4Compress(raw);
  frame.payload_hash = Hash64(frame.payload);
  return frame;
}

void AppendWalFrame(const WalFrame& frame, uint64_t sequence,
                    std::string* out) {
  const size_t begin = out->size();
  ByteWriter writer(*out);
  writer.U32(static_cast<uint32_t>(frame.payload.size()));
  writer.U32(frame.raw_size);
  writer.U64(sequence);
  writer.U64(
      FrameChecksum(std::string_view(*out).substr(begin), frame.payload_hash));
  out->append(frame.payload);
}

std::optional<size_t> ClaimedWalFrameBytes(std::string_view bytes) {
  if (bytes.size() < kWalFrameBytes) return std::nullopt;
  const size_t claimed = kWalFrameBytes + size_t{LoadU32(bytes.data())};
  if (claimed > bytes.size()) return std::nullopt;
  return claimed;
}

std::optional<WalFrameView> ParseWalFrame(std::string_view bytes) {
  const std::optional<size_t> size = ClaimedWalFrameBytes(bytes);
  if (!size) return std::nullopt;
  const std::string_view payload =
      bytes.substr(kWalFrameBytes, *size - kWalFrameBytes);
  const uint64_t checksum =
      FrameChecksum(bytes.substr(0, kFrameChecksumAt), Hash64(payload));
  if (checksum != LoadU64(bytes.data() + kFrameChecksumAt)) return std::nullopt;
  return WalFrameView{LoadU64(bytes.data() + 8), LoadU32(bytes.data() + 4),
                      payload};
}

Result<model::SpanBatch> DecodeWalFrame(const WalFrameView& frame) {
  if (frame.raw_size > kWalMaxRawBytes) {
    return Error{Code::kDataLoss,
                 fmt::format("a batch claims {} bytes, limit {}",
                             frame.raw_size, kWalMaxRawBytes)};
  }
  ASSIGN_OR_RETURN(const std::string raw,
                   wire::Lz4Decompress(frame.payload, frame.raw_size));
  return DecodeBatch(raw);
}

}  // namespace khtrace::storage::columnar
