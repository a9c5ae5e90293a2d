// SPDX-License-Identifier: Apache-2.0
#include "app/text_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"

namespace khtrace::app {

std::string DurationText(const Terminal& terminal, uint64_t ns) {
  const auto bounded = std::min<uint64_t>(ns, INT64_MAX);
  std::string text = FormatDurationShort(
      std::chrono::nanoseconds(static_cast<int64_t>(bounded)));
  constexpr std::string_view kMicro = "µ";
  const size_t micro = text.find(kMicro);
  if (!terminal.utf8 && micro != std::string::npos) {
    text = text.substr(0, micro) + 'u' + text.substr(micro + kMicro.size());
  }
  return text;
}

std::string TimeText(UnixNanos time) {
  const uint64_t ms = time.ns / 1'000'000;
  const std::string text = FormatRfc3339({ms / 1000 * 1'000'000'000});
  // "2026-11-22T08:00:00Z"
  return fmt::format("{} {}.{:03}", text.substr(0, 10), text.substr(11, 8),
                     ms % 1000);
}

std::string CountText(uint64_t count) {
  std::string text = std::to_string(count);
  for (size_t i = text.size(); i > 3;) {
    i -= 3;
    text.insert(i, 1, ' ');
  }
  return text;
}

std::string Plural(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", CountText(count), noun, count == 1 ? "" : "s");
}

}  // namespace khtrace::app
