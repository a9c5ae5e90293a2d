// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_template.h"

#include <algorithm>
#include <array>
#include <bit>
#include <boost/unordered/unordered_flat_map.hpp>
#include <charconv>
#include <vector>

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/encoding_int.h"
#include "storage/columnar/encoding_template_split.h"
#include "storage/columnar/encoding_zstd.h"

// page     := raw_length u32 · stored_length u32 · directory · pages
// directory, through zstd if stored_length < raw_length :=
//   templates varint · streams varint ·
//   (bytes text · slots varint · stream varint {slots}){templates} ·
//   (encoding u8 · values varint · length varint){1 + streams}
// pages    := integers: positions of templates, then the streams

namespace khtrace::storage::columnar {
namespace {

// A page with more templates than this share of its values is no case for
// templates.
constexpr size_t kValuesPerTemplate = 8;
constexpr size_t kSpareTemplates = 256;
constexpr size_t kSampleValues = 4096;
constexpr int kSampleLevel = 1;
// Texts remembered whole: repeated ones are not split again. A power of two.
constexpr size_t kRemembered = 1024;

Error Damaged(std::string_view what) {
  return {Code::kDataLoss, "malformed templates: " + std::string(what)};
}

// Texts split into templates and numbers.
class Splitter {
 public:
  explicit Splitter(size_t max_templates) : max_templates_(max_templates) {}

  // False: give up.
  bool Add(std::string_view text, uint64_t hash) {
    bytes_ += text.size();
    if (bytes_ > kMaxTemplateTextBytes) return false;
    Remembered& known = remembered_[hash % kRemembered];
    if (known.text == text && known.valid) {
      codes_.push_back(known.code);
      const size_t count = slots_[known.code].size();
      for (size_t i = 0; i < count; ++i) {
        numbers_.push_back(numbers_[known.first + i]);
      }
      return true;
    }
    const size_t first = numbers_.size();
    pattern_.clear();
    if (!SplitNumbers(text, &pattern_, &numbers_)) return false;
    const uint32_t code = CodeOf(numbers_.size() - first);
    if (slots_.size() > max_templates_) return false;
    codes_.push_back(code);
    std::vector<uint64_t>& slots = slots_[code];
    for (size_t i = 0; i < slots.size(); ++i) slots[i] |= numbers_[first + i];
    known = {text, code, first, true};
    return true;
  }

  std::vector<uint64_t>& codes() { return codes_; }
  const std::vector<uint64_t>& numbers() const { return numbers_; }
  const std::vector<std::string>& patterns() const { return patterns_; }
  // Of each template, of each slot: its numbers, or-ed.
  const std::vector<std::vector<uint64_t>>& slots() const { return slots_; }

 private:
  struct Remembered {
    std::string_view text;
    uint32_t code = 0;
    size_t first = 0;  // in numbers_
    bool valid = false;
  };

  // Of pattern_, which has so many slots.
  uint32_t CodeOf(size_t slots) {
    // One whose place is taken has the next one.
    for (uint64_t hash = Hash64(pattern_);; ++hash) {
      const auto [it, inserted] =
          by_hash_.try_emplace(hash, static_cast<uint32_t>(slots_.size()));
      if (!inserted && patterns_[it->second] != pattern_) continue;
      if (inserted) {
        slots_.emplace_back(slots, 0);
        patterns_.push_back(pattern_);
      }
      return it->second;
    }
  }

