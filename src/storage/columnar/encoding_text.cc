// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_text.h"

#include <algorithm>
#include <memory>

#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/encoding_zstd.h"

// text blocks := blocks u32 ·
//                (values u32 · raw_length u32 · stored_length u32){blocks} ·
//                blocks
// raw block   := length varint{values} · texts
// front-coded := (shared varint · suffix text){count}

namespace khtrace::storage::columnar {
namespace {

// Raw bytes of a block. Larger: compresses better; smaller: less to inflate
// Raw bytes of a block. Larger: compresses better; smaller: less to inflate
// for one trace, which costs more than all else that GetTrace does.
constexpr size_t kTextBlockBytes = 32 * 1024;

Error Damaged(std::string_view what) {
  return {Code::kDataLoss, "malformed texts: " + std::string(what)};
}
Error Unknown(std::string_view kind, Encoding encoding) {
  return {Code::kUnimplemented,
          "unknown " + std::string(kind) + " encoding " +
              std::to_string(static_cast<unsigned>(encoding))};
}

size_t BlockEnd(std::span<const std::string_view> texts, size_t begin) {
  size_t bytes = 0;
  size_t end = begin;
  while (end < texts.size() && bytes < kTextBlockBytes) {
    bytes += texts[end++].size() + 1;
  }
  return end;
}

// A block's texts, added to `out` from value `skip` on, `n` of them.
Status ReadBlock(std::string_view raw, uint32_t values, uint32_t skip,
                 uint32_t n, std::vector<std::string_view>* out) {
  if (values > raw.size()) return Damaged("more values than bytes");
  ByteReader lengths(raw);
  uint64_t before = 0;
  for (uint32_t i = 0; i < skip; ++i) before += lengths.Varint();
  const size_t first = out->size();
  uint64_t wanted = 0;
  for (uint32_t i = 0; i < n; ++i) {
    const uint64_t length = lengths.Varint();
    if (length > raw.size()) return Damaged("length of a text");
    wanted += length;
    out->push_back({raw.data(), length});  // its place follows below
  }
  uint64_t after = 0;
  for (uint32_t i = skip + n; i < values; ++i) after += lengths.Varint();
  if (!lengths.ok() || before > raw.size() || wanted > raw.size() ||
      after > raw.size() || before + wanted + after != lengths.remaining()) {
    return Damaged("lengths of a block");
  }
  const char* p = lengths.Rest().data() + before;
  for (size_t i = first; i < out->size(); ++i) {
    (*out)[i] = {p, (*out)[i].size()};
    p += (*out)[i].size();
  }
  return {};
}

}  // namespace

Encoding EncodeTextBlocks(std::span<const std::string_view> texts,
                          int zstd_level, std::string* out) {
  std::string directory;
  std::string blocks;
  std::string raw;
  uint32_t count = 0;
  for (size_t begin = 0; begin < texts.size(); ++count) {
    const size_t end = BlockEnd(texts, begin);
    raw.clear();
    ByteWriter writer(raw);
    for (size_t i = begin; i < end; ++i) writer.Varint(texts[i].size());
    for (size_t i = begin; i < end; ++i) raw.append(texts[i]);
    const size_t before = blocks.size();
    AppendZstd(raw, zstd_level, &blocks);
    if (blocks.size() - before >= raw.size()) {
      blocks.resize(before);
      blocks.append(raw);
    }
    ByteWriter entry(directory);
    entry.U32(static_cast<uint32_t>(end - begin));
    entry.U32(static_cast<uint32_t>(raw.size()));
    entry.U32(static_cast<uint32_t>(blocks.size() - before));
    begin = end;
  }
  ByteWriter(*out).U32(count);
  out->append(directory);
  out->append(blocks);
  return Encoding::kTextBlocks;
}

Status DecodeTextBlocks(Encoding encoding, std::string_view page,
                        uint32_t count, uint32_t begin, uint32_t n,
                        DecodedTexts* out) {
  if (encoding != Encoding::kTextBlocks) return Unknown("text", encoding);
  ByteReader reader(page);
  const uint64_t blocks = reader.U32();
  ByteReader directory(reader.Bytes(blocks * 12));
  if (!reader.ok()) return Damaged("short directory");
  const uint64_t end = uint64_t{begin} + n;
  uint64_t first = 0;
  for (uint64_t b = 0; b < blocks; ++b) {
    const uint32_t values = directory.U32();
    const uint32_t raw_length = directory.U32();
    const uint32_t stored_length = directory.U32();
    std::string_view raw = reader.Bytes(stored_length);
    if (!reader.ok() || stored_length > raw_length) return Damaged("block");
    const uint64_t from = std::max<uint64_t>(begin, first);
    const uint64_t to = std::min<uint64_t>(end, first + values);
    if (from < to) {
      if (stored_length < raw_length) {
        out->storage.push_back(std::make_unique<std::string>());
        RETURN_IF_ERROR(ReadZstd(raw, raw_length, out->storage.back().get()));
        raw = *out->storage.back();
      }
      RETURN_IF_ERROR(ReadBlock(raw, values,
                                static_cast<uint32_t>(from - first),
                                static_cast<uint32_t>(to - from), &out->texts));
    }
    first += values;
  }
  if (first != count || reader.remaining() != 0) return Damaged("count");
  return {};
}

Encoding EncodeBytes(std::string_view raw, Encoding as_is, Encoding zstd,
                     int zstd_level, std::string* out) {
  const size_t before = out->size();
  ByteWriter(*out).U32(static_cast<uint32_t>(raw.size()));
  AppendZstd(raw, zstd_level, out);
  if (out->size() - before < raw.size()) return zstd;
  out->resize(before);
  out->append(raw);
  return as_is;
}

Result<std::string_view> DecodeBytes(Encoding encoding, Encoding as_is,
                                     Encoding zstd, std::string_view page,
                                     std::string* storage) {
  if (encoding == as_is) return page;
  if (encoding != zstd) return Unknown("page", encoding);
  ByteReader reader(page);
  const uint32_t raw_length = reader.U32();
  if (!reader.ok()) return Damaged("short page");
  RETURN_IF_ERROR(ReadZstd(reader.Rest(), raw_length, storage));
  return std::string_view(*storage);
}

Encoding EncodeDictionary(std::span<const std::string_view> texts,
                          int zstd_level, std::string* out) {
  std::string raw;
  ByteWriter writer(raw);
  std::string_view previous;
  for (const std::string_view text : texts) {
    const auto differ = std::mismatch(previous.begin(), previous.end(),
                                      text.begin(), text.end());
    const auto shared = static_cast<size_t>(differ.second - text.begin());
    writer.Varint(shared);
    writer.Text(text.substr(shared));
    previous = text;
  }
  return EncodeBytes(raw, Encoding::kFrontCoded, Encoding::kFrontCodedZstd,
                     zstd_level, out);
}

Result<DecodedTexts> DecodeDictionary(Encoding encoding, std::string_view page,
                                      uint32_t count) {
  std::string inflated;
  ASSIGN_OR_RETURN(const std::string_view raw,
                   DecodeBytes(encoding, Encoding::kFrontCoded,
                               Encoding::kFrontCodedZstd, page, &inflated));
  if (count > raw.size() / 2) return Damaged("dictionary size");
  // Each text is written out in full; what they may take is bounded so that a
  // few crafted bytes cannot ask for gigabytes.
  constexpr uint64_t kMaxBytes = uint64_t{1} << 31;
  DecodedTexts result;
  result.storage.push_back(std::make_unique<std::string>());
  std::string& storage = *result.storage.back();
  std::vector<size_t> ends;
  ends.reserve(count);
  ByteReader reader(raw);
  size_t previous = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t shared = reader.Varint();
    const std::string_view suffix = reader.Text();
    const size_t begin = storage.size();
    if (!reader.ok() || shared > begin - previous ||
        begin + shared + suffix.size() > kMaxBytes) {
      return Damaged("dictionary entry");
    }
    storage.append(storage, previous, shared);
    storage.append(suffix);
    ends.push_back(storage.size());
    previous = begin;
  }
  if (reader.remaining() != 0) return Damaged("bytes behind a dictionary");
  result.texts.reserve(count);
  size_t begin = 0;
  for (const size_t end : ends) {
    result.texts.push_back({storage.data() + begin, end - begin});
    begin = end;
  }
  if (std::adjacent_find(result.texts.begin(), result.texts.end(),
                         std::greater_equal<>()) != result.texts.end()) {
    return Damaged("dictionary is not sorted");
  }
  return result;
}

}  // namespace khtrace::storage::columnar
