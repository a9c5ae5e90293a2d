// SPDX-License-Identifier: Apache-2.0
#include "aggregate/partial.h"

#include <algorithm>
#include <vector>

#include "aggregate/partial_merge.h"

namespace khtrace::aggregate {
namespace {

// The numbers of one partial's texts in another one.
class TextMap {
 public:
  TextMap(const Partial& from, Partial* to)
      : from_(from), to_(to), known_(from.text_count(), kUnknown) {}

  void Translate(TextId& id) {
    uint32_t& known = known_[id.value];
    if (known == kUnknown) known = to_->Intern(from_.Text(id)).value;
    id.value = known;
  }
  template <typename T>
  void Translate(T&) {}

 private:
  static constexpr uint32_t kUnknown = UINT32_MAX;
  const Partial& from_;
  Partial* to_;
  std::vector<uint32_t> known_;
};

bool IsEmpty(uint64_t count) { return count == 0; }
bool IsEmpty(LatencyHistogram& histogram) {
  histogram.DropEmptyBins();
  return histogram.empty();
}
// They mean nothing where nothing was counted.
bool IsEmpty(const Earliest&) { return true; }
bool IsEmpty(const Latest&) { return true; }
bool IsEmpty(const Slowest&) { return true; }
bool IsEmpty(const Sampled&) { return true; }

size_t BytesOf(const LatencyHistogram& histogram) {
  return histogram.bins().size_bytes();
}
template <typename T>
size_t BytesOf(const T&) {
  return 0;
}

bool IsEverything(const MergeOptions& options) {
  return options.kinds == kAllKinds && options.first_minute == 0 &&
         options.last_minute == UINT32_MAX && options.step_minutes == 1 &&
         !options.subtract;
}

bool HasNoRows(const Partial& partial) {
  bool none = true;
  ForEachTable(partial,
               [&](Kind, const auto& table) { none = none && table.empty(); });
  return none;
}

}  // namespace

TextId Partial::Intern(std::string_view text) {
  const auto known = numbers_.find(text);
  if (known != numbers_.end()) return {known->second};
  const auto number = static_cast<uint32_t>(texts_.size());
  numbers_.emplace(texts_.emplace_back(text), number);
  return {number};
}

void Partial::Merge(const Partial& other, const MergeOptions& options) {
  // Into nothing, all of it: a copy.
  if (texts_.size() == 1 && IsEverything(options) && HasNoRows(*this)) {
    for (const std::string& text : other.texts_) Intern(text);
    red = other.red;
    edges = other.edges;
    retries = other.retries;
    errors = other.errors;
    critical = other.critical;
    return;
  }
  TextMap texts(other, this);
  const auto merge = [&](auto& to, const auto& from) {
    for (const auto& [from_key, cell] : from) {
      auto key = from_key;
      if (!InRange(key, options.first_minute, options.last_minute)) continue;
      key.minute -= key.minute % options.step_minutes;
      key.Visit([&](auto& field) { texts.Translate(field); }, key);
      ApplyCell(to[key], cell, options.subtract);
    }
  };
  if ((options.kinds & kRed) != 0) merge(red, other.red);
  if ((options.kinds & kEdges) != 0) merge(edges, other.edges);
  if ((options.kinds & kRetries) != 0) merge(retries, other.retries);
  if ((options.kinds & kErrors) != 0) merge(errors, other.errors);
  if ((options.kinds & kCritical) != 0) merge(critical, other.critical);
}

void Partial::DropEmptyRows() {
  ForEachTable(*this, [](Kind, auto& table) {
    boost::unordered::erase_if(table, [](auto& row) {
      bool empty = true;
      row.second.Visit([&](auto& field) { empty &= IsEmpty(field); },
                       row.second);
      return empty;
    });
  });
}

size_t Partial::MemoryBytes() const {
  // A flat map is at most 7/8 and at least 7/16 full.
  size_t bytes = sizeof(*this);
  for (const std::string& text : texts_) {
    bytes += text.capacity() + sizeof(text) + 32;
  }
  ForEachTable(*this, [&](Kind, const auto& table) {
    bytes += table.bucket_count() * (sizeof(*table.begin()) + 1);
    for (const auto& [key, cell] : table) {
      cell.Visit([&](const auto& field) { bytes += BytesOf(field); }, cell);
    }
  });
  return bytes;
}

}  // namespace khtrace::aggregate