  const size_t max_templates_;
  uint64_t bytes_ = 0;
  std::string pattern_;
  std::vector<Remembered> remembered_ = std::vector<Remembered>(kRemembered);
  boost::unordered_flat_map<uint64_t, uint32_t> by_hash_;
  std::vector<std::string> patterns_;
  std::vector<std::vector<uint64_t>> slots_;
  std::vector<uint64_t> codes_;
  std::vector<uint64_t> numbers_;
};

// Numbers of about the same size share a stream: which one a slot has.
class Streams {
 public:
  explicit Streams(const std::vector<std::vector<uint64_t>>& slots) {
    std::array<bool, 65> used{};
    for (const auto& slot : slots) {
      for (const uint64_t bits : slot) used[WidthOf(bits)] = true;
    }
    for (size_t width = 0; width <= 64; ++width) {
      if (used[width]) stream_of_[width] = count_++;
    }
  }
  uint32_t count() const { return count_; }
  uint32_t StreamOf(uint64_t bits) const { return stream_of_[WidthOf(bits)]; }

 private:
  static size_t WidthOf(uint64_t bits) {
    return static_cast<size_t>(std::bit_width(bits));
  }
  uint32_t count_ = 0;
  std::array<uint32_t, 65> stream_of_{};
};

void AppendIntegers(std::span<const uint64_t> values, int zstd_level,
                    ByteWriter& directory, std::string* pages) {
  const size_t before = pages->size();
  const Encoding encoding =
      EncodeInts(values, IntHint::kCodes, zstd_level, pages);
  directory.U8(static_cast<uint8_t>(encoding));
  directory.Varint(values.size());
  directory.Varint(pages->size() - before);
}

struct Template {
  std::string_view pattern;
  uint32_t slots = 0;
  uint32_t first_slot = 0;  // in Reader::slot_streams_
};

// Checks the pattern. The fewest bytes that a text can have.
Result<uint64_t> LeastBytes(const Template& t) {
  uint64_t bytes = t.pattern.size();
  uint32_t slots = 0;
  size_t at = 0;
  while ((at = t.pattern.find(kSlot, at)) != std::string_view::npos) {
    if (at + 1 == t.pattern.size()) return Damaged("slot");
    const auto form = static_cast<NumberForm>(t.pattern[at + 1]);
    if (!IsNumberForm(form)) return Damaged("form of a number");
    bytes = bytes - 2 + LeastDigits(form);
    ++slots;
    at += 2;
  }
  if (slots != t.slots) return Damaged("number of slots");
  return bytes;
}

// A page's directory and where its integers lie.
class Reader {
 public:
  Status Open(std::string_view page, uint32_t count);
  Status Read(uint32_t begin, uint32_t n, DecodedTexts* out);
  Status Find(std::string_view text, std::vector<uint32_t>* out);

 private:
  struct Stream {
    IntPage page;
    std::vector<uint64_t> values;  // those asked for
    size_t used = 0;
  };
  Status ReadDirectory(ByteReader reader, std::string_view pages,
                       uint32_t count);
  Status ReadStreams(std::span<const uint64_t> codes, uint32_t begin);
  void Print(const Template& t, std::string* out);
  // What the first number of a value can be that equals a text.
  struct Wanted {
    bool any = false;
    std::vector<uint64_t> numbers;

    bool Has(uint64_t number) const {
      return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
    }
  };
  static Wanted WantedOf(const Template& t, std::string_view text);

