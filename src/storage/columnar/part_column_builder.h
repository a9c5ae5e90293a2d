// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "model/span_batch.h"
#include "storage/columnar/part_footer.h"

namespace khtrace::storage::columnar {

// Appends pages to a part's file and remembers the first error, so that
// encoders need not look. Confined to one thread.
class PageSink {
 public:
  PageSink(WritableFile& file, int zstd_level)
      : file_(file), zstd_level_(zstd_level) {}

  int zstd_level() const { return zstd_level_; }
  uint64_t offset() const { return offset_; }
  // Bytes that belong to no page: header, footer, trailer.
  void AppendRaw(std::string_view bytes);
  PageRef Append(Encoding encoding, std::string_view bytes);
  // Writes what is buffered; the first error of all so far.
  Status Flush();

 private:
  WritableFile& file_;
  const int zstd_level_;
  uint64_t offset_ = 0;
  std::string buffer_;
  Status status_;
};

// The distinct texts of a column, as long as they are few. Texts are
// borrowed.
class TextInterner {
 public:
  static constexpr uint32_t kNoCode = UINT32_MAX;

  // The text's code in order of first sight, or kNoCode once there are too
  // many texts for a dictionary.
  uint32_t Intern(std::string_view text);
  // Counts a value whose text was interned (or refused) already.
  void CountValue(std::string_view text) {
    ++values_;
    value_bytes_ += text.size();
    if (sample_.size() < kSampleBytes) sample_.append(text);
  }
  bool gave_up() const { return gave_up_; }
  uint64_t values() const { return values_; }
  uint64_t value_bytes() const { return value_bytes_; }
  uint64_t text_bytes() const { return text_bytes_; }
  const std::string& sample() const { return sample_; }
  const std::vector<std::string_view>& texts() const { return texts_; }

 private:
  // What the estimate of compressed pages is made from.
  static constexpr size_t kSampleBytes = 32 * 1024;

  void GiveUp();
  void Grow();

  bool gave_up_ = false;
  uint64_t values_ = 0;
  uint64_t value_bytes_ = 0;
  uint64_t text_bytes_ = 0;
  std::string sample_;
  std::vector<std::string_view> texts_;
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> slots_;  // code + 1, 0 = free; power-of-two size
};

// Collects one column and writes it. First every text is interned, then
// FinishDictionary, then row group by row group: Add… and FinishChunk.
class ColumnBuilder {
 public:
  ColumnBuilder(Table table, ColumnField field);
  ColumnBuilder(Table table, std::string key, ColumnType type);

  const Column& column() const { return column_; }
  TextInterner& interner() { return interner_; }

  // Chooses between dictionary and plain pages by their size, writes the
  // dictionary.
  void FinishDictionary(PageSink& sink);

  void AddInt(uint64_t value) { ints_.push_back(value); }
  // `interned` is what the interner said of the text. The text itself is
  // looked up only where it is needed: mostly that would be a cache miss.
  void AddText(const model::SpanBatch& batch, model::StringCode text,
               uint32_t interned) {
    if (column_.dictionary_size > 0) {
      ints_.push_back(rank_[interned]);
    } else {
      texts_.push_back(batch.String(text));
    }
  }
  // A text that nobody else keeps until FinishChunk.
  void AddOwnedText(std::string text) {
    owned_.push_back(std::move(text));
    texts_.push_back(owned_.back());
  }
  void AddEmpty() { ++empties_; }

  void FinishChunk(PageSink& sink);
  Column Take() { return std::move(column_); }

 private:
  void WriteTexts(PageSink& sink, Chunk* chunk);
  void WriteInts(PageSink& sink, Chunk* chunk);
  void SetZone(Chunk* chunk) const;

  Column column_;
  TextInterner interner_;
  std::vector<uint32_t> rank_;  // interner's code -> dictionary position
  std::vector<uint64_t> ints_;
  std::vector<std::string_view> texts_;
  std::deque<std::string> owned_;
  uint32_t empties_ = 0;
};

}  // namespace khtrace::storage::columnar
