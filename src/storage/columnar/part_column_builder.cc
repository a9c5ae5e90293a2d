// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_column_builder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/hash.h"
#include "base/release.h"
#include "storage/columnar/encoding_filter.h"
#include "storage/columnar/encoding_int.h"
#include "storage/columnar/encoding_template.h"
#include "storage/columnar/encoding_text.h"

namespace khtrace::storage::columnar {
namespace {

constexpr size_t kBufferBytes = 1 << 20;
// A dictionary is decoded whole and kept while its part is open. Larger: more
// columns get one; smaller: less to decode before the first answer.
constexpr size_t kMaxDictionaryTexts = 64 * 1024;
constexpr size_t kMaxDictionaryBytes = 1 << 20;
// A column whose texts hardly repeat is given up early.
constexpr size_t kTrialTexts = 8192;
// What the size of plain pages is guessed from.
constexpr size_t kSampleBytes = 64 * 1024;
constexpr int kSampleLevel = 1;

// How many texts ahead the caches are told of. Larger: what was fetched is
// gone again; smaller: not there yet.
constexpr size_t kFetchTexts = 12;

using model::AttrType;

IntHint HintOf(const Column& column) {
  if (column.dictionary_size > 0) return IntHint::kCodes;
  if (column.type == TypeOf(AttrType::kDouble)) return IntHint::kDoubles;
  if (column.field == ColumnField::kSpanId ||
      column.field == ColumnField::kParentId) {
    return IntHint::kPlain;
  }
  const bool bounds_rows =
      column.field == ColumnField::kTime ||
      (column.field == ColumnField::kTraceIdLow &&
       column.table == Table::kTrace) ||
      (column.field == ColumnField::kShape &&
       (column.table == Table::kScope || column.table == Table::kResource));
  return bounds_rows ? IntHint::kNoConstant : IntHint::kAny;
}

std::vector<uint64_t> HashesOf(const std::vector<std::string_view>& texts) {
  std::vector<uint64_t> hashes;
  hashes.reserve(texts.size());
  std::string_view previous;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string_view text = texts[i];
    if (i + kFetchTexts < texts.size()) {
      __builtin_prefetch(texts[i + kFetchTexts].data());
    }
    const bool same = !hashes.empty() && text == previous;
    hashes.push_back(same ? hashes.back() : Hash64(text));
    previous = text;
  }
  return hashes;
}

// Drops most of those that occur again.
std::vector<uint64_t> Distinct(const std::vector<uint64_t>& hashes) {
  std::vector<uint64_t> slots(std::bit_ceil(hashes.size() * 2 + 1), 0);
  std::vector<uint64_t> distinct;
  for (const uint64_t hash : hashes) {
    // A hash of 0 marks a free slot: then a duplicate does no harm.
    size_t slot = hash & (slots.size() - 1);
    while (slots[slot] != 0 && slots[slot] != hash) {
      slot = (slot + 1) & (slots.size() - 1);
    }
    if (slots[slot] == hash && hash != 0) continue;
    slots[slot] = hash;
    distinct.push_back(hash);
  }
  return distinct;
}

}  // namespace

void PageSink::AppendRaw(std::string_view bytes) {
  offset_ += bytes.size();
  buffer_.append(bytes);
  if (buffer_.size() >= kBufferBytes) (void)Flush();
}

PageRef PageSink::Append(Encoding encoding, std::string_view bytes) {
  const PageRef page{encoding, offset_, bytes.size(), Hash64(bytes), 0};
  AppendRaw(bytes);
  return page;
}

Status PageSink::Flush() {
  if (status_.has_value() && !buffer_.empty()) {
    status_ =
        file_.Append(std::as_bytes(std::span(buffer_.data(), buffer_.size())));
  }
  buffer_.clear();
  return status_;
}

