// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "aggregate/partial_rows.h"
#include "base/result.h"

namespace khtrace::aggregate {

// Kinds of aggregates: bits of a set. The numbers are on disk.
enum Kind : uint32_t {
  kRed = 1 << 0,       // rate, errors, durations of operations
  kEdges = 1 << 1,     // who calls whom
  kRetries = 1 << 2,   // calls that were repeated
  kErrors = 1 << 3,    // fingerprints of errors
  kCritical = 1 << 4,  // shares of critical paths
  kAllKinds = (1 << 5) - 1,
};

// What of a partial is merged into another one.
struct MergeOptions {
  uint32_t kinds = kAllKinds;
  // Minutes since 1970: rows whose bucket has one of them.
  uint32_t first_minute = 0;
  uint32_t last_minute = UINT32_MAX;
  // Buckets become one that begin in the same so many minutes (counted from a
  // multiple of this number, which is their name then). UINT32_MAX: all time.
  uint32_t step_minutes = 1;
  // Counts are taken away instead of added. What cannot be taken away
  // (earliest, latest) stays: the same spans must be added again.
  bool subtract = false;
};

// The aggregates of a set of traces; merging those of two sets gives exactly
// those of both together. Every row belongs to one bucket of time, by a span's
// start: partial_rows.h says which. Movable, not copyable; confined to
// one thread, or immutable.
class Partial {
 public:
  template <typename Key, typename Cell>
  using Table = boost::unordered_flat_map<Key, Cell, KeyHash>;

  Partial() { Intern(""); }
  Partial(Partial&&) = default;
  Partial& operator=(Partial&&) = default;

  // The number of a text; "" is 0.
  TextId Intern(std::string_view text);
  std::string_view Text(TextId id) const { return texts_[id.value]; }
  size_t text_count() const { return texts_.size(); }

  Table<RedKey, RedCell> red;
  Table<EdgeKey, EdgeCell> edges;
  Table<RetryKey, RetryCell> retries;
  Table<ErrorKey, ErrorCell> errors;
  Table<CriticalKey, CriticalCell> critical;

  void Merge(const Partial& other, const MergeOptions& options = {});
  // Leaves out what subtracting has emptied. Before a result is shown.
  void DropEmptyRows();

  // The bytes of docs/format/partial.md. Equal for equal rows, in whatever
  // order they came.
  std::string Serialise() const;
  // As if everything had been parsed and then merged into an empty one.
  // kDataLoss: malformed. kUnimplemented: a newer version. Kinds that are not
  // known are passed over, those that are not wanted are not looked at.
  static Result<Partial> Parse(std::string_view bytes,
                               const MergeOptions& options = {});

  size_t MemoryBytes() const;

 private:
  struct TextHash {
    using is_avalanching = void;
    size_t operator()(std::string_view text) const { return TableHash(text); }
  };

  // A deque: texts never move, and numbers_ points at them.
  std::deque<std::string> texts_;
  boost::unordered_flat_map<std::string_view, uint32_t, TextHash> numbers_;
};

// Calls visit(kind, table) for each table of `partial`.
template <typename P, typename Visit>
void ForEachTable(P& partial, const Visit& visit) {
  visit(kRed, partial.red);
  visit(kEdges, partial.edges);
  visit(kRetries, partial.retries);
  visit(kErrors, partial.errors);
  visit(kCritical, partial.critical);
}

}  // namespace khtrace::aggregate
