// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <vector>

#include "aggregate/partial.h"
#include "aggregate/partial_merge.h"
#include "base/check.h"

// Layout: docs/format/partial.md.
// partial := version varint · text_count varint · text* ·
//            (kind varint · length varint · table)*
// table   := rows varint · (length varint · stream)*
//
// Each field of a row has a stream of varints (a histogram four), so that
// likes lie beside likes for the compression that follows.

namespace khtrace::aggregate {
namespace {

constexpr uint64_t kVersion = 2;
// More than any row has: key fields, and those of a cell.
constexpr size_t kMaxStreams = 20;

uint64_t ZigZag(uint64_t difference) {
  return (difference << 1) ^ (0 - (difference >> 63));
}
uint64_t UnZigZag(uint64_t value) { return (value >> 1) ^ (0 - (value & 1)); }

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

// After an overrun every value is 0 and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes = {}) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  bool done() const { return bytes_.empty(); }
  size_t remaining() const { return bytes_.size(); }

  uint64_t Varint() {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes_.size() && i < 10; ++i) {
      const auto byte = static_cast<uint8_t>(bytes_[i]);
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i & 63);
      if (byte < 0x80) {
        bytes_.remove_prefix(i + 1);
        return value;
      }
    }
    return Fail();
  }
  std::string_view Text() {
    const uint64_t size = Varint();
    if (size > bytes_.size()) Fail();
    const std::string_view text = bytes_.substr(0, ok_ ? size : 0);
    bytes_.remove_prefix(text.size());
    return text;
  }

 private:
  uint64_t Fail() {
    ok_ = false;
    bytes_ = {};
    return 0;
  }
  std::string_view bytes_;
  bool ok_ = true;
};

// The sum that a histogram's counts say at least.
uint64_t LeastSum(const LatencyHistogram& histogram) {
  uint64_t sum = 0;
  for (const auto& bin : histogram.bins()) {
    sum += LatencyHistogram::LeastOf(bin.index) * bin.count;
  }
  return sum;
}

// Varints, one after the other, with one check of the room for each.
class Stream {
 public:
  void Varint(uint64_t value) {
    if (used_ + kMaxVarint > buffer_.size()) {
      buffer_.resize(std::max<size_t>(256, buffer_.size() * 2));
    }
    char* p = buffer_.data() + used_;
    for (; value >= 0x80; value >>= 7) *p++ = static_cast<char>(value | 0x80);
    *p++ = static_cast<char>(value);
    used_ = static_cast<size_t>(p - buffer_.data());
  }
  std::string_view bytes() const { return {buffer_.data(), used_}; }

 private:
  static constexpr size_t kMaxVarint = 10;
  std::string buffer_;
  size_t used_ = 0;
};

// Streams of one table. Numbers of keys are differences to the row before.
class TableWriter {
 public:
  void BeginRow() { next_ = 0; }

  void Key(uint64_t value) {
    streams_[next_].Varint(ZigZag(value - before_[next_]));
    before_[next_++] = value;
  }
  void Cell(uint64_t value) { streams_[next_++].Varint(value); }
  void Cell(const LatencyHistogram& histogram) {
    Cell(histogram.bins().size());
    Cell(histogram.sum() - LeastSum(histogram));
    uint64_t before = 0;
    for (const auto& bin : histogram.bins()) {
      streams_[next_].Varint(bin.index - before);
      streams_[next_ + 1].Varint(bin.count);
      before = bin.index;
    }
    next_ += 2;
  }
  void Cell(const Earliest& earliest) {
    first_ = earliest.start.ns;
    Cell(earliest.start.ns);
    Cell(earliest.trace_id.high);
    Cell(earliest.trace_id.low);
  }
  // Mostly there is but one.
  void Cell(const Latest& latest) { Cell(latest.start.ns - first_); }
  void Cell(const Slowest& slowest) {
    slowest_ = slowest;
    Cell(slowest.duration);
    Cell(slowest.trace_id.high);
    Cell(slowest.trace_id.low);
  }
  // Of few spans it is the slowest one as well: zeros.
  void Cell(const Sampled& sampled) {
    Cell(slowest_.duration - sampled.duration);
    Cell(slowest_.trace_id.high ^ sampled.trace_id.high);
    Cell(slowest_.trace_id.low ^ sampled.trace_id.low);
  }

  std::string Finish(size_t rows) const {
    KHTRACE_CHECK(next_ <= kMaxStreams);
    std::string table;
    AppendVarint(rows, &table);
    for (size_t i = 0; i < next_; ++i) {
      AppendVarint(streams_[i].bytes().size(), &table);
      table += streams_[i].bytes();
    }
    return table;
  }

 private:
  size_t next_ = 0;
  uint64_t first_ = 0;  // of the row
  Slowest slowest_;
  std::array<Stream, kMaxStreams> streams_;
  std::array<uint64_t, kMaxStreams> before_{};
};

class TableReader {
 public:
  TableReader(std::string_view table, size_t text_count)
      : table_(table), text_count_(text_count) {
    rows_ = table_.Varint();
    for (Reader& stream : streams_) {
      if (!table_.done()) stream = Reader(table_.Text());
    }
    // A row takes a byte of the first stream, so that no small table can ask
    // for much memory.
    if (rows_ > streams_[0].remaining()) good_ = false;
  }

