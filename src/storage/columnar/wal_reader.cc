// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/wal_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "storage/columnar/wal_format.h"

namespace khtrace::storage::columnar {
namespace {

struct SegmentFile {
  std::string path;
  uint64_t first_sequence = 0;
  std::shared_ptr<const MappedFile> map;
  std::optional<WalHeader> header;  // nullopt: damaged
  std::string header_error;

  std::string_view bytes() const {
    const auto all = map->bytes();
    return {reinterpret_cast<const char*>(all.data()), all.size()};
  }
  // A crash right after the file was made leaves less than a header, or
  // zeros. Were it more, the gap in the sequences would tell.
  bool IsTorn() const {
    const std::string_view all = bytes();
    return !header && (all.size() < kWalHeaderBytes ||
                       all.find_first_not_of('\0') == std::string_view::npos);
  }
};

class Replayer {
 public:
  Replayer(Fs& fs, std::string dir, uint64_t after, const WalVisitor& visit)
      : fs_(fs), dir_(std::move(dir)), after_(after), visit_(visit) {}

  Result<WalReplay> Run() {
    replay_.next_sequence = after_ + 1;
    RETURN_IF_ERROR(OpenSegments());
    for (size_t i = 0; i < files_.size(); ++i) {
      RETURN_IF_ERROR(ReadSegment(i));
    }
    return std::move(replay_);
  }

 private:
  Status OpenSegments();
  Status ReadSegment(size_t index);
  Status Deliver(const SegmentFile& file, size_t offset,
                 const WalFrameView& frame);
  void NoteDamage(const SegmentFile& file, size_t offset, std::string what) {
    replay_.damage.push_back({file.path, offset, std::move(what)});
  }
  // How much of segment `index` a later one vouches for.
  size_t Limit(size_t index) const;
  bool IsLast(size_t index) const;

  Fs& fs_;
  const std::string dir_;
  const uint64_t after_;
  const WalVisitor& visit_;
  std::vector<SegmentFile> files_;
  WalReplay replay_;
};

Status Replayer::OpenSegments() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(dir_));
  for (const std::string& name : names) {
    const auto first = ParseWalFileName(name);
    if (!first) continue;
    SegmentFile file;
    file.path = dir_ + "/" + name;
    file.first_sequence = *first;
    ASSIGN_OR_RETURN(file.map, fs_.Map(file.path));
    auto header = DecodeWalHeader(file.bytes());
    if (header && header->first_sequence == *first) {
      file.header = *header;
    } else if (header) {
      file.header_error = "the header belongs to another segment";
    } else if (header.error().code == Code::kUnimplemented) {
      return std::move(header).error().With(file.path);
    } else {
      file.header_error = header.error().message;
    }
    files_.push_back(std::move(file));
  }
  return {};
}

size_t Replayer::Limit(size_t index) const {
  const size_t size = files_[index].bytes().size();
  for (size_t later = index + 1; later < files_.size(); ++later) {
    const auto& header = files_[later].header;
    if (header && header->previous_sequence == files_[index].first_sequence &&
        header->previous_bytes > 0) {
      return std::min<size_t>(size, header->previous_bytes);
    }
  }
  return size;
}

bool Replayer::IsLast(size_t index) const {
  return std::all_of(files_.begin() + static_cast<ptrdiff_t>(index) + 1,
                     files_.end(),
                     [](const SegmentFile& file) { return file.IsTorn(); });
}

Status Replayer::ReadSegment(size_t index) {
  const SegmentFile& file = files_[index];
  const bool is_last = IsLast(index);
  const std::string_view bytes = file.bytes().substr(0, Limit(index));
  WalSegment segment{file.path, file.first_sequence, file.first_sequence - 1,
                     file.bytes().size(), 0};
  if (!file.header) {
    if (file.IsTorn()) {
      replay_.torn_bytes += bytes.size();
    } else {
      NoteDamage(file, 0, file.header_error);
      // The name is taken: it must not be written over.
      replay_.next_sequence =
          std::max(replay_.next_sequence, file.first_sequence + 1);
    }
    replay_.segments.push_back(std::move(segment));
    return {};
  }
  // Before the first segment nothing is missing: a log begins where parts end,
  // and such parts may have been dropped by retention.
  if (index > 0 && file.first_sequence > replay_.next_sequence) {
    NoteDamage(file, 0,
               fmt::format("frames {} to {} are missing before this segment",
                           replay_.next_sequence, file.first_sequence - 1));
  }
  size_t at = kWalHeaderBytes;
  segment.good_bytes = at;
  std::optional<size_t> bad_at;
  while (at < bytes.size()) {
    const auto frame = ParseWalFrame(bytes.substr(at));
    if (!frame) {
      // Step over it only if it leads to a whole frame: its length may be
      // what is damaged.
      const auto claimed = ClaimedWalFrameBytes(bytes.substr(at));
      if (!claimed || !ParseWalFrame(bytes.substr(at + *claimed))) {
        bad_at = at;
        break;
      }
      NoteDamage(file, at, "a damaged frame was stepped over");
      at += *claimed;
      continue;
    }
    RETURN_IF_ERROR(Deliver(file, at, *frame));
    segment.last_sequence = frame->sequence;
    at += frame->bytes();
    segment.good_bytes = at;
  }
  if (bad_at && is_last) {
    replay_.torn_bytes += bytes.size() - *bad_at;
  } else if (bad_at) {
    NoteDamage(file, *bad_at,
               fmt::format("{} bytes from here to the segment's end are "
                           "unreadable",
                           bytes.size() - *bad_at));
  }
  replay_.segments.push_back(std::move(segment));
  return {};
}

Status Replayer::Deliver(const SegmentFile& file, size_t offset,
                         const WalFrameView& frame) {
  const uint64_t expected = replay_.next_sequence;
  replay_.next_sequence = std::max(expected, frame.sequence + 1);
  if (frame.sequence <= after_) return {};
  if (frame.sequence < expected) {
    NoteDamage(file, offset,
               fmt::format("frame {} comes a second time", frame.sequence));
    return {};
  }
  auto batch = DecodeWalFrame(frame);
  if (!batch && batch.error().code == Code::kUnimplemented) {
    return std::move(batch).error().With(file.path);
  }
  if (!batch) {
    NoteDamage(file, offset, batch.error().message);
    return {};
  }
  ++replay_.frames;
  return visit_(frame.sequence,
                std::make_shared<const model::SpanBatch>(*std::move(batch)));
}

}  // namespace

Result<WalReplay> ReplayWal(Fs& fs, const std::string& dir, uint64_t after,
                            const WalVisitor& visit) {
  return Replayer(fs, dir, after, visit).Run();
}

}  // namespace khtrace::storage::columnar
