// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/partial.h"
#include "base/fs.h"
#include "model/span_batch.h"
#include "storage/columnar/encoding_int.h"
#include "storage/columnar/encoding_text.h"
#include "storage/columnar/part_footer.h"
#include "storage/columnar/part_trace_index.h"

namespace khtrace::storage::columnar {

// The shapes of one table: each a list of positions in the footer's columns.
struct TableShapes {
  std::vector<uint32_t> ends;  // shape i: [ends[i - 1], ends[i]) of columns
  std::vector<uint32_t> columns;

  size_t count() const { return ends.size(); }
  std::span<const uint32_t> Shape(size_t i) const {
    const uint32_t begin = i == 0 ? 0 : ends[i - 1];
    return {columns.data() + begin, ends[i] - begin};
  }
};

// Checks header, trailer and footer of a part's bytes. The footer's bytes.
// kDataLoss, kUnimplemented (a newer version).
Result<std::string_view> FindFooter(const std::string& path,
                                    std::string_view bytes);

// A mapped part file: pages, checked against their checksum when first read,
// and what every reader of columns needs. Errors name the file, the column
// and the page. Immutable but for caches that fill themselves; thread-safe.
class PartFile {
 public:
  static Result<std::unique_ptr<PartFile>> Open(Fs& fs,
                                                const std::string& path);

  const std::string& path() const { return path_; }
  const Footer& footer() const { return footer_; }
  const Column& column(uint32_t number) const {
    return footer_.columns[number];
  }
  uint32_t Field(Table table, ColumnField field) const {
    return footer_.FieldColumn(table, field);
  }

  // Values [begin, begin + n) of a column's chunk. The range lies within
  // Chunk::values. Of a column with a dictionary: the positions, each checked
  // to lie within it. Replaces `out`.
  Status ReadInts(uint32_t column, size_t group, uint32_t begin, uint32_t n,
                  std::vector<uint64_t>* out) const;
  // Likewise for texts without a dictionary.
  Status ReadTexts(uint32_t column, size_t group, uint32_t begin, uint32_t n,
                   DecodedTexts* out) const;
  // Where among a chunk's texts (without a dictionary) this one is.
  Status FindText(uint32_t column, size_t group, std::string_view text,
                  std::vector<uint32_t>* positions) const;
  // Decoded when first asked for, then kept.
  Result<const DecodedTexts*> Dictionary(uint32_t column) const;
  // False if `hash` (Hash64 of a text) is certainly not in the chunk.
  Result<bool> MayContain(uint32_t column, size_t group, uint64_t hash) const;
  Result<const TableShapes*> Shapes(Table table) const;
  Result<TraceIndex> Index() const;
  // Part::ReadAggregates.
  Result<std::optional<aggregate::Partial>> ReadAggregates(
      const aggregate::MergeOptions& options) const;

  // First trace of each row group, and behind the last the number of all.
  const std::vector<uint64_t>& first_traces() const { return first_traces_; }

  // Adds file and column to an error found in a page's content.
  Error Locate(Error error, uint32_t column, size_t group) const;

  // Header, footer and every page: no byte of the file is left out.
  Status VerifyChecksums() const;
  // Part::Scrub.
  void Scrub(uint64_t max_bytes, ScrubProgress* progress,
             std::vector<Error>* damage) const;

 private:
  struct DictionarySlot {
    std::once_flag once;
    std::optional<Result<DecodedTexts>> texts;
  };

  // A page and what it is.
  struct Place {
    PageRef page;
    uint32_t column = kNoColumn;
    size_t group = 0;
    std::string_view what;  // "dictionary", …; empty: the values of a group
  };

  PartFile(std::string path, std::shared_ptr<const MappedFile> file,
           Footer footer);
  // The page's bytes, if its checksum holds.
  Result<std::string_view> Page(const PageRef& page) const;
  Result<std::vector<TableShapes>> ReadShapes() const;
  // Every page, in the order of the file.
  std::vector<Place> Places() const;
  // The page as the disk has it now, whatever a reader found before.
  Status Recheck(const Place& place) const;
  // Header, trailer and footer.
  Status RecheckFrame() const;

  const std::string path_;
  const std::shared_ptr<const MappedFile> file_;
  const std::string_view bytes_;
  const Footer footer_;
  std::vector<uint64_t> first_traces_;
  // By PageRef::number: 1 once the checksum was found right.
  const std::unique_ptr<std::atomic<uint8_t>[]> verified_;
  const std::unique_ptr<DictionarySlot[]> dictionaries_;
  mutable std::once_flag shapes_once_;
  mutable std::optional<Result<std::vector<TableShapes>>> shapes_;
};

}  // namespace khtrace::storage::columnar