  uint64_t rows() const { return good_ ? rows_ : 0; }
  // All was well, and nothing is left.
  bool Finish() const {
    bool finished = good_ && table_.ok() && table_.done();
    for (const Reader& stream : streams_) {
      finished &= stream.ok() && stream.done();
    }
    return finished;
  }
  // Nothing read since is to be used.
  bool good() const { return good_; }

  void BeginRow() { next_ = 0; }
  void Key(TextId& id) {
    if (text_count_ == 0) good_ = false;
    id.value = static_cast<uint32_t>(Number(text_count_ - 1));
  }
  void Key(bool& value) { value = Number(1) != 0; }
  void Key(uint8_t& value) { value = static_cast<uint8_t>(Number(UINT8_MAX)); }
  void Key(uint32_t& value) {
    value = static_cast<uint32_t>(Number(UINT32_MAX));
  }
  void Key(uint64_t& value) { value = Number(UINT64_MAX); }
  void Key(Trait& value) { value = static_cast<Trait>(Number(UINT8_MAX)); }
  void Key(TargetType& value) {
    value = static_cast<TargetType>(Number(UINT8_MAX));
  }
  void Cell(uint64_t& value) { value = Varint(next_++); }
  void Cell(Earliest& earliest) {
    Cell(earliest.start.ns);
    Cell(earliest.trace_id.high);
    Cell(earliest.trace_id.low);
    first_ = earliest.start.ns;
  }
  void Cell(Latest& latest) {
    Cell(latest.start.ns);
    latest.start.ns += first_;
  }
  void Cell(Slowest& slowest) {
    Cell(slowest.duration);
    Cell(slowest.trace_id.high);
    Cell(slowest.trace_id.low);
    slowest_ = slowest;
  }
  void Cell(Sampled& sampled) {
    Cell(sampled.duration);
    Cell(sampled.trace_id.high);
    Cell(sampled.trace_id.low);
    sampled.duration = slowest_.duration - sampled.duration;
    sampled.trace_id.high ^= slowest_.trace_id.high;
    sampled.trace_id.low ^= slowest_.trace_id.low;
  }
  void Cell(LatencyHistogram& histogram) {
    const uint64_t bins = Varint(next_++);
    const uint64_t rest = Varint(next_++);
    uint64_t index = 0;
    if (bins <= LatencyHistogram::kBins) histogram.Reserve(bins);
    for (uint64_t i = 0; i < bins && good_; ++i) {
      const uint64_t distance = Varint(next_);
      const uint64_t count = Varint(next_ + 1);
      const bool ascends = i == 0 || distance > 0;
      good_ &= ascends && distance < LatencyHistogram::kBins && count > 0 &&
               count >> 52 == 0;
      index += distance;
      good_ &= index < LatencyHistogram::kBins;
      if (good_) histogram.AddBin(static_cast<uint32_t>(index), count);
    }
    next_ += 2;
    histogram.AddSum(LeastSum(histogram) + rest);
  }

 private:
  uint64_t Varint(size_t stream) {
    const uint64_t value = streams_[stream].Varint();
    good_ &= streams_[stream].ok();
    return value;
  }
  uint64_t Number(uint64_t greatest) {
    const uint64_t value = before_[next_] + UnZigZag(Varint(next_));
    if (value > greatest) good_ = false;
    before_[next_++] = value;
    return good_ ? value : 0;
  }

  Reader table_;
  const size_t text_count_;
  uint64_t rows_ = 0;
  bool good_ = true;
  size_t next_ = 0;
  uint64_t first_ = 0;  // of the row
  Slowest slowest_;
  std::array<Reader, kMaxStreams> streams_;
  std::array<uint64_t, kMaxStreams> before_{};
};

// The texts that rows need, sorted, and their places.
struct SortedTexts {
  explicit SortedTexts(const Partial& partial) : places(partial.text_count()) {
    std::vector<uint8_t> used(partial.text_count());
    const auto mark = [&](const auto& field) {
      if constexpr (std::is_same_v<decltype(field), const TextId&>) {
        used[field.value] = 1;
      }
    };
    ForEachTable(partial, [&](Kind, const auto& table) {
      for (const auto& [key, cell] : table) key.Visit(mark, key);
    });
    for (uint32_t i = 0; i < used.size(); ++i) {
      if (used[i] != 0) texts.push_back({i});
    }
    std::sort(texts.begin(), texts.end(), [&](TextId a, TextId b) {
      return partial.Text(a) < partial.Text(b);
    });
    for (uint32_t i = 0; i < texts.size(); ++i) places[texts[i].value] = i;
  }

  uint64_t Number(TextId id) const { return places[id.value]; }
  template <typename T>
  uint64_t Number(T value) const {
    return static_cast<uint64_t>(value);
  }

  std::vector<TextId> texts;
  std::vector<uint32_t> places;
};

