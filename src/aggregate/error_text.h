// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

// What of the texts of an error stays the same when it happens again. Pure
// functions; any bytes are fine.

namespace khtrace::aggregate {

// Stand in a normalised message for what is not the same every time.
inline constexpr std::string_view kUuidPlaceholder = "<uuid>";
inline constexpr std::string_view kHexPlaceholder = "<hex>";
inline constexpr std::string_view kNumberPlaceholder = "<n>";
inline constexpr std::string_view kQuotedPlaceholder = "<s>";
inline constexpr std::array kPlaceholders = {
    kUuidPlaceholder, kHexPlaceholder, kNumberPlaceholder, kQuotedPlaceholder};

// `message` with placeholders for what differs from one time to the next, in
// one line of at most 200 bytes:
//   <uuid>  8-4-4-4-12 hexadecimal digits
//   <hex>   0x…, or a word of 8 and more hexadecimal digits that has a digit
//   <n>     numbers with the letters and digits that hang on them (12ms, v2)
//   <s>     what stands between quotes of one kind: '…' "…" `…`
// Numbers of words of letters stay (utf8, http2): they are names.
std::string NormaliseMessage(std::string_view message);

// The first lines of a stack trace that are the program's own.
struct Frames {
  std::string top;    // the innermost one, without its line number; may be ""
  uint32_t hash = 0;  // of up to three; 0 if there is none
};
// Understands the traces of Java, Python, JavaScript, Go, .NET and C++ by
// their lines; a line of none of those is no frame. Frames of runtimes and
// package folders are not the program's own, unless there are no others.
Frames OwnFrames(std::string_view stacktrace);

}  // namespace khtrace::aggregate
