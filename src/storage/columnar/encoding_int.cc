// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_int.h"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "base/hash.h"
#include "storage/columnar/encoding_bits.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/encoding_int_plan.h"
#include "storage/columnar/encoding_zstd.h"

// packed  := base u64 · base_width u8 · width u8 {blocks} ·
//            bases packed base_width · blocks · 8 zero bytes
// patched := the same with exceptions u8 {blocks} · exception_width u8
//            {blocks} behind the widths; a block is its packed low bits ·
//            positions u8 {exceptions} · high bits packed exception_width

namespace khtrace::storage::columnar {
namespace {

// More distinct values than this in a page are not worth a list.
constexpr size_t kMaxIndexed = 1024;
constexpr uint32_t kTransposeChunk = 4096;

void WritePatchedBlock(std::span<const uint64_t> block, const BlockPlan& plan,
                       std::string* out) {
  if (plan.exceptions == 0) {
    return PackBits(block.data(), block.size(), plan.base, plan.patched_width,
                    out);
  }
  std::array<uint64_t, kIntBlock> low;
  std::array<uint64_t, kIntBlock> high;
  std::string positions;
  const uint64_t mask = WidthMask(plan.patched_width);
  for (size_t i = 0; i < block.size(); ++i) {
    const uint64_t value = block[i] - plan.base;
    low[i] = value & mask;
    if (value <= mask) continue;
    high[positions.size()] = value >> plan.patched_width;
    positions.push_back(static_cast<char>(i));
  }
  PackBits(low.data(), block.size(), plan.patched_width, out);
  out->append(positions);
  PackBits(high.data(), positions.size(), plan.exception_width, out);
}

void WriteBlocks(std::span<const uint64_t> values, const PagePlan& page,
                 bool patched, std::string* out) {
  out->reserve(out->size() +
               (patched ? page.patched_bytes : page.packed_bytes) + 16);
  ByteWriter writer(*out);
  writer.U64(page.base);
  writer.U8(static_cast<uint8_t>(page.base_width));
  for (const BlockPlan& b : page.blocks) {
    writer.U8(patched ? b.patched_width : b.width);
  }
  if (patched) {
    for (const BlockPlan& b : page.blocks) writer.U8(b.exceptions);
    for (const BlockPlan& b : page.blocks) writer.U8(b.exception_width);
  }
  std::vector<uint64_t> bases;
  for (const BlockPlan& b : page.blocks) bases.push_back(b.base - page.base);
  PackBits(bases.data(), bases.size(), page.base_width, out);
  for (size_t b = 0; b < page.blocks.size(); ++b) {
    const auto block = values.subspan(
        b * kIntBlock,
        std::min<size_t>(kIntBlock, values.size() - b * kIntBlock));
    if (patched) {
      WritePatchedBlock(block, page.blocks[b], out);
      continue;
    }
    PackBits(block.data(), block.size(), page.blocks[b].base,
             page.blocks[b].width, out);
  }
  out->append(kPackedSlack, '\0');
}

// The sorted distinct values, or nothing if there are more than kMaxIndexed.
class DistinctValues {
 public:
  // `least` and `greatest` are those of `values`. Close together they are
  // their own slots.
  DistinctValues(std::span<const uint64_t> values, uint64_t least,
                 uint64_t greatest)
      : least_(least), dense_(greatest - least < kSlots) {
    for (const uint64_t v : values) {
      if (!Add(v)) {
        sorted_.clear();
        return;
      }
    }
    std::sort(sorted_.begin(), sorted_.end());
    for (size_t i = 0; i < sorted_.size(); ++i) {
      rank_[Slot(sorted_[i])] = static_cast<uint16_t>(i);
    }
  }
  const std::vector<uint64_t>& sorted() const { return sorted_; }
  uint64_t Rank(uint64_t value) const { return rank_[Slot(value)]; }

 private:
  static constexpr size_t kSlots = 4 * kMaxIndexed;