uint32_t TextInterner::Intern(std::string_view text) {
  if (gave_up_) return kNoCode;
  if (texts_.size() * 2 >= slots_.size()) Grow();
  const uint64_t hash = TableHash(text);
  size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot] != 0) {
    const uint32_t code = slots_[slot] - 1;
    if (hashes_[code] == hash && texts_[code] == text) return code;
    slot = (slot + 1) & (slots_.size() - 1);
  }
  text_bytes_ += text.size();
  texts_.push_back(text);
  hashes_.push_back(hash);
  slots_[slot] = static_cast<uint32_t>(texts_.size());
  if (texts_.size() > kMaxDictionaryTexts ||
      text_bytes_ > kMaxDictionaryBytes ||
      (texts_.size() > kTrialTexts && texts_.size() > values_ / 2)) {
    GiveUp();
    return kNoCode;
  }
  return static_cast<uint32_t>(texts_.size() - 1);
}

void TextInterner::GiveUp() {
  gave_up_ = true;
  Release(texts_);
  Release(hashes_);
  Release(slots_);
}

void TextInterner::Grow() {
  slots_.assign(std::max<size_t>(16, slots_.size() * 4), 0);
  for (size_t i = 0; i < hashes_.size(); ++i) {
    size_t slot = hashes_[i] & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
}

ColumnBuilder::ColumnBuilder(Table table, ColumnField field) {
  column_.table = table;
  column_.field = field;
  column_.type =
      TypeOf(IsTextField(field) ? AttrType::kString : AttrType::kInt);
}

ColumnBuilder::ColumnBuilder(Table table, std::string key, ColumnType type) {
  column_.table = table;
  column_.type = type;
  column_.key = std::move(key);
}

void ColumnBuilder::Grow(size_t n) {
  capacity_ = n == 1 ? std::max<size_t>(64, capacity_ * 2) : size_ + n;
  auto larger = std::make_unique_for_overwrite<uint64_t[]>(capacity_);
  std::copy_n(values_.get(), size_, larger.get());
  values_ = std::move(larger);
}

// Bytes that the column would take without a dictionary, guessed from the
// first values of its first chunk.
double ColumnBuilder::GuessPlainBytes() const {
  std::vector<std::string_view> sample;
  for (size_t i = 0, bytes = 0; i < size_ && bytes < kSampleBytes; ++i) {
    sample.push_back(interner_.texts()[values_[i]]);
    bytes += sample.back().size();
  }
  std::string page;
  EncodeTextBlocks(sample, kSampleLevel, &page);
  return static_cast<double>(page.size()) *
             static_cast<double>(interner_.values()) /
             static_cast<double>(sample.size()) +
         1.25 * static_cast<double>(interner_.texts().size());  // the filter
}

void ColumnBuilder::ChooseForm(PageSink& sink) {
  form_chosen_ = true;
  const std::vector<std::string_view>& texts = interner_.texts();
  // Where values repeat a lot there is nothing to weigh. Codes are searched
  // many times faster: they may cost a little more.
  const bool weigh =
      texts.size() * 64 > interner_.values() && texts.size() > 16;
  const double most = weigh ? 1.1 * GuessPlainBytes() : 0;
  const double codes = static_cast<double>(interner_.values()) *
                       std::bit_width(texts.size() - 1) / 8;
  // Too many already if the dictionary shrank to an eighth.
  if (weigh && codes + static_cast<double>(interner_.text_bytes()) / 8 > most) {
    return;
  }
  std::vector<uint32_t> sorted(texts.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  std::sort(sorted.begin(), sorted.end(),
            [&](uint32_t a, uint32_t b) { return texts[a] < texts[b]; });
  std::vector<std::string_view> in_order;
  in_order.reserve(texts.size());
  for (const uint32_t code : sorted) in_order.push_back(texts[code]);
  std::string page;
  const Encoding encoding =
      EncodeDictionary(in_order, sink.zstd_level(), &page);
  if (weigh && codes + static_cast<double>(page.size()) > most) return;
  rank_.resize(texts.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    rank_[sorted[i]] = static_cast<uint32_t>(i);
  }
  column_.dictionary_size = static_cast<uint32_t>(texts.size());
  column_.dictionary = sink.Append(encoding, page);
}

void ColumnBuilder::FinishTexts(PageSink& sink,
                                std::span<const model::SpanBatchPtr> batches,
                                Chunk* chunk) {
  if (!interner_.gave_up() && !form_chosen_) ChooseForm(sink);
  if (column_.dictionary_size > 0) {
    for (size_t i = 0; i < size_; ++i) values_[i] = rank_[values_[i]];
    return WriteInts(sink, chunk);
  }
  texts_.reserve(size_);
  const auto text_of = [&](uint64_t reference) {
    return batches[reference >> 32]->String(static_cast<uint32_t>(reference));
  };
  for (size_t i = 0; i < size_; ++i) {
    if (!interner_.gave_up()) {
      texts_.push_back(interner_.texts()[values_[i]]);
      continue;
    }
    // Texts lie in many batches: where later ones are is fetched meanwhile.
    if (i + kFetchTexts < size_) {
      const uint64_t later = values_[i + kFetchTexts];
      __builtin_prefetch(
          &batches[later >> 32]->data().strings[static_cast<uint32_t>(later)]);
    }
    texts_.push_back(text_of(values_[i]));
  }
  WriteTexts(sink, chunk);
}

void ColumnBuilder::WriteTexts(PageSink& sink, Chunk* chunk) {
  std::string page;
  if (column_.type != TypeOf(AttrType::kString)) {
    const Encoding encoding =
        EncodeTextBlocks(texts_, sink.zstd_level(), &page);
    chunk->page = sink.Append(encoding, page);
    return;
  }
  const std::vector<uint64_t> hashes = HashesOf(texts_);
  if (!templates_.has_value()) templates_ = TemplatesPay(texts_);
  if (*templates_ &&
      EncodeTemplates(texts_, hashes, sink.zstd_level(), &page)) {
    chunk->page = sink.Append(Encoding::kTemplates, page);
  } else {
    const Encoding encoding =
        EncodeTextBlocks(texts_, sink.zstd_level(), &page);
    chunk->page = sink.Append(encoding, page);
  }
  std::string filter;
  EncodeFilter(Distinct(hashes), &filter);
  chunk->has_filter = true;
  chunk->filter = sink.Append(Encoding::kFilter, filter);
}

void ColumnBuilder::SetZone(Chunk* chunk) {
  chunk->has_zone = true;
  if (column_.type != TypeOf(AttrType::kDouble)) {
    const auto [low, high] =
        std::minmax_element(values_.get(), values_.get() + size_);
    chunk->min = *low;
    chunk->max = *high;
    return;
  }
  double low = HUGE_VAL;
  double high = -HUGE_VAL;
  for (const uint64_t bits : values()) {
    const auto value = std::bit_cast<double>(bits);
    if (std::isnan(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  chunk->min = std::bit_cast<uint64_t>(low);
  chunk->max = std::bit_cast<uint64_t>(high);
}

void ColumnBuilder::WriteInts(PageSink& sink, Chunk* chunk) {
  std::string page;
  const Encoding encoding =
      EncodeInts(values(), HintOf(column_), sink.zstd_level(), &page);
  chunk->page = sink.Append(encoding, page);
  const bool number_attribute = column_.is_attribute() && !column_.is_text();
  if (number_attribute || column_.field == ColumnField::kDuration) {
    SetZone(chunk);
  }
}

void ColumnBuilder::FinishChunk(PageSink& sink,
                                std::span<const model::SpanBatchPtr> batches) {
  Chunk& chunk = column_.chunks.emplace_back();
  chunk.values = static_cast<uint32_t>(size_ + texts_.size() + empties_);
  if (!texts_.empty()) {  // a mixed column's
    WriteTexts(sink, &chunk);
  } else if (size_ > 0 && column_.is_text()) {
    FinishTexts(sink, batches, &chunk);
  } else if (size_ > 0) {
    WriteInts(sink, &chunk);
  }
  size_ = 0;
  texts_.clear();
  owned_.clear();
  empties_ = 0;
}

}  // namespace khtrace::storage::columnar
