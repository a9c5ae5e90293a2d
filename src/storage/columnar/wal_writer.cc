// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/wal_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace khtrace::storage::columnar {
namespace {

// Frames written at once. Larger: fewer writes, a longer wait for the first
// of them; a disk at 400 MB/s takes 20 ms for this.
constexpr size_t kGroupBytes = 8 << 20;

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Error AsRetryable(Error error) {
  if (error.code != Code::kResourceExhausted) error.code = Code::kUnavailable;
  return std::move(error).With("cannot write to the log");
}

}  // namespace

WalWriter::WalWriter(Fs& fs, Executor& commit, std::string dir,
                     const WalOptions& options, const WalReplay& replay,
                     WalCounters& counters)
    : fs_(fs),
      commit_(commit),
      dir_(std::move(dir)),
      options_(options),
      counters_(counters) {
  next_header_.first_sequence = replay.next_sequence;
  for (const WalSegment& segment : replay.segments) {
    // A segment of this name is about to be made anew: it holds no frame.
    if (segment.first_sequence == replay.next_sequence) continue;
    sealed_.push_back(segment);
    bytes_ += segment.file_bytes;
    if (segment.good_bytes == 0) continue;  // damaged: nothing to vouch for
    next_header_.previous_sequence = segment.first_sequence;
    next_header_.previous_bytes = segment.good_bytes;
  }
}

WalWriter::~WalWriter() = default;

bool WalWriter::Claim() {
  if (running_) return false;
  running_ = true;
  return true;
}

void WalWriter::PostJob() {
  commit_.Post([this] { RunJob(); });
}

void WalWriter::Append(WalFrame frame, Done done) {
  bool post = false;
  std::optional<Error> refused;
  {
    MutexLock lock(mu_);
    if (closed_) {
      refused = Error{Code::kFailedPrecondition, "the log is closed"};
    } else if (queued_bytes_ > 0 &&
               queued_bytes_ + frame.bytes() > options_.queue_bytes) {
      refused = Error{
          Code::kResourceExhausted,
          fmt::format("the write-ahead log queue is full: {} bytes wait, limit "
                      "{}",
                      queued_bytes_, options_.queue_bytes)};
    } else {
      queued_bytes_ += frame.bytes();
      queue_.push_back({std::move(frame), std::move(done)});
      post = Claim();
    }
  }
  if (refused) {
    done(*std::move(refused));
  } else if (post) {
    PostJob();
  }
}

void WalWriter::Sync() {
  bool post = false;
  {
    MutexLock lock(mu_);
    if (closed_) return;
    sync_asked_ = true;
    post = Claim();
  }
  if (post) PostJob();
}

void WalWriter::Truncate(uint64_t sequence) {
  bool post = false;
  {
    MutexLock lock(mu_);
    if (closed_) return;
    truncate_to_ = std::max(truncate_to_, sequence);
    truncate_asked_ = true;
    post = Claim();
  }
  if (post) PostJob();
}

Status WalWriter::Close() {
  {
    MutexLock lock(mu_);
    if (closed_) return {};
    closed_ = true;
    while (running_) idle_.Wait(mu_);
  }
  // Nobody else is left: the job's members are ours.
  if (file_ == nullptr) return {};
  if (unsynced_) RETURN_IF_ERROR(file_->Sync());
  return file_->Close();
}