template <typename Key>
std::array<uint64_t, Key::kFields> KeyNumbers(const Key& key,
                                              const SortedTexts& texts) {
  std::array<uint64_t, Key::kFields> numbers{};
  size_t next = 0;
  key.Visit([&](const auto& field) { numbers[next++] = texts.Number(field); },
            key);
  return numbers;
}

template <typename Table>
std::string WriteTable(const Table& table, const SortedTexts& texts) {
  using Row = typename Table::value_type;
  using Numbers = std::array<uint64_t, Table::key_type::kFields>;
  std::vector<std::pair<Numbers, const Row*>> rows;
  rows.reserve(table.size());
  for (const Row& row : table) {
    rows.push_back({KeyNumbers(row.first, texts), &row});
  }
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  TableWriter writer;
  for (const auto& [numbers, row] : rows) {
    writer.BeginRow();
    for (const uint64_t number : numbers) writer.Key(number);
    row->second.Visit([&](const auto& field) { writer.Cell(field); },
                      row->second);
  }
  return writer.Finish(rows.size());
}

// The texts of a file, of which only those that rows name are taken over.
class TextReader {
 public:
  TextReader(std::vector<std::string_view> texts, Partial* partial)
      : texts_(std::move(texts)), numbers_(texts_.size()), partial_(partial) {}

  size_t count() const { return texts_.size(); }
  // `id`: of the file, in range.
  void Translate(TextId& id) {
    uint32_t& number = numbers_[id.value];
    if (number == 0) number = partial_->Intern(texts_[id.value]).value + 1;
    id.value = number - 1;
  }
  template <typename T>
  void Translate(T&) {}

 private:
  std::vector<std::string_view> texts_;
  std::vector<uint32_t> numbers_;  // one more than that in the partial; or 0
  Partial* partial_;
};

template <typename Table>
bool ReadTable(std::string_view bytes, const MergeOptions& options,
               TextReader* texts, Table* table) {
  const bool as_is = options.step_minutes == 1;
  TableReader reader(bytes, texts->count());
  if (as_is) table->reserve(reader.rows());
  for (uint64_t i = 0; i < reader.rows() && reader.good(); ++i) {
    typename Table::key_type key;
    typename Table::mapped_type cell;
    reader.BeginRow();
    key.Visit([&](auto& field) { reader.Key(field); }, key);
    cell.Visit([&](auto& field) { reader.Cell(field); }, cell);
    if (!reader.good()) return false;
    if (!InRange(key, options.first_minute, options.last_minute)) continue;
    key.minute -= key.minute % options.step_minutes;
    key.Visit([&](auto& field) { texts->Translate(field); }, key);
    const auto [row, is_new] = table->try_emplace(key, std::move(cell));
    if (is_new) continue;
    if (as_is) return false;
    ApplyCell(row->second, cell, false);
  }
  return reader.Finish();
}

Error Damaged(std::string_view what) {
  return {Code::kDataLoss, fmt::format("malformed aggregates: {}", what)};
}

}  // namespace

std::string Partial::Serialise() const {
  const SortedTexts texts(*this);
  std::string out;
  AppendVarint(kVersion, &out);
  AppendVarint(texts.texts.size(), &out);
  for (const TextId id : texts.texts) {
    AppendVarint(Text(id).size(), &out);
    out += Text(id);
  }
  ForEachTable(*this, [&](Kind kind, const auto& table) {
    if (table.empty()) return;
    const std::string bytes = WriteTable(table, texts);
    AppendVarint(kind, &out);
    AppendVarint(bytes.size(), &out);
    out += bytes;
  });
  return out;
}

Result<Partial> Partial::Parse(std::string_view bytes,
                               const MergeOptions& options) {
  Reader reader(bytes);
  const uint64_t version = reader.Varint();
  if (reader.ok() && version > kVersion) {
    return Error{Code::kUnimplemented,
                 fmt::format("aggregates of version {}, newer than this "
                             "program's {}",
                             version, kVersion)};
  }
  if (reader.ok() && version > 0 && version < kVersion) {
    return Error{Code::kUnimplemented,
                 fmt::format("aggregates of version {}, which was never "
                             "released; this program reads {}",
                             version, kVersion)};
  }
  if (version != kVersion) return Damaged("version");
  Partial partial;
  // In files a text's number is its place; they are sorted.
  std::vector<std::string_view> texts;
  const uint64_t text_count = reader.Varint();
  for (uint64_t i = 0; i < text_count && reader.ok(); ++i) {
    texts.push_back(reader.Text());
    const bool ascends = i == 0 || texts[i - 1] < texts[i];
    if (reader.ok() && !ascends) return Damaged("texts");
  }
  TextReader text_reader(std::move(texts), &partial);
  while (reader.ok() && !reader.done()) {
    const uint64_t kind = reader.Varint();
    const std::string_view table = reader.Text();
    bool good = true;
    ForEachTable(partial, [&](Kind known, auto& rows) {
      if (kind != known || (options.kinds & kind) == 0) return;
      good = rows.empty() && ReadTable(table, options, &text_reader, &rows);
    });
    if (!good) return Damaged(fmt::format("table {}", kind));
  }
  if (!reader.ok()) return Damaged("length");
  return partial;
}

}  // namespace khtrace::aggregate