  std::string storage_;  // what the templates point into
  std::vector<Template> templates_;
  std::vector<uint8_t> slot_streams_;
  std::vector<Stream> streams_;  // the first: positions of templates
};

Status Reader::Open(std::string_view page, uint32_t count) {
  ByteReader reader(page);
  const uint32_t raw_length = reader.U32();
  const uint32_t stored_length = reader.U32();
  const std::string_view stored = reader.Bytes(stored_length);
  if (!reader.ok() || stored_length > raw_length) return Damaged("length");
  if (stored_length < raw_length) {
    RETURN_IF_ERROR(ReadZstd(stored, raw_length, &storage_));
  } else {
    storage_ = stored;
  }
  return ReadDirectory(ByteReader(storage_), reader.Rest(), count);
}

Status Reader::ReadDirectory(ByteReader reader, std::string_view pages,
                             uint32_t count) {
  const uint64_t templates = reader.Varint();
  const uint64_t streams = reader.Varint();
  if (streams > 65 || templates > reader.remaining()) return Damaged("counts");
  templates_.reserve(templates);
  for (uint64_t t = 0; t < templates && reader.ok(); ++t) {
    const std::string_view pattern = reader.Text();
    const uint64_t slots = reader.Varint();
    if (slots > pattern.size() / 2) return Damaged("number of slots");
    templates_.push_back({pattern, static_cast<uint32_t>(slots),
                          static_cast<uint32_t>(slot_streams_.size())});
    for (uint64_t s = 0; s < slots; ++s) {
      const uint64_t stream = reader.Varint();
      if (stream >= streams) return Damaged("no such stream");
      slot_streams_.push_back(static_cast<uint8_t>(stream + 1));
    }
  }
  ByteReader rest(pages);
  for (uint64_t s = 0; s <= streams; ++s) {
    const auto encoding = static_cast<Encoding>(reader.U8());
    const uint64_t values = reader.Varint();
    const std::string_view bytes = rest.Bytes(reader.Varint());
    if (!reader.ok() || !rest.ok() || values > UINT32_MAX ||
        (s == 0 && values != count)) {
      return Damaged("stream");
    }
    ASSIGN_OR_RETURN(
        const IntPage page,
        IntPage::Open(encoding, bytes, static_cast<uint32_t>(values)));
    streams_.push_back({page, {}, 0});
  }
  if (reader.remaining() != 0 || rest.remaining() != 0) {
    return Damaged("bytes behind the pages");
  }
  return {};
}

// Positions every stream behind the numbers of values [0, begin) and reads
// what the others need. `codes` are the templates of all of them.
Status Reader::ReadStreams(std::span<const uint64_t> codes, uint32_t begin) {
  std::vector<uint64_t> skipped(templates_.size());
  std::vector<uint64_t> wanted(templates_.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] >= templates_.size()) return Damaged("no such template");
    ++(i < begin ? skipped : wanted)[codes[i]];
  }
  std::vector<uint64_t> before(streams_.size());
  std::vector<uint64_t> within(streams_.size());
  uint64_t bytes = 0;
  for (size_t t = 0; t < templates_.size(); ++t) {
    if (skipped[t] + wanted[t] == 0) continue;
    if (wanted[t] > 0) {
      ASSIGN_OR_RETURN(const uint64_t least, LeastBytes(templates_[t]));
      bytes += wanted[t] * least;
      if (bytes > kMaxTemplateTextBytes) return Damaged("too many bytes");
    }
    for (uint32_t s = 0; s < templates_[t].slots; ++s) {
      const uint8_t stream = slot_streams_[templates_[t].first_slot + s];
      before[stream] += skipped[t];
      within[stream] += wanted[t];
    }
  }
  for (size_t s = 1; s < streams_.size(); ++s) {
    Stream& stream = streams_[s];
    if (before[s] + within[s] > stream.page.count()) {
      return Damaged("fewer numbers than slots");
    }
    stream.values.resize(within[s]);
    if (within[s] == 0) continue;
    RETURN_IF_ERROR(stream.page.Decode(static_cast<uint32_t>(before[s]),
                                       static_cast<uint32_t>(within[s]),
                                       stream.values.data()));
  }
  return {};
}

void Reader::Print(const Template& t, std::string* out) {
  size_t literal = 0;
  for (uint32_t s = 0; s < t.slots; ++s) {
    const size_t slot = t.pattern.find(kSlot, literal);
    out->append(t.pattern.substr(literal, slot - literal));
    Stream& stream = streams_[slot_streams_[t.first_slot + s]];
    std::array<char, 24> digits;
    const auto form = static_cast<NumberForm>(t.pattern[slot + 1]);
    out->append(digits.data(),
                PrintNumber(stream.values[stream.used++], form, digits.data()));
    literal = slot + 2;
  }
  out->append(t.pattern.substr(literal));
}

