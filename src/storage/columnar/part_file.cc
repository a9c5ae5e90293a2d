// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/encoding_filter.h"
#include "storage/columnar/encoding_template.h"

// file    := "KHTPART" 0x01 · pages · footer · trailer
// trailer := footer_offset u64 · footer_length u32 · version u32 ·
//            footer_checksum u64 · trailer_checksum u64 · "KHTPTEND"

namespace khtrace::storage::columnar {
namespace {

Error NotAPart(const std::string& path, std::string_view why) {
  return {Code::kDataLoss, fmt::format("{}: {}", path, why)};
}

}  // namespace

Result<std::string_view> FindFooter(const std::string& path,
                                    std::string_view bytes) {
  if (bytes.size() < kPartMagic.size() + kPartTrailerBytes) {
    return NotAPart(path,
                    fmt::format("truncated part: {} bytes", bytes.size()));
  }
  if (!bytes.starts_with(kPartMagic)) {
    return NotAPart(path, "not a part file: wrong header");
  }
  const uint64_t trailer_offset = bytes.size() - kPartTrailerBytes;
  const std::string_view trailer = bytes.substr(trailer_offset);
  ByteReader reader(trailer);
  const uint64_t offset = reader.U64();
  const uint32_t length = reader.U32();
  const uint32_t version = reader.U32();
  const uint64_t footer_checksum = reader.U64();
  const uint64_t trailer_checksum = reader.U64();
  if (reader.Rest() != kPartEndMagic) {
    return NotAPart(path, "truncated part: no trailer");
  }
  if (Hash64(trailer.substr(0, 24)) != trailer_checksum) {
    return NotAPart(path, "corrupt trailer: its checksum differs");
  }
  if (version > kPartVersion) {
    return Error{Code::kUnimplemented,
                 fmt::format("{}: part format version {} is newer than this "
                             "program's {}",
                             path, version, kPartVersion)};
  }
  if (version == 0) return NotAPart(path, "part format version 0");
  if (offset < kPartMagic.size() || offset > trailer_offset ||
      length != trailer_offset - offset) {
    return NotAPart(path, "corrupt trailer: footer outside the file");
  }
  const std::string_view footer = bytes.substr(offset, length);
  if (Hash64(footer) != footer_checksum) {
    return NotAPart(path, "corrupt footer: its checksum differs");
  }
  return footer;
}

PartFile::PartFile(std::string path, std::shared_ptr<const MappedFile> file,
                   Footer footer)
    : path_(std::move(path)),
      file_(std::move(file)),
      bytes_(reinterpret_cast<const char*>(file_->bytes().data()),
             file_->bytes().size()),
      footer_(std::move(footer)),
      verified_(new std::atomic<uint8_t>[footer_.page_count] {}),
      dictionaries_(new DictionarySlot[footer_.columns.size()]) {
  first_traces_.push_back(0);
  for (const RowGroup& group : footer_.groups) {
    first_traces_.push_back(first_traces_.back() + group.traces);
  }
}

Result<std::unique_ptr<PartFile>> PartFile::Open(Fs& fs,
                                                 const std::string& path) {
  ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> file, fs.Map(path));
  const std::string_view bytes(
      reinterpret_cast<const char*>(file->bytes().data()),
      file->bytes().size());
  ASSIGN_OR_RETURN(const std::string_view footer_bytes,
                   FindFooter(path, bytes));
  const auto pages_end =
      static_cast<uint64_t>(footer_bytes.data() - bytes.data());
  Result<Footer> footer = ParseFooter(footer_bytes, pages_end);
  if (!footer) return std::move(footer).error().With(path);
  footer->info.file_bytes = bytes.size();
  return std::unique_ptr<PartFile>(
      new PartFile(path, std::move(file), *std::move(footer)));
}

