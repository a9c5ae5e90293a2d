// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_template_split.h"

#include <array>

namespace khtrace::storage::columnar {
namespace {

constexpr uint8_t kDecimal = 1;
constexpr uint8_t kHexLetter = 2;
constexpr uint8_t kMarker = 4;
// Shorter runs with letters are taken for words.
constexpr size_t kMinHexDigits = 4;

constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes{};
  for (int c = '0'; c <= '9'; ++c) classes[static_cast<size_t>(c)] = kDecimal;
  for (int c = 'a'; c <= 'f'; ++c) classes[static_cast<size_t>(c)] = kHexLetter;
  classes[static_cast<size_t>(kSlot)] = kMarker;
  return classes;
}
constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

uint8_t ClassOf(char c) { return kClasses[static_cast<uint8_t>(c)]; }

// The run of hexadecimal digits at the start of `text`; *classes: of which.
size_t RunLength(std::string_view text, uint8_t* classes) {
  size_t length = 0;
  uint8_t seen = 0;
  while (length < text.size()) {
    const uint8_t c = ClassOf(text[length]);
    if (c == 0 || c == kMarker) break;
    seen |= c;
    ++length;
  }
  *classes = seen;
  return length;
}

// The decimal run at the start of `text`.
size_t DecimalLength(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && ClassOf(text[length]) == kDecimal) ++length;
  return length;
}

// A run of decimal digits, in pieces that fit into 64 bits.
void SplitDecimals(std::string_view digits, std::string* pattern,
                   std::vector<uint64_t>* numbers) {
  while (!digits.empty()) {
    const std::string_view piece = digits.substr(0, kMaxDecimalDigits);
    uint64_t number = 0;
    for (const char c : piece) {
      number = number * 10 + static_cast<uint64_t>(c - '0');
    }
    const bool plain = piece.size() == 1 || piece[0] != '0';
    pattern->push_back(kSlot);
    pattern->push_back(plain ? static_cast<char>(kPlainNumber)
                             : static_cast<char>(kPaddedNumber + piece.size()));
    numbers->push_back(number);
    digits.remove_prefix(piece.size());
  }
}

void SplitHex(std::string_view digits, std::string* pattern,
              std::vector<uint64_t>* numbers) {
  while (!digits.empty()) {
    const std::string_view piece = digits.substr(0, kMaxHexDigits);
    uint64_t number = 0;
    for (const char c : piece) {
      number = number << 4 |
               static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    pattern->push_back(kSlot);
    pattern->push_back(static_cast<char>(piece.size()));
    numbers->push_back(number);
    digits.remove_prefix(piece.size());
  }
}

}  // namespace

bool SplitNumbers(std::string_view text, std::string* pattern,
                  std::vector<uint64_t>* numbers) {
  size_t literal = 0;  // where the text begins that is still to be appended
  size_t i = 0;
  while (i < text.size()) {
    const uint8_t c = ClassOf(text[i]);
    if (c == 0) {
      ++i;
      continue;
    }
    if (c == kMarker) return false;
    uint8_t classes = 0;
    const size_t run = RunLength(text.substr(i), &classes);
    if (classes == kHexLetter) {
      i += run;
      continue;
    }
    const bool hex = classes != kDecimal && run >= kMinHexDigits;
    while (!hex && ClassOf(text[i]) == kHexLetter) ++i;
    pattern->append(text.substr(literal, i - literal));
    const std::string_view rest = text.substr(i);
    const size_t digits = hex ? run : DecimalLength(rest);
    if (hex) {
      SplitHex(rest.substr(0, digits), pattern, numbers);
    } else {
      SplitDecimals(rest.substr(0, digits), pattern, numbers);
    }
    i += digits;
    literal = i;
  }
  pattern->append(text.substr(literal));
  return true;
}

bool IsNumberForm(uint8_t form) {
  return form <= kMaxHexDigits ||
         (form > kPaddedNumber && form <= kPaddedNumber + kMaxDecimalDigits);
}

unsigned LeastDigits(NumberForm form) {
  if (form == kPlainNumber) return 1;
  return form <= kMaxHexDigits ? form : form - kPaddedNumber;
}

unsigned PrintNumber(uint64_t number, NumberForm form, char* out) {
  if (form >= 1 && form <= kMaxHexDigits) {
    for (unsigned i = form; i-- > 0; number >>= 4) {
      out[i] = "0123456789abcdef"[number & 15];
    }
    return form;
  }
  if (form > kPaddedNumber) {
    const unsigned digits = form - kPaddedNumber;
    for (unsigned i = digits; i-- > 0; number /= 10) {
      out[i] = static_cast<char>('0' + number % 10);
    }
    return digits;
  }
  std::array<char, 20> reversed;
  unsigned length = 0;
  do {
    reversed[length++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  for (unsigned i = 0; i < length; ++i) out[i] = reversed[length - 1 - i];
  return length;
}

}  // namespace khtrace::storage::columnar
