// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace khtrace::wire {

// Content codings of HTTP (RFC 9110 section 8.4) that OTLP senders use.
enum class Coding : uint8_t { kIdentity, kGzip, kDeflate, kZstd };

// "", "identity", "gzip", "x-gzip", "deflate", "zlib", "zstd", any case.
// kInvalidArgument for anything else, quoting it and listing what we take.
Result<Coding> ParseCoding(std::string_view name);

// Inflates `bytes`. kInvalidArgument: malformed or truncated.
// kResourceExhausted: more than `limit_bytes` would come out. The output never
// grows beyond that, so a zip bomb costs its limit (and, while the output
// grows, half as much again). Several gzip members or zstd frames in a row are
// one text; anything else behind the end is malformed. kDeflate takes both
// zlib-wrapped and raw streams, as browsers and proxies send both.
Result<std::string> Decompress(Coding coding, std::string_view bytes,
                               size_t limit_bytes);

std::string GzipCompress(std::string_view bytes, int level = 6);
std::string ZstdCompress(std::string_view bytes, int level);
// `raw_size` is known from our own format; kDataLoss when it does not fit.
Result<std::string> ZstdDecompress(std::string_view bytes, size_t raw_size);
std::string Lz4Compress(std::string_view bytes);
Result<std::string> Lz4Decompress(std::string_view bytes, size_t raw_size);

}  // namespace khtrace::wire