Status Reader::Read(uint32_t begin, uint32_t n, DecodedTexts* out) {
  std::vector<uint64_t> codes(size_t{begin} + n);
  RETURN_IF_ERROR(streams_[0].page.Decode(0, begin + n, codes.data()));
  RETURN_IF_ERROR(ReadStreams(codes, begin));
  out->storage.push_back(std::make_unique<std::string>());
  std::string& text = *out->storage.back();
  std::vector<size_t> ends;
  ends.reserve(n);
  for (size_t i = begin; i < codes.size(); ++i) {
    Print(templates_[codes[i]], &text);
    ends.push_back(text.size());
    if (text.size() > kMaxTemplateTextBytes) return Damaged("too many bytes");
  }
  size_t from = 0;
  for (const size_t end : ends) {
    out->texts.push_back({text.data() + from, end - from});
    from = end;
  }
  return {};
}

// A text without numbers is its pattern. Of another, what stands at the first
// slot is read with any number of digits: what is printed again as it stands
// there may be it.
Reader::Wanted Reader::WantedOf(const Template& t, std::string_view text) {
  Wanted wanted;
  if (t.slots == 0) {
    wanted.any = t.pattern == text;
    return wanted;
  }
  const size_t at = t.pattern.find(kSlot);
  if (text.substr(0, at) != t.pattern.substr(0, at)) return wanted;
  const auto form = static_cast<NumberForm>(t.pattern[at + 1]);
  const std::string_view rest = text.substr(at);
  const int base = form >= 1 && form <= kMaxHexDigits ? 16 : 10;
  std::array<char, 24> digits;
  for (size_t n = 1; n <= std::min<size_t>(rest.size(), 20); ++n) {
    uint64_t number = 0;
    const auto read =
        std::from_chars(rest.data(), rest.data() + n, number, base);
    if (read.ec != std::errc() || read.ptr != rest.data() + n) break;
    const unsigned size = PrintNumber(number, form, digits.data());
    if (std::string_view(digits.data(), size) == rest.substr(0, n)) {
      wanted.numbers.push_back(number);
    }
  }
  wanted.any = !wanted.numbers.empty();
  return wanted;
}

Status Reader::Find(std::string_view text, std::vector<uint32_t>* out) {
  const uint32_t count = streams_[0].page.count();
  std::vector<uint64_t> codes(count);
  RETURN_IF_ERROR(streams_[0].page.Decode(0, count, codes.data()));
  // Checks the patterns of all templates in use.
  RETURN_IF_ERROR(ReadStreams(codes, 0));
  std::vector<uint8_t> used(templates_.size());
  for (const uint64_t code : codes) used[code] = 1;
  std::vector<Wanted> wanted(templates_.size());
  bool any = false;
  for (size_t t = 0; t < templates_.size(); ++t) {
    if (used[t] != 0) wanted[t] = WantedOf(templates_[t], text);
    any |= wanted[t].any;
  }
  if (!any) return {};
  std::string printed;
  for (uint32_t i = 0; i < count; ++i) {
    const Template& t = templates_[codes[i]];
    const Wanted& w = wanted[codes[i]];
    const uint8_t* slots = slot_streams_.data() + t.first_slot;
    const bool may =
        w.any && (t.slots == 0 ||
                  w.Has(streams_[slots[0]].values[streams_[slots[0]].used]));
    if (!may) {
      for (uint32_t s = 0; s < t.slots; ++s) ++streams_[slots[s]].used;
      continue;
    }
    printed.clear();
    Print(t, &printed);
    if (printed == text) out->push_back(i);
  }
  return {};
}

}  // namespace