WalWriter::Group WalWriter::TakeGroup() {
  Group group;
  size_t bytes = 0;
  while (!queue_.empty() && (group.empty() || bytes < kGroupBytes)) {
    bytes += queue_.front().frame.bytes();
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

void WalWriter::RunJob() {
  for (;;) {
    Group group;
    bool sync = false;
    std::optional<uint64_t> truncate;
    {
      MutexLock lock(mu_);
      group = TakeGroup();
      sync = std::exchange(sync_asked_, false);
      if (std::exchange(truncate_asked_, false)) truncate = truncate_to_;
      if (group.empty() && !sync && !truncate) {
        running_ = false;
        idle_.NotifyAll();
        return;
      }
    }
    size_t bytes = 0;
    for (const Waiting& waiting : group) bytes += waiting.frame.bytes();
    if (!group.empty()) Commit(std::move(group));
    {
      MutexLock lock(mu_);
      queued_bytes_ -= bytes;
    }
    if (sync) SyncNow();
    if (truncate) DeleteUpTo(*truncate);
  }
}

void WalWriter::Commit(Group group) {
  const uint64_t first = next_header_.first_sequence;
  const Status written = Write(group);
  if (!written) {
    ++counters_.failures;
    Abandon();
    for (Waiting& waiting : group) {
      waiting.done(AsRetryable(written.error()));
    }
    return;
  }
  next_header_.first_sequence = first + group.size();
  current_.last_sequence = next_header_.first_sequence - 1;
  current_.file_bytes += buffer_.size();
  current_.good_bytes = current_.file_bytes;
  bytes_ += buffer_.size();
  counters_.bytes += buffer_.size();
  counters_.frames += group.size();
  uint64_t sequence = first;
  for (Waiting& waiting : group) waiting.done(sequence++);
  if (current_.file_bytes >= options_.segment_bytes) Seal();
}

Status WalWriter::Write(const Group& group) {
  if (file_ == nullptr) RETURN_IF_ERROR(OpenSegment());
  buffer_.clear();
  uint64_t sequence = next_header_.first_sequence;
  for (const Waiting& waiting : group) {
    AppendWalFrame(waiting.frame, sequence++, &buffer_);
  }
  RETURN_IF_ERROR(file_->Append(AsBytes(buffer_)));
  unsynced_ = true;
  if (options_.sync != WalSync::kBatch) return {};
  RETURN_IF_ERROR(file_->Sync());
  unsynced_ = false;
  ++counters_.syncs;
  return {};
}

Status WalWriter::OpenSegment() {
  current_ = {};
  current_.first_sequence = next_header_.first_sequence;
  current_.last_sequence = current_.first_sequence - 1;
  current_.path = dir_ + "/" + WalFileName(current_.first_sequence);
  ASSIGN_OR_RETURN(file_, fs_.Create(current_.path));
  const auto header = EncodeWalHeader(next_header_);
  RETURN_IF_ERROR(file_->Append(AsBytes({header.data(), header.size()})));
  current_.file_bytes = header.size();
  current_.good_bytes = header.size();
  bytes_ += header.size();
  if (options_.sync == WalSync::kNone) return {};
  // The name has to be on disk before a frame is acknowledged; the header's
  // bytes go with the first frame's sync.
  return fs_.SyncDir(dir_);
}

void WalWriter::Seal() {
  if (unsynced_ && options_.sync != WalSync::kNone) SyncNow();
  if (file_ == nullptr) return;
  const Status closed = file_->Close();
  if (!closed) log::Warning("{}", closed.error().message);
  file_.reset();
  next_header_.previous_sequence = current_.first_sequence;
  next_header_.previous_bytes = current_.good_bytes;
  sealed_.push_back(current_);
}

void WalWriter::Abandon() {
  if (file_ == nullptr) return;
  file_.reset();
  unsynced_ = false;
  if (current_.last_sequence >= current_.first_sequence) {
    next_header_.previous_sequence = current_.first_sequence;
    next_header_.previous_bytes = current_.good_bytes;
    sealed_.push_back(current_);
    return;
  }
  bytes_ -= current_.file_bytes;
  // No frame of it counts: the next attempt takes the same name. Without this
  // a full disk would keep the dead bytes.
  const Status removed = fs_.Remove(current_.path);
  if (!removed) log::Warning("{}", removed.error().message);
}

void WalWriter::SyncNow() {
  if (file_ == nullptr || !unsynced_) return;
  const Status synced = file_->Sync();
  unsynced_ = false;
  if (synced) {
    ++counters_.syncs;
    return;
  }
  // Frames were acknowledged before their sync: that is what the interval
  // mode risks. The system may have dropped the pages: stop using the file.
  ++counters_.failures;
  log::Error("acknowledged spans may not survive a power cut: {}",
             synced.error().message);
  Abandon();
}

void WalWriter::DeleteUpTo(uint64_t sequence) {
  if (file_ != nullptr && current_.last_sequence >= current_.first_sequence &&
      current_.last_sequence <= sequence) {
    unsynced_ = false;  // its frames are in a part
    Seal();
  }
  std::erase_if(sealed_, [&](const WalSegment& segment) {
    if (segment.last_sequence > sequence) return false;
    const Status removed = fs_.Remove(segment.path);
    if (!removed && removed.error().code != Code::kNotFound) {
      log::Warning("{}", removed.error().message);
      return false;
    }
    bytes_ -= segment.file_bytes;
    return true;
  });
}

}  // namespace khtrace::storage::columnar
