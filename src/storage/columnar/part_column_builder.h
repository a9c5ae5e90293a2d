// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
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
  // A value whose text was interned (or refused) already.
  void CountValue() { ++values_; }
  bool gave_up() const { return gave_up_; }
  uint64_t values() const { return values_; }
  const std::vector<std::string_view>& texts() const { return texts_; }
  uint64_t text_bytes() const { return text_bytes_; }

 private:
  void GiveUp();
  void Grow();

  bool gave_up_ = false;
  uint64_t values_ = 0;
  uint64_t text_bytes_ = 0;
  std::vector<std::string_view> texts_;
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> slots_;  // code + 1, 0 = free; power-of-two size
};

// What the last column that asked for a batch's text knows of it, so that a
// text is hashed once a batch and column and not once a value.
struct TextMemo {
  uint32_t column = 0;  // Address(); 0 = nobody asked
  uint32_t code = 0;

  // Of an attribute column: by its position; distinct over all columns.
  static uint32_t Address(Table table, uint32_t position) {
    return (position * (kTables + 1) + static_cast<uint32_t>(table)) * 2 + 2;
  }
  static uint32_t Address(Table table, ColumnField field) {
    return Address(table, static_cast<uint32_t>(field)) + 1;
  }
};

// A text by its batch's position and its code there.
inline uint64_t TextReference(uint32_t batch, model::StringCode text) {
  return (uint64_t{batch} << 32) | text;
}

// Collects one column and writes it. First every text is interned, then row
// group by row group: values are added, then FinishChunk. Values of a text
// column are its interner's codes or, if that gave up, references.
class ColumnBuilder {
 public:
  ColumnBuilder(Table table, ColumnField field);
  ColumnBuilder(Table table, std::string key, ColumnType type);

  const Column& column() const { return column_; }
  TextInterner& interner() { return interner_; }
  const TextInterner& interner() const { return interner_; }
  // What was added since the last FinishChunk.
  std::span<const uint64_t> values() const { return {values_.get(), size_}; }

  // The text's code; `address` is the column's.
  uint32_t Intern(const model::SpanBatch& batch, model::StringCode text,
                  uint32_t address, std::vector<TextMemo>& memo) {
    interner_.CountValue();
    TextMemo& known = memo[text];
    if (known.column != address) {
      known = {address, interner_.Intern(batch.String(text))};
    }
    return known.code;
  }

  // Room for `n` more values, to be filled before anything else is added.
  uint64_t* Extend(size_t n) {
    if (size_ + n > capacity_) Grow(n);
    size_ += n;
    return values_.get() + size_ - n;
  }
  void Add(uint64_t value) { *Extend(1) = value; }
  // A text that nobody else keeps until FinishChunk.
  void AddOwnedText(std::string text) {
    owned_.push_back(std::move(text));
    texts_.push_back(owned_.back());
  }
  void AddEmpty(uint32_t n) { empties_ += n; }

  // `batches` are those that references count.
  void FinishChunk(PageSink& sink,
                   std::span<const model::SpanBatchPtr> batches);
  Column Take() { return std::move(column_); }

 private:
  void Grow(size_t n);
  void FinishTexts(PageSink& sink, std::span<const model::SpanBatchPtr> batches,
                   Chunk* chunk);
  // Chooses between dictionary and plain pages by their size; once.
  void ChooseForm(PageSink& sink);
  double GuessPlainBytes() const;
  void WriteTexts(PageSink& sink, Chunk* chunk);
  void WriteInts(PageSink& sink, Chunk* chunk);
  void SetZone(Chunk* chunk);

  Column column_;
  TextInterner interner_;
  bool form_chosen_ = false;
  std::optional<bool> templates_;  // of texts; empty: not tried yet
  std::vector<uint32_t> rank_;     // interner's code -> dictionary position
  // Not a vector: nothing is cleared that is overwritten anyway.
  std::unique_ptr<uint64_t[]> values_;
  size_t size_ = 0;
  size_t capacity_ = 0;  // of values_
  std::vector<std::string_view> texts_;
  std::deque<std::string> owned_;
  uint32_t empties_ = 0;
};

}  // namespace khtrace::storage::columnar