bool TemplatesPay(std::span<const std::string_view> texts) {
  const std::span<const std::string_view> sample =
      texts.first(std::min(texts.size(), kSampleValues));
  Splitter splitter(sample.size() / 4 + 16);
  for (const std::string_view text : sample) {
    if (!splitter.Add(text, Hash64(text))) return false;
  }
  uint64_t bits = 0;
  size_t templates = 0;
  for (const std::string& pattern : splitter.patterns()) {
    templates += pattern.size();
  }
  for (const uint64_t code : splitter.codes()) {
    bits += static_cast<uint64_t>(std::bit_width(splitter.patterns().size()));
    for (const uint64_t slot : splitter.slots()[code]) {
      bits += static_cast<uint64_t>(std::bit_width(slot));
    }
  }
  std::string blocks;
  EncodeTextBlocks(sample, kSampleLevel, &blocks);
  // Both grow with the values, but for the templates, which compress well.
  const double more =
      static_cast<double>(texts.size()) / static_cast<double>(sample.size());
  return static_cast<double>(templates) / 4 +
             more * static_cast<double>(bits) / 8 <
         0.95 * more * static_cast<double>(blocks.size());
}

bool EncodeTemplates(std::span<const std::string_view> texts,
                     std::span<const uint64_t> hashes, int zstd_level,
                     std::string* out) {
  Splitter splitter(texts.size() / kValuesPerTemplate + kSpareTemplates);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!splitter.Add(texts[i], hashes[i])) return false;
  }
  const std::vector<std::vector<uint64_t>>& slots = splitter.slots();
  const Streams streams(slots);
  std::string directory;
  ByteWriter writer(directory);
  writer.Varint(slots.size());
  writer.Varint(streams.count());
  for (size_t t = 0; t < slots.size(); ++t) {
    writer.Text(splitter.patterns()[t]);
    writer.Varint(slots[t].size());
    for (const uint64_t bits : slots[t]) writer.Varint(streams.StreamOf(bits));
  }
  std::vector<std::vector<uint64_t>> numbers(streams.count());
  const uint64_t* next = splitter.numbers().data();
  for (const uint64_t code : splitter.codes()) {
    for (const uint64_t bits : slots[code]) {
      numbers[streams.StreamOf(bits)].push_back(*next++);
    }
  }
  std::string pages;
  AppendIntegers(splitter.codes(), zstd_level, writer, &pages);
  for (const auto& stream : numbers) {
    AppendIntegers(stream, zstd_level, writer, &pages);
  }
  std::string stored;
  AppendZstd(directory, zstd_level, &stored);
  if (stored.size() >= directory.size()) stored = directory;
  ByteWriter head(*out);
  head.U32(static_cast<uint32_t>(directory.size()));
  head.U32(static_cast<uint32_t>(stored.size()));
  out->append(stored);
  out->append(pages);
  return true;
}

Status DecodeTemplates(std::string_view page, uint32_t count, uint32_t begin,
                       uint32_t n, DecodedTexts* out) {
  Reader reader;
  RETURN_IF_ERROR(reader.Open(page, count));
  return reader.Read(begin, n, out);
}

Status FindText(Encoding encoding, std::string_view page, uint32_t count,
                std::string_view text, std::vector<uint32_t>* out) {
  out->clear();
  if (encoding == Encoding::kTemplates) {
    Reader reader;
    RETURN_IF_ERROR(reader.Open(page, count));
    return reader.Find(text, out);
  }
  DecodedTexts decoded;
  RETURN_IF_ERROR(DecodeTextBlocks(encoding, page, count, 0, count, &decoded));
  for (uint32_t i = 0; i < count; ++i) {
    if (decoded.texts[i] == text) out->push_back(i);
  }
  return {};
}

Status DecodeTexts(Encoding encoding, std::string_view page, uint32_t count,
                   uint32_t begin, uint32_t n, DecodedTexts* out) {
  if (encoding == Encoding::kTemplates) {
    return DecodeTemplates(page, count, begin, n, out);
  }
  return DecodeTextBlocks(encoding, page, count, begin, n, out);
}

}  // namespace khtrace::storage::columnar
