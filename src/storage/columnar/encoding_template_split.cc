// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_template_split.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>

namespace khtrace::storage::columnar {
namespace {

// Shorter runs with letters are taken for words.
constexpr size_t kMinHexDigits = 4;
// Longer texts need memory of their own.
constexpr size_t kShortWords = 16;

// A bit for each character of a text, in words of 64.
struct CharBits {
  uint64_t decimal = 0;
  uint64_t hex = 0;  // decimal ones or a to f
};

// 64 characters; behind a text's end they are 0.
CharBits BitsOf(const char* p) {
  CharBits bits;
#ifdef __SSE2__
  for (int i = 0; i < 64; i += 16) {
    const __m128i chars =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
    // x - low <= span, of unsigned bytes.
    const auto within = [&](char low, char span) {
      const __m128i x = _mm_sub_epi8(chars, _mm_set1_epi8(low));
      return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(
          _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(span)), x))));
    };
    const uint64_t decimal = within('0', 9);
    bits.decimal |= decimal << i;
    bits.hex |= (decimal | within('a', 5)) << i;
  }
#else
  for (int i = 0; i < 64; ++i) {
    const auto decimal = static_cast<uint64_t>(p[i] >= '0' && p[i] <= '9');
    const auto letter = static_cast<uint64_t>(p[i] >= 'a' && p[i] <= 'f');
    bits.decimal |= decimal << i;
    bits.hex |= (decimal | letter) << i;
  }
#endif
  return bits;
}

// The runs of digits of a text.
class Digits {
 public:
  explicit Digits(std::string_view text) : size_(text.size()) {
    const size_t words = size_ / 64 + 1;  // the last one ends with a zero
    if (words > kShortWords) {
      long_.resize(words);
      bits_ = long_.data();
    }
    for (size_t word = 0; word + 1 < words; ++word) {
      bits_[word] = BitsOf(text.data() + word * 64);
    }
    std::array<char, 64> rest{};
    const std::string_view tail = text.substr(size_ / 64 * 64);
    std::copy(tail.begin(), tail.end(), rest.begin());
    bits_[words - 1] = BitsOf(rest.data());
  }
  Digits(const Digits&) = delete;
  Digits& operator=(const Digits&) = delete;

  // The first decimal digit from `at` on, or the text's size.
  size_t NextDecimal(size_t at) const {
    for (size_t word = at / 64; word <= size_ / 64; ++word, at = word * 64) {
      const uint64_t bits = bits_[word].decimal >> (at % 64);
      if (bits != 0) return at + static_cast<size_t>(std::countr_zero(bits));
    }
    return size_;
  }
  size_t DecimalEnd(size_t at) const { return End<&CharBits::decimal>(at); }
  size_t HexEnd(size_t at) const { return End<&CharBits::hex>(at); }
  // Where the run of hexadecimal digits begins that has `at`, or `least`.
  size_t HexBegin(size_t at, size_t least) const {
    while (at > least && (bits_[(at - 1) / 64].hex >> ((at - 1) % 64) & 1)) {
      --at;
    }
    return at;
  }

 private:
  // The first character from `at` on that has no such bit. There is one: a
  // zero behind the text.
  template <uint64_t CharBits::*Bits>
  size_t End(size_t at) const {
    for (;; at = (at / 64 + 1) * 64) {
      const uint64_t others = ~(bits_[at / 64].*Bits) >> (at % 64);
      if (others != 0) {
        return at + static_cast<size_t>(std::countr_zero(others));
      }
    }
  }

  const size_t size_;
  std::array<CharBits, kShortWords> short_;
  std::vector<CharBits> long_;
  CharBits* bits_ = short_.data();
};

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
  if (text.find(kSlot) != std::string_view::npos) return false;
  const Digits digits(text);
  size_t done = 0;
  // Only where a decimal digit is there can be a number; letters before it
  // belong to it if it is a hexadecimal one.
  for (;;) {
    const size_t first = digits.NextDecimal(done);
    if (first >= text.size()) break;
    const size_t begin = digits.HexBegin(first, done);
    const size_t end = digits.HexEnd(first);
    const size_t decimal_end = digits.DecimalEnd(first);
    const bool letters = begin < first || decimal_end < end;
    if (letters && end - begin >= kMinHexDigits) {
      pattern->append(text.substr(done, begin - done));
      SplitHex(text.substr(begin, end - begin), pattern, numbers);
      done = end;
    } else {
      pattern->append(text.substr(done, first - done));
      SplitDecimals(text.substr(first, decimal_end - first), pattern, numbers);
      done = decimal_end;
    }
  }
  pattern->append(text.substr(done));
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
