// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_trace_index.h"

#include <bit>

#include "storage/columnar/encoding_bits.h"
#include "storage/columnar/encoding_bytes.h"

// bucket_bits u8 · ordinal_width u8 · bucket_end u32 {2^bucket_bits} ·
// fingerprint u8 {traces} · ordinals packed {traces} · 8 zero bytes

namespace khtrace::storage::columnar {
namespace {

// Entries a bucket holds on average, as a power of two. Larger: a smaller
// directory (4 bytes a bucket); smaller: fewer entries to look at.
constexpr unsigned kBucketShift = 3;
constexpr unsigned kMaxBucketBits = 28;

uint64_t HashOf(const model::TraceId& id) { return model::TraceIdHash{}(id); }
uint64_t BucketOf(uint64_t hash, unsigned bits) {
  return bits == 0 ? 0 : hash >> (64 - bits);
}

}  // namespace

void EncodeTraceIndex(std::span<const model::TraceId> ids, std::string* out) {
  const size_t n = ids.size();
  const unsigned bits =
      std::bit_width(n) <= kBucketShift
          ? 0
          : std::min<unsigned>(kMaxBucketBits,
                               std::bit_width(n) - kBucketShift);
  const unsigned width = n <= 1 ? 0 : std::bit_width(n - 1);
  std::vector<uint32_t> place((size_t{1} << bits) + 1);
  for (const model::TraceId& id : ids) ++place[BucketOf(HashOf(id), bits) + 1];
  for (size_t b = 1; b < place.size(); ++b) place[b] += place[b - 1];
  ByteWriter writer(*out);
  writer.U8(static_cast<uint8_t>(bits));
  writer.U8(static_cast<uint8_t>(width));
  for (size_t b = 1; b < place.size(); ++b) writer.U32(place[b]);
  std::string fingerprints(n, '\0');
  std::vector<uint64_t> ordinals(n);
  for (size_t i = 0; i < n; ++i) {
    const uint64_t hash = HashOf(ids[i]);
    const uint32_t at = place[BucketOf(hash, bits)]++;
    fingerprints[at] = static_cast<char>(hash);
    ordinals[at] = i;
  }
  out->append(fingerprints);
  PackBits(ordinals.data(), n, width, out);
  out->append(kPackedSlack, '\0');
}

Result<TraceIndex> TraceIndex::Open(std::string_view page, uint64_t traces) {
  const Error damaged{Code::kDataLoss, "malformed trace index"};
  TraceIndex index;
  ByteReader reader(page);
  index.traces_ = traces;
  index.bucket_bits_ = reader.U8();
  index.ordinal_width_ = reader.U8();
  if (index.bucket_bits_ > kMaxBucketBits || index.ordinal_width_ > 32) {
    return damaged;
  }
  index.ends_ = reader.Bytes(uint64_t{4} << index.bucket_bits_).data();
  index.fingerprints_ = reader.Bytes(traces).data();
  index.ordinals_ =
      reader.Bytes(PackedBytes(traces, index.ordinal_width_) + kPackedSlack)
          .data();
  if (!reader.ok() || reader.remaining() != 0) return damaged;
  return index;
}

Status TraceIndex::Candidates(const model::TraceId& id,
                              std::vector<uint32_t>* out) const {
  out->clear();
  const uint64_t hash = HashOf(id);
  const uint64_t bucket = BucketOf(hash, bucket_bits_);
  const uint32_t begin = bucket == 0 ? 0 : LoadU32(ends_ + (bucket - 1) * 4);
  const uint32_t end = LoadU32(ends_ + bucket * 4);
  if (begin > end || end > traces_) {
    return Error{Code::kDataLoss, "malformed trace index: bucket"};
  }
  for (uint32_t i = begin; i < end; ++i) {
    if (static_cast<uint8_t>(fingerprints_[i]) != static_cast<uint8_t>(hash)) {
      continue;
    }
    const uint64_t ordinal = UnpackOne(ordinals_, i, ordinal_width_);
    if (ordinal >= traces_) {
      return Error{Code::kDataLoss, "malformed trace index: ordinal"};
    }
    out->push_back(static_cast<uint32_t>(ordinal));
  }
  return {};
}

}  // namespace khtrace::storage::columnar
