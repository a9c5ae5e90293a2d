// SPDX-License-Identifier: Apache-2.0
#include "wire/compression.h"

#include <fmt/format.h>
#include <lz4.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <memory>

#include "base/check.h"

namespace khtrace::wire {
namespace {

// Inflated at a time into a buffer on the stack, which the cache holds, and
// appended from there: the output is neither zeroed nor guessed beforehand.
// Larger saves calls, smaller saves stack.
constexpr size_t kChunkBytes = 32 * 1024;
// zlib counts in unsigned int.
constexpr size_t kMaxInputStepBytes = size_t{1} << 30;
// Deflate cannot shrink a byte string by more than this (zlib's manual), LZ4
// not by more than 255; a promised size beyond is a lie.
constexpr size_t kDeflateMaxRatio = 1032;
constexpr size_t kLz4MaxRatio = 255;
// One zstd block of at least 3 bytes gives at most 128 KiB (RFC 8878).
constexpr size_t kZstdMaxRatio = 128 * 1024 / 3 + 1;

Error Malformed(std::string_view coding, std::string_view why) {
  return {Code::kInvalidArgument,
          fmt::format("cannot inflate the {} data: {}", coding, why)};
}

Error TooLarge(std::string_view coding, size_t limit_bytes) {
  return {Code::kResourceExhausted,
          fmt::format("cannot inflate the {} data: it has more than the limit "
                      "of {} bytes",
                      coding, limit_bytes)};
}

// Collects the output and never lets it grow beyond its limit.
class BoundedOutput {
 public:
  BoundedOutput(size_t limit_bytes, size_t expected_bytes)
      : limit_bytes_(limit_bytes) {
    out_.reserve(std::min(expected_bytes, limit_bytes));
  }

  // False if that would be more than the limit.
  bool Append(const char* data, size_t size) {
    const size_t needed = out_.size() + size;
    if (needed > limit_bytes_) return false;
    if (needed > out_.capacity()) {
      out_.reserve(std::min(limit_bytes_, 2 * needed));
    }
    out_.append(data, size);
    return true;
  }
  std::string Take() { return std::move(out_); }

