// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace khtrace::storage::columnar {

// How a number stands in a text. Written to disk.
//   0         decimal, without leading zeros
//   1 to 16   so many lower-case hexadecimal digits
//   33 to 51  32 + so many decimal digits
using NumberForm = uint8_t;
inline constexpr NumberForm kPlainNumber = 0;
inline constexpr unsigned kMaxHexDigits = 16;
inline constexpr NumberForm kPaddedNumber = 32;
inline constexpr unsigned kMaxDecimalDigits = 19;

// Stands in a template where a text has a number; its form follows as a byte.
inline constexpr char kSlot = '\0';

// Splits `text` into a template (appended to `pattern`) and its numbers
// (appended to `numbers`). False if the text has a byte that marks a slot.
bool SplitNumbers(std::string_view text, std::string* pattern,
                  std::vector<uint64_t>* numbers);
bool IsNumberForm(uint8_t form);
// Of a number printed in this form.
unsigned LeastDigits(NumberForm form);
// At most kMaxDecimalDigits + 1 bytes. `out` has room for them; their count.
unsigned PrintNumber(uint64_t number, NumberForm form, char* out);

}  // namespace khtrace::storage::columnar
