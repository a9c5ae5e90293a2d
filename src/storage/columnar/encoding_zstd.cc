// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_zstd.h"

#include <zstd.h>

#include <memory>

#include "base/release.h"

namespace khtrace::storage::columnar {
namespace {

// A zstd block holds at most 128 KiB and takes at least 4 bytes (RFC 8878
// section 3.1.1.2), so no honest frame expands by more.
constexpr size_t kMaxRatio = 128 * 1024 / 4;

// Room for compressed bytes that a thread keeps.
constexpr size_t kMaxRoomBytes = 1 << 20;

// Contexts are some hundred KB to set up: one a thread.
ZSTD_CCtx* Compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(
      ZSTD_createCCtx(), &ZSTD_freeCCtx);
  return context.get();
}
ZSTD_DCtx* Decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(
      ZSTD_createDCtx(), &ZSTD_freeDCtx);
  return context.get();
}

}  // namespace

void AppendZstd(std::string_view raw, int level, std::string* out) {
  // Kept, so that room for the worst case is not cleared each time.
  thread_local std::string room;
  const size_t bound = ZSTD_compressBound(raw.size());
  if (room.size() < bound) room.resize(bound);
  const size_t size = ZSTD_compressCCtx(Compressor(), room.data(), room.size(),
                                        raw.data(), raw.size(), level);
  // The bound was kept, so only running out of memory is left.
  KHTRACE_CHECK(!ZSTD_isError(size));
  out->append(room, 0, size);
  if (room.size() > kMaxRoomBytes) Release(room);
}

Status ReadZstd(std::string_view frame, size_t raw_size, std::string* out) {
  if (raw_size / kMaxRatio > frame.size()) {
    return Error{Code::kDataLoss, "malformed zstd frame: too short"};
  }
  out->resize(raw_size);
  const size_t size = ZSTD_decompressDCtx(Decompressor(), out->data(), raw_size,
                                          frame.data(), frame.size());
  if (ZSTD_isError(size) || size != raw_size) {
    return Error{Code::kDataLoss, "malformed zstd frame"};
  }
  return {};
}

}  // namespace khtrace::storage::columnar
