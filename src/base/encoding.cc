// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/text.h"

namespace khtrace {
namespace {

constexpr uint8_t kInvalid = 0xff;

constexpr std::array<uint8_t, 256> MakeHexTable() {
  std::array<uint8_t, 256> table{};
  table.fill(kInvalid);
  for (uint8_t i = 0; i < 10; ++i) table['0' + i] = i;
  for (uint8_t i = 0; i < 6; ++i) {
    table['a' + i] = static_cast<uint8_t>(10 + i);
    table['A' + i] = static_cast<uint8_t>(10 + i);
  }
  return table;
}

constexpr std::string_view kBase64Alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<uint8_t, 256> MakeBase64Table() {
  std::array<uint8_t, 256> table{};
  table.fill(kInvalid);
  for (uint8_t i = 0; i < 64; ++i) {
    table[static_cast<uint8_t>(kBase64Alphabet[i])] = i;
  }
  table['-'] = 62;  // the URL-safe alphabet
  table['_'] = 63;
  return table;
}

constexpr std::array<uint8_t, 256> kHexValue = MakeHexTable();
constexpr std::array<uint8_t, 256> kBase64Value = MakeBase64Table();

uint8_t HexValue(char c) { return kHexValue[static_cast<uint8_t>(c)]; }

}  // namespace

std::string HexEncode(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out(bytes.size() * 2, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = std::to_integer<uint8_t>(bytes[i]);
    out[2 * i] = kDigits[byte >> 4];
    out[2 * i + 1] = kDigits[byte & 15];
  }
  return out;
}

bool HexDecode(std::string_view hex, std::span<std::byte> out) {
  if (hex.size() % 2 != 0 || out.size() < hex.size() / 2) return false;
  uint8_t seen = 0;  // gets a high bit as soon as one digit is no digit
  for (size_t i = 0; i < hex.size() / 2; ++i) {
    const uint8_t high = HexValue(hex[2 * i]);
    const uint8_t low = HexValue(hex[2 * i + 1]);
    seen |= high | low;
    out[i] = static_cast<std::byte>((high << 4 | low) & 0xff);
  }
  return (seen & 0x80) == 0;
}

std::string Base64Encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      const uint8_t byte = k < count ? static_cast<uint8_t>(bytes[i + k]) : 0;
      group = group << 8 | byte;
    }
    for (size_t k = 0; k < 4; ++k) {
      const uint32_t digit = group >> (18 - 6 * k) & 63;
      out.push_back(k <= count ? kBase64Alphabet[digit] : '=');
    }
  }
  return out;
}

std::optional<std::string> Base64Decode(std::string_view text) {
  const size_t padded_size = text.size();
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  const size_t padding = padded_size - text.size();
  if (padding > 0 && (padded_size % 4 != 0 || padding > 2)) return std::nullopt;
  if (text.size() % 4 == 1) return std::nullopt;

  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t pending = 0;
  int pending_bits = 0;
  for (const char c : text) {
    const uint8_t value = kBase64Value[static_cast<uint8_t>(c)];
    if (value == kInvalid) return std::nullopt;
    pending = (pending << 6 | value) & 0xffff;
    pending_bits += 6;
    if (pending_bits >= 8) {
      pending_bits -= 8;
      out.push_back(static_cast<char>(pending >> pending_bits & 0xff));
    }
  }
  return out;
}

}  // namespace khtrace
