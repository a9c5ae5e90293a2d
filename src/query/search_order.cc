// SPDX-License-Identifier: Apache-2.0
#include "query/search_order.h"

#include <fmt/format.h>

#include <charconv>

#include "base/hash.h"
#include "traceql/printer.h"

// cursor := "1" · key u8 as a digit · "d" | "a" · hexadecimal digits of
//           value u64 · start u64 · trace id (32) · query u64

namespace khtrace::query {
namespace {

using Key = traceql::OrderBy::Key;

constexpr size_t kPrefix = 3;
constexpr size_t kWord = 16;
constexpr size_t kCursorSize = kPrefix + 5 * kWord;

Error Refused(std::string_view why) {
  return {Code::kInvalidArgument,
          fmt::format("cannot go on from this cursor: {}; ask without one to "
                      "begin again",
                      why)};
}

std::string PrefixOf(const traceql::OrderBy& by) {
  return fmt::format("1{}{}", static_cast<int>(by.key),
                     by.descending ? 'd' : 'a');
}

}  // namespace

bool TraceOrder::SurelyBefore(const TraceRank& a, const TraceRank& b) const {
  if (a.value != b.value) {
    return by_.descending ? a.value > b.value : a.value < b.value;
  }
  return a.start > b.start;
}

bool TraceOrder::Before(const TraceRank& a, const TraceRank& b) const {
  if (a.value != b.value || a.start != b.start) return SurelyBefore(a, b);
  return a.id < b.id;
}

TraceRank TraceOrder::RankOf(const TraceHit& hit) const {
  TraceRank rank{0, hit.start.ns, hit.trace_id};
  switch (by_.key) {
    case Key::kStart:
      rank.value = hit.start.ns;
      break;
    case Key::kDuration:
      rank.value = hit.duration_nanos;
      break;
    case Key::kSpanCount:
      for (const ServiceStats& s : hit.services) rank.value += s.span_count;
      break;
    case Key::kErrorCount:
      for (const ServiceStats& s : hit.services) rank.value += s.error_count;
      break;
  }
  return rank;
}

uint64_t CursorNameOf(const traceql::Pipeline& pipeline) {
  return Hash64(traceql::Print(pipeline));
}

std::string WriteCursor(const TraceOrder& order, uint64_t query,
                        const TraceRank& last) {
  return fmt::format("{}{:016x}{:016x}{}{:016x}", PrefixOf(order.by()),
                     last.value, last.start, last.id.ToHex(), query);
}

Result<TraceRank> ReadCursor(const TraceOrder& order, uint64_t query,
                             std::string_view text) {
  if (text.size() != kCursorSize || text[0] != '1') {
    return Refused("it is none of ours");
  }
  uint64_t words[5] = {};
  for (size_t i = 0; i < 5; ++i) {
    const char* begin = text.data() + kPrefix + i * kWord;
    const auto read = std::from_chars(begin, begin + kWord, words[i], 16);
    if (read.ec != std::errc() || read.ptr != begin + kWord) {
      return Refused("it is none of ours");
    }
  }
  if (text.substr(0, kPrefix) != PrefixOf(order.by())) {
    return Refused("it is of another order");
  }
  if (words[4] != query) return Refused("it is of another query");
  return TraceRank{words[0], words[1], {words[2], words[3]}};
}

}  // namespace khtrace::query