Result<std::string_view> PartFile::Page(const PageRef& page) const {
  const std::string_view bytes = bytes_.substr(page.offset, page.length);
  // Racing readers may check twice; both find the same.
  std::atomic<uint8_t>& verified = verified_[page.number];
  if (verified.load(std::memory_order_relaxed) == 0) {
    if (Hash64(bytes) != page.checksum) {
      return Error{Code::kDataLoss,
                   fmt::format("corrupt page of {} bytes at offset {}: its "
                               "checksum differs",
                               page.length, page.offset)};
    }
    verified.store(1, std::memory_order_relaxed);
  }
  return bytes;
}

Error PartFile::Locate(Error error, uint32_t number, size_t group) const {
  const Column& column = footer_.columns[number];
  return std::move(error).With(fmt::format(
      "{}: column {}.{}, row group {}", path_, TableName(column.table),
      column.is_attribute() ? std::string_view(column.key)
                            : FieldName(column.field),
      group));
}

Status PartFile::ReadInts(uint32_t number, size_t group, uint32_t begin,
                          uint32_t n, std::vector<uint64_t>* out) const {
  const Column& column = footer_.columns[number];
  const Chunk& chunk = column.chunks[group];
  KHTRACE_CHECK(uint64_t{begin} + n <= chunk.values);
  out->resize(n);
  if (n == 0) return {};
  Result<std::string_view> bytes = Page(chunk.page);
  if (!bytes) return Locate(std::move(bytes).error(), number, group);
  Result<IntPage> page =
      IntPage::Open(chunk.page.encoding, *bytes, chunk.values);
  if (!page) return Locate(std::move(page).error(), number, group);
  if (Status read = page->Decode(begin, n, out->data()); !read) {
    return Locate(std::move(read).error(), number, group);
  }
  if (column.dictionary_size == 0) return {};
  const uint64_t greatest = *std::max_element(out->begin(), out->end());
  if (greatest < column.dictionary_size) return {};
  return Locate(
      {Code::kDataLoss, fmt::format("position {} in a dictionary of {}",
                                    greatest, column.dictionary_size)},
      number, group);
}

Status PartFile::ReadTexts(uint32_t number, size_t group, uint32_t begin,
                           uint32_t n, DecodedTexts* out) const {
  const Chunk& chunk = footer_.columns[number].chunks[group];
  KHTRACE_CHECK(uint64_t{begin} + n <= chunk.values);
  if (n == 0) return {};
  Result<std::string_view> bytes = Page(chunk.page);
  if (!bytes) return Locate(std::move(bytes).error(), number, group);
  if (Status read =
          DecodeTexts(chunk.page.encoding, *bytes, chunk.values, begin, n, out);
      !read) {
    return Locate(std::move(read).error(), number, group);
  }
  return {};
}

Status PartFile::FindText(uint32_t number, size_t group, std::string_view text,
                          std::vector<uint32_t>* positions) const {
  const Chunk& chunk = footer_.columns[number].chunks[group];
  positions->clear();
  if (chunk.values == 0) return {};
  Result<std::string_view> bytes = Page(chunk.page);
  if (!bytes) return Locate(std::move(bytes).error(), number, group);
  Status found = columnar::FindText(chunk.page.encoding, *bytes, chunk.values,
                                    text, positions);
  if (!found) return Locate(std::move(found).error(), number, group);
  return {};
}

Result<const DecodedTexts*> PartFile::Dictionary(uint32_t number) const {
  DictionarySlot& slot = dictionaries_[number];
  std::call_once(slot.once, [&] {
    const Column& column = footer_.columns[number];
    Result<std::string_view> bytes = Page(column.dictionary);
    if (!bytes) {
      slot.texts = std::move(bytes).error();
      return;
    }
    slot.texts = DecodeDictionary(column.dictionary.encoding, *bytes,
                                  column.dictionary_size);
  });
  if (!slot.texts->has_value()) {
    return Locate(Error(slot.texts->error()), number, 0).With("dictionary");
  }
  return &**slot.texts;
}