  size_t Slot(uint64_t value) const {
    if (dense_) return value - least_;
    size_t slot = Mix64(value) % kSlots;
    while (used_[slot] && keys_[slot] != value) slot = (slot + 1) % kSlots;
    return slot;
  }
  bool Add(uint64_t value) {
    const size_t slot = Slot(value);
    if (used_[slot]) return true;
    if (sorted_.size() == kMaxIndexed) return false;
    used_[slot] = true;
    keys_[slot] = value;
    sorted_.push_back(value);
    return true;
  }

  const uint64_t least_;
  const bool dense_;
  std::array<bool, kSlots> used_{};
  std::array<uint64_t, kSlots> keys_;
  std::array<uint16_t, kSlots> rank_;
  std::vector<uint64_t> sorted_;
};

std::string Transpose(std::span<const uint64_t> values, int level) {
  std::string page(BlockCount(values.size()) * 0, '\0');
  const size_t chunks = (values.size() + kTransposeChunk - 1) / kTransposeChunk;
  std::string sizes;
  ByteWriter size_writer(sizes);
  std::string planes;
  for (size_t c = 0; c < chunks; ++c) {
    const size_t begin = c * kTransposeChunk;
    const size_t n = std::min<size_t>(kTransposeChunk, values.size() - begin);
    planes.resize(n * 8);
    for (size_t i = 0; i < n; ++i) {
      for (size_t b = 0; b < 8; ++b) {
        planes[b * n + i] = static_cast<char>(values[begin + i] >> (8 * b));
      }
    }
    const size_t before = page.size();
    AppendZstd(planes, level, &page);
    size_writer.U32(static_cast<uint32_t>(page.size() - before));
  }
  return sizes + page;
}

bool AllEqual(std::span<const uint64_t> values) {
  return std::all_of(values.begin(), values.end(),
                     [&](uint64_t v) { return v == values[0]; });
}

void WritePlain(std::span<const uint64_t> values, std::string* out) {
  out->append(reinterpret_cast<const char*>(values.data()),
              values.size_bytes());
}

Error Damaged(std::string_view what) {
  return {Code::kDataLoss, "malformed integers: " + std::string(what)};
}

}  // namespace

Encoding EncodeInts(std::span<const uint64_t> values, IntHint hint,
                    int zstd_level, std::string* out) {
  if (hint == IntHint::kPlain) {
    WritePlain(values, out);
    return Encoding::kPlain;
  }
  if (hint != IntHint::kNoConstant && AllEqual(values)) {
    ByteWriter(*out).Varint(values[0]);
    return Encoding::kConstant;
  }
  const PagePlan page = PlanPage(values, true);
  Encoding best = Encoding::kPacked;
  size_t best_bytes = page.packed_bytes;
  const auto consider = [&](Encoding encoding, size_t bytes) {
    if (bytes >= best_bytes) return;
    best = encoding;
    best_bytes = bytes;
  };
  consider(Encoding::kPatched, page.patched_bytes);
  consider(Encoding::kPlain, values.size() * 8);
  std::string transposed;
  if (hint == IntHint::kDoubles) {
    transposed = Transpose(values, zstd_level);
    consider(Encoding::kTransposed, transposed.size());
  }
  // A list of values pays only where a value takes more than a byte.
  if (hint != IntHint::kCodes && best_bytes > values.size() / 2) {
    const DistinctValues distinct(values, page.base, page.greatest);
    if (!distinct.sorted().empty()) {
      std::vector<uint64_t> positions(values.size());
      std::transform(values.begin(), values.end(), positions.begin(),
                     [&](uint64_t v) { return distinct.Rank(v); });
      const PagePlan indexed = PlanPage(positions, false);
      if (indexed.packed_bytes + 4 + 8 * distinct.sorted().size() <
          best_bytes) {
        ByteWriter(*out).U32(static_cast<uint32_t>(distinct.sorted().size()));
        WritePlain(distinct.sorted(), out);
        WriteBlocks(positions, indexed, false, out);
        return Encoding::kIndexed;
      }
    }
  }
  switch (best) {
    case Encoding::kPlain:
      WritePlain(values, out);
      break;
    case Encoding::kTransposed:
      out->append(transposed);
      break;
    default:
      WriteBlocks(values, page, best == Encoding::kPatched, out);
  }
  return best;
}

Result<IntPage> IntPage::Open(Encoding encoding, std::string_view bytes,
                              uint32_t count) {
  IntPage page;
  page.encoding_ = encoding;
  page.count_ = count;
  page.bytes_ = bytes;
  switch (encoding) {
    case Encoding::kConstant: {
      ByteReader reader(bytes);
      page.constant_ = reader.Varint();
      if (!reader.ok()) return Damaged("no constant");
      return page;
    }
    case Encoding::kPlain:
      if (bytes.size() != uint64_t{count} * 8) return Damaged("plain size");
      return page;
    case Encoding::kTransposed:
      if (bytes.size() / 4 <
          (uint64_t{count} + kTransposeChunk - 1) / kTransposeChunk) {
        return Damaged("too few chunks");
      }
      return page;
    case Encoding::kIndexed:
      RETURN_IF_ERROR(page.OpenIndexed(bytes));
      return page;
    case Encoding::kPacked:
    case Encoding::kPatched:
      RETURN_IF_ERROR(page.OpenBlocks(bytes));
      return page;
    default:
      return Error{Code::kUnimplemented,
                   "unknown integer encoding " +
                       std::to_string(static_cast<unsigned>(encoding))};
  }
}

Status IntPage::OpenIndexed(std::string_view bytes) {
  ByteReader reader(bytes);
  distinct_count_ = reader.U32();
  distinct_ = reader.Bytes(uint64_t{distinct_count_} * 8).data();
  if (!reader.ok()) return Damaged("short list of values");
  return OpenBlocks(reader.Rest());
}

Status IntPage::OpenBlocks(std::string_view bytes) {
  const uint32_t blocks = BlockCount(count_);
  ByteReader reader(bytes);
  base_ = reader.U64();
  base_width_ = reader.U8();
  widths_ = reader.Bytes(blocks).data();
  if (encoding_ == Encoding::kPatched) {
    exceptions_ = reader.Bytes(blocks).data();
    exception_widths_ = reader.Bytes(blocks).data();
  }
  if (base_width_ > 64) return Damaged("base width");
  bases_ = reader.Bytes(PackedBytes(blocks, base_width_)).data();
  if (!reader.ok()) return Damaged("short header");
  const std::string_view rest = reader.Rest();
  blocks_ = rest.data();
  uint64_t total = kPackedSlack;
  for (uint32_t b = 0; b < blocks; ++b) {
    const auto width = static_cast<uint8_t>(widths_[b]);
    if (width > 64) return Damaged("width");
    if (exceptions_ != nullptr) {
      const auto high = static_cast<uint8_t>(exception_widths_[b]);
      if (width + high > 64 || (exceptions_[b] != 0 && width == 64)) {
        return Damaged("exception width");
      }
    }
    total += BlockBytes(b);
  }
  if (total != rest.size()) return Damaged("size of blocks");
  return {};
}

size_t IntPage::BlockBytes(uint32_t block) const {
  const uint32_t values = std::min(kIntBlock, count_ - block * kIntBlock);
  size_t bytes = PackedBytes(values, static_cast<uint8_t>(widths_[block]));
  if (exceptions_ != nullptr) {
    const auto n = static_cast<uint8_t>(exceptions_[block]);
    bytes += n + PackedBytes(n, static_cast<uint8_t>(exception_widths_[block]));
  }
  return bytes;
}

// `out` has room for kIntBlock values.
void IntPage::DecodeBlock(uint32_t block, const char* packed,
                          uint64_t* out) const {
  const uint32_t values = std::min(kIntBlock, count_ - block * kIntBlock);
  const auto width = static_cast<uint8_t>(widths_[block]);
  UnpackBits(packed, values, width, out);
  if (exceptions_ != nullptr && exceptions_[block] != 0) {
    const auto n = static_cast<uint8_t>(exceptions_[block]);
    const char* positions = packed + PackedBytes(values, width);
    std::array<uint64_t, kIntBlock> high;
    UnpackBits(positions + n, n, static_cast<uint8_t>(exception_widths_[block]),
               high.data());
    for (uint8_t i = 0; i < n; ++i) {
      out[static_cast<uint8_t>(positions[i])] |= high[i] << width;
    }
  }
  const uint64_t base = base_ + UnpackOne(bases_, block, base_width_);
  for (uint32_t i = 0; i < kIntBlock; ++i) out[i] += base;
}

Status IntPage::DecodeBlocks(uint32_t begin, uint32_t n, uint64_t* out) const {
  uint32_t block = begin / kIntBlock;
  const char* packed = blocks_;
  for (uint32_t b = 0; b < block; ++b) packed += BlockBytes(b);
  uint32_t skip = begin % kIntBlock;
  std::array<uint64_t, kIntBlock> values{};
  for (uint32_t done = 0; done < n; ++block, skip = 0) {
    const uint32_t take = std::min(n - done, kIntBlock - skip);
    if (take == kIntBlock) {
      DecodeBlock(block, packed, out + done);
    } else {
      DecodeBlock(block, packed, values.data());
      std::copy_n(values.data() + skip, take, out + done);
    }
    done += take;
    packed += BlockBytes(block);
  }
  return Translate(n, out);
}

Status IntPage::Translate(uint32_t n, uint64_t* out) const {
  if (encoding_ != Encoding::kIndexed) return {};
  for (uint32_t i = 0; i < n; ++i) {
    if (out[i] >= distinct_count_) return Damaged("position in list");
    out[i] = LoadU64(distinct_ + out[i] * 8);
  }
  return {};
}

Status IntPage::DecodeTransposed(uint32_t begin, uint32_t n,
                                 uint64_t* out) const {
  const uint32_t chunks = (count_ + kTransposeChunk - 1) / kTransposeChunk;
  uint64_t offset = uint64_t{chunks} * 4;
  std::string planes;
  for (uint32_t c = 0; c < chunks; ++c) {
    const uint32_t stored = LoadU32(bytes_.data() + c * 4);
    if (stored > bytes_.size() - offset) return Damaged("chunk size");
    const uint32_t first = c * kTransposeChunk;
    const uint32_t values = std::min(kTransposeChunk, count_ - first);
    const uint32_t from = std::max(begin, first);
    const uint32_t to = std::min(begin + n, first + values);
    if (from < to) {
      RETURN_IF_ERROR(
          ReadZstd(bytes_.substr(offset, stored), size_t{values} * 8, &planes));
      for (uint32_t i = from; i < to; ++i) {
        uint64_t value = 0;
        for (size_t b = 0; b < 8; ++b) {
          const auto byte =
              static_cast<uint8_t>(planes[b * values + (i - first)]);
          value |= uint64_t{byte} << (8 * b);
        }
        out[i - begin] = value;
      }
    }
    offset += stored;
  }
  return {};
}

Status IntPage::Decode(uint32_t begin, uint32_t n, uint64_t* out) const {
  KHTRACE_DCHECK(begin <= count_ && n <= count_ - begin);
  if (n == 0) return {};  // `out` may be null then
  switch (encoding_) {
    case Encoding::kConstant:
      std::fill(out, out + n, constant_);
      return {};
    case Encoding::kPlain:
      std::memcpy(out, bytes_.data() + size_t{begin} * 8, size_t{n} * 8);
      return {};
    case Encoding::kTransposed:
      return DecodeTransposed(begin, n, out);
    default:
      return DecodeBlocks(begin, n, out);
  }
}

}  // namespace khtrace::storage::columnar
