// SPDX-License-Identifier: Apache-2.0
// Everything in text.h that reads outside text: no crash, and what was
// understood survives being written and read again.
#include "base/check.h"
#include "base/text.h"

using khtrace::Base64Decode;
using khtrace::Base64Encode;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const std::string sane = khtrace::SanitizeUtf8(text);
  KHTRACE_CHECK(khtrace::IsValidUtf8(sane));
  KHTRACE_CHECK(khtrace::IsValidUtf8(text) == (sane == text));

  KHTRACE_CHECK(Base64Decode(Base64Encode(text)) == text);
  if (const auto bytes = Base64Decode(text)) {
    KHTRACE_CHECK(Base64Decode(Base64Encode(*bytes)) == bytes);
  }
  const auto duration = khtrace::ParseGoDuration(text);
  if (duration) {
    const auto again =
        khtrace::ParseGoDuration(khtrace::FormatGoDuration(*duration));
    KHTRACE_CHECK(again && *again == *duration);
    (void)khtrace::FormatDurationShort(*duration);
  }
  const auto time = khtrace::ParseRfc3339(text);
  if (time) {
    const auto again = khtrace::ParseRfc3339(khtrace::FormatRfc3339(*time));
    KHTRACE_CHECK(again && *again == *time);
  }
  const auto bytes = khtrace::ParseByteSize(text);
  if (bytes) (void)khtrace::FormatByteSize(*bytes);

  KHTRACE_CHECK(khtrace::PercentDecode(text, true).size() <= size);
  constexpr std::string_view kWords[] = {"receivers", "exporters"};
  (void)khtrace::NearestWord(text, kWords);
  return 0;
}