Result<bool> PartFile::MayContain(uint32_t number, size_t group,
                                  uint64_t hash) const {
  const Chunk& chunk = footer_.columns[number].chunks[group];
  if (!chunk.has_filter) return true;
  // A later version's: it could only have spared us reading the page.
  if (chunk.filter.encoding != Encoding::kFilter) return true;
  Result<std::string_view> bytes = Page(chunk.filter);
  if (!bytes) return Locate(std::move(bytes).error(), number, group);
  Result<bool> answer = FilterMayContain(*bytes, hash);
  if (!answer) return Locate(std::move(answer).error(), number, group);
  return answer;
}

Result<std::vector<TableShapes>> PartFile::ReadShapes() const {
  const auto damaged = [&](std::string_view what) {
    return Error{Code::kDataLoss, fmt::format("{}: shapes: {}", path_, what)};
  };
  Result<std::string_view> page = Page(footer_.shapes);
  if (!page) return std::move(page).error().With(path_ + ": shapes");
  std::string inflated;
  Result<std::string_view> raw =
      DecodeBytes(footer_.shapes.encoding, Encoding::kVarints,
                  Encoding::kVarintsZstd, *page, &inflated);
  if (!raw) return std::move(raw).error().With(path_ + ": shapes");
  ByteReader reader(*raw);
  std::vector<TableShapes> tables(kTables + 1);
  for (size_t t = 1; t < kTables; ++t) {  // all but traces
    TableShapes& shapes = tables[t];
    const uint64_t count = reader.Varint();
    for (uint64_t i = 0; i < count && reader.ok(); ++i) {
      const uint64_t size = reader.Varint();
      if (size > reader.remaining()) return damaged("size");
      for (uint64_t j = 0; j < size; ++j) {
        const uint64_t column = reader.Varint();
        if (column >= footer_.columns.size() ||
            !footer_.columns[column].is_attribute() ||
            footer_.columns[column].table != static_cast<Table>(t)) {
          return damaged("a column of another table");
        }
        shapes.columns.push_back(static_cast<uint32_t>(column));
      }
      shapes.ends.push_back(static_cast<uint32_t>(shapes.columns.size()));
    }
  }
  if (!reader.ok() || reader.remaining() != 0) return damaged("length");
  return tables;
}

Result<const TableShapes*> PartFile::Shapes(Table table) const {
  std::call_once(shapes_once_, [&] { shapes_ = ReadShapes(); });
  if (!shapes_->has_value()) return Error(shapes_->error());
  return &(**shapes_)[static_cast<size_t>(table)];
}

Result<TraceIndex> PartFile::Index() const {
  if (footer_.trace_index.encoding != Encoding::kTraceIndex) {
    return Error{Code::kUnimplemented, path_ + ": unknown trace index"};
  }
  Result<std::string_view> page = Page(footer_.trace_index);
  if (!page) return std::move(page).error().With(path_ + ": trace index");
  Result<TraceIndex> index = TraceIndex::Open(*page, footer_.info.trace_count);
  if (!index) return std::move(index).error().With(path_);
  return index;
}

Result<std::optional<aggregate::Partial>> PartFile::ReadAggregates(
    const aggregate::MergeOptions& options) const {
  const auto section = std::find_if(
      footer_.sections.begin(), footer_.sections.end(),
      [](const Section& s) { return s.kind == SectionKind::kAggregates; });
  std::optional<aggregate::Partial> none;
  if (section == footer_.sections.end()) return none;
  const auto located = [this](Error error) {
    return std::move(error).With(path_ + ": aggregates");
  };
  Result<std::string_view> page = Page(section->page);
  if (!page) return located(std::move(page).error());
  std::string inflated;
  Result<std::string_view> raw =
      DecodeBytes(section->page.encoding, Encoding::kVarints,
                  Encoding::kVarintsZstd, *page, &inflated);
  // A later version's.
  if (!raw && raw.error().code == Code::kUnimplemented) return none;
  if (!raw) return located(std::move(raw).error());
  Result<aggregate::Partial> partial = aggregate::Partial::Parse(*raw, options);
  if (!partial && partial.error().code == Code::kUnimplemented) return none;
  if (!partial) return located(std::move(partial).error());
  return std::optional<aggregate::Partial>(*std::move(partial));
}

}  // namespace khtrace::storage::columnar