 private:
  const size_t limit_bytes_;
  std::string out_;
};

// How zlib is told what to expect: added to, or instead of, the window bits.
enum class ZlibFormat : int { kRaw = -15, kZlib = 15, kGzip = 15 + 16 };

class Inflater {
 public:
  explicit Inflater(ZlibFormat format) {
    const int result = inflateInit2(&stream_, static_cast<int>(format));
    KHTRACE_CHECK(result == Z_OK || result == Z_MEM_ERROR);
    usable_ = result == Z_OK;
  }
  ~Inflater() {
    if (usable_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool usable() const { return usable_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool usable_ = false;
};

// What a gzip file says it inflates to (its last four bytes), if believable.
size_t ExpectedGzipBytes(std::string_view bytes) {
  if (bytes.size() < 18) return 0;
  uint32_t size = 0;
  for (size_t i = 0; i < 4; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[bytes.size() - 4 + i]);
    size |= uint32_t{byte} << (8 * i);
  }
  return size / kDeflateMaxRatio <= bytes.size() ? size : 0;
}

Result<std::string> InflateAll(std::string_view coding, ZlibFormat format,
                               std::string_view bytes, size_t limit_bytes) {
  Inflater inflater(format);
  if (!inflater.usable()) {
    return Error{Code::kResourceExhausted,
                 "cannot inflate: out of memory for the decoder"};
  }
  z_stream& stream = inflater.stream();
  const size_t expected =
      format == ZlibFormat::kGzip ? ExpectedGzipBytes(bytes) : 2 * bytes.size();
  BoundedOutput out(limit_bytes, expected);
  std::array<char, kChunkBytes> chunk;
  for (;;) {
    const size_t step = std::min(bytes.size(), kMaxInputStepBytes);
    // zlib does not write to its input; its interface is older than const.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(step);
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = kChunkBytes;
    const int result = inflate(&stream, Z_NO_FLUSH);
    bytes.remove_prefix(step - stream.avail_in);
    if (!out.Append(chunk.data(), kChunkBytes - stream.avail_out)) {
      return TooLarge(coding, limit_bytes);
    }
    if (result == Z_STREAM_END) {
      if (bytes.empty()) return out.Take();
      // RFC 1952 section 2.2: a file may be several members in a row.
      if (format != ZlibFormat::kGzip) {
        return Malformed(coding, "bytes follow its end");
      }
      inflateReset(&stream);
    } else if (result == Z_BUF_ERROR ||
               (result == Z_OK && bytes.empty() && stream.avail_out != 0)) {
      return Malformed(coding, "it is truncated");
    } else if (result != Z_OK) {
      return Malformed(coding,
                       stream.msg != nullptr ? stream.msg : "it is malformed");
    }
  }
}

// RFC 1950 section 2.2: method 8 in the low bits, and the first two bytes, as
// a number, divisible by 31.
bool LooksLikeZlib(std::string_view bytes) {
  if (bytes.size() < 2) return false;
  const auto cmf = static_cast<uint8_t>(bytes[0]);
  const auto flg = static_cast<uint8_t>(bytes[1]);
  return (cmf & 0x0f) == 8 && (cmf * 256 + flg) % 31 == 0;
}

Result<std::string> InflateDeflate(std::string_view bytes, size_t limit_bytes) {
  if (!LooksLikeZlib(bytes)) {
    return InflateAll("deflate", ZlibFormat::kRaw, bytes, limit_bytes);
  }
  auto wrapped = InflateAll("deflate", ZlibFormat::kZlib, bytes, limit_bytes);
  if (wrapped || wrapped.error().code != Code::kInvalidArgument) {
    return wrapped;
  }
  // A raw stream may begin with two such bytes by chance.
  auto raw = InflateAll("deflate", ZlibFormat::kRaw, bytes, limit_bytes);
  return raw ? std::move(raw) : std::move(wrapped);
}

struct ZstdFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

// The decoder keeps a window of its own beside the output. RFC 9659: at least
// 8 MiB must work over HTTP; beyond, no more than the output may have.
int WindowLogLimit(size_t limit_bytes) {
  const int log = std::bit_width(std::max<size_t>(limit_bytes, 2) - 1);
  return std::clamp(log, 23, 31);
}

Result<std::string> InflateZstd(std::string_view bytes, size_t limit_bytes) {
  std::unique_ptr<ZSTD_DCtx, ZstdFree> context(ZSTD_createDCtx());
  KHTRACE_CHECK(context != nullptr);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax,
                         WindowLogLimit(limit_bytes));
  const unsigned long long said =
      ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  const bool is_said =
      said != ZSTD_CONTENTSIZE_ERROR && said != ZSTD_CONTENTSIZE_UNKNOWN;
  if (is_said && said > limit_bytes) return TooLarge("zstd", limit_bytes);
  BoundedOutput out(limit_bytes, is_said && said / kZstdMaxRatio <= bytes.size()
                                     ? said
                                     : 4 * bytes.size());
  std::array<char, kChunkBytes> chunk;
  ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
  for (;;) {
    ZSTD_outBuffer output{chunk.data(), chunk.size(), 0};
    const size_t left = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(left)) {
      if (ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge) {
        return TooLarge("zstd", limit_bytes);
      }
      return Malformed("zstd", ZSTD_getErrorName(left));
    }
    if (!out.Append(chunk.data(), output.pos)) {
      return TooLarge("zstd", limit_bytes);
    }
    if (input.pos < input.size) continue;
    // `left` is 0 exactly at the end of a frame that is written out.
    if (left == 0) return out.Take();
    if (output.pos < output.size) return Malformed("zstd", "it is truncated");
  }
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == y;
  });
}

}  // namespace

Result<Coding> ParseCoding(std::string_view name) {
  struct Row {
    std::string_view name;
    Coding coding;
  };
  constexpr std::array<Row, 7> kNames{{
      {"", Coding::kIdentity},
      {"identity", Coding::kIdentity},
      {"gzip", Coding::kGzip},
      {"x-gzip", Coding::kGzip},
      {"deflate", Coding::kDeflate},
      {"zlib", Coding::kDeflate},
      {"zstd", Coding::kZstd},
  }};
  for (const Row& row : kNames) {
    if (EqualsIgnoringCase(name, row.name)) return row.coding;
  }
  return Error{
      Code::kInvalidArgument,
      fmt::format("cannot read content encoding '{}', supported: identity, "
                  "gzip, deflate, zlib, zstd",
                  name)};
}

Result<std::string> Decompress(Coding coding, std::string_view bytes,
                               size_t limit_bytes) {
  switch (coding) {
    case Coding::kGzip:
      return InflateAll("gzip", ZlibFormat::kGzip, bytes, limit_bytes);
    case Coding::kDeflate:
      return InflateDeflate(bytes, limit_bytes);
    case Coding::kZstd:
      return InflateZstd(bytes, limit_bytes);
    case Coding::kIdentity:
      break;
  }
  if (bytes.size() > limit_bytes) return TooLarge("identity", limit_bytes);
  return std::string(bytes);
}

std::string GzipCompress(std::string_view bytes, int level) {
  z_stream stream{};
  KHTRACE_CHECK(bytes.size() <= kMaxInputStepBytes);
  KHTRACE_CHECK(deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8,
                             Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  deflateEnd(&stream);
  KHTRACE_CHECK(result == Z_STREAM_END);
  out.resize(stream.total_out);
  return out;
}

std::string ZstdCompress(std::string_view bytes, int level) {
  // A context is over a megabyte of tables; a store compresses many small
  // pages a second on each of its threads.
  thread_local std::unique_ptr<ZSTD_CCtx, ZstdFree> context(ZSTD_createCCtx());
  KHTRACE_CHECK(context != nullptr);
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compressCCtx(context.get(), out.data(), out.size(),
                                        bytes.data(), bytes.size(), level);
  KHTRACE_CHECK(!ZSTD_isError(size));
  out.resize(size);
  return out;
}

Result<std::string> ZstdDecompress(std::string_view bytes, size_t raw_size) {
  // Checked before a size that rotted on disk is allocated.
  if (ZSTD_getFrameContentSize(bytes.data(), bytes.size()) != raw_size ||
      raw_size / kZstdMaxRatio > bytes.size()) {
    return Error{Code::kDataLoss,
                 fmt::format("cannot read zstd data: it does not hold the {} "
                             "bytes it should",
                             raw_size)};
  }
  thread_local std::unique_ptr<ZSTD_DCtx, ZstdFree> context(ZSTD_createDCtx());
  KHTRACE_CHECK(context != nullptr);
  std::string out(raw_size, '\0');
  const size_t size = ZSTD_decompressDCtx(context.get(), out.data(), raw_size,
                                          bytes.data(), bytes.size());
  if (ZSTD_isError(size) || size != raw_size) {
    return Error{
        Code::kDataLoss,
        fmt::format("cannot read zstd data: {}",
                    ZSTD_isError(size) ? ZSTD_getErrorName(size) : "short")};
  }
  return out;
}

std::string Lz4Compress(std::string_view bytes) {
  KHTRACE_CHECK(bytes.size() <= LZ4_MAX_INPUT_SIZE);
  const int in_size = static_cast<int>(bytes.size());
  std::string out(static_cast<size_t>(LZ4_compressBound(in_size)), '\0');
  const int size = LZ4_compress_default(bytes.data(), out.data(), in_size,
                                        static_cast<int>(out.size()));
  KHTRACE_CHECK(size > 0);
  out.resize(static_cast<size_t>(size));
  return out;
}

Result<std::string> Lz4Decompress(std::string_view bytes, size_t raw_size) {
  if (raw_size > LZ4_MAX_INPUT_SIZE || bytes.size() > LZ4_MAX_INPUT_SIZE ||
      raw_size / kLz4MaxRatio > bytes.size()) {
    return Error{Code::kDataLoss,
                 fmt::format("cannot read LZ4 data: {} bytes cannot hold {}",
                             bytes.size(), raw_size)};
  }
  std::string out(raw_size, '\0');
  const int size = LZ4_decompress_safe(bytes.data(), out.data(),
                                       static_cast<int>(bytes.size()),
                                       static_cast<int>(raw_size));
  if (size < 0 || static_cast<size_t>(size) != raw_size) {
    return Error{Code::kDataLoss,
                 fmt::format("cannot read LZ4 data: it does not hold the {} "
                             "bytes it should",
                             raw_size)};
  }
  return out;
}

}  // namespace khtrace::wire
