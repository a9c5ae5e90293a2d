// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/io_pacer.h"

#include <algorithm>
#include <utility>

namespace khtrace::storage::columnar {
namespace {

using std::chrono::nanoseconds;

// What may be spent at once after a pause. Larger: fewer sleeps, larger
// bursts.
constexpr std::chrono::milliseconds kBurst{100};

nanoseconds TimeFor(uint64_t bytes, uint64_t bytes_per_second) {
  return nanoseconds(
      static_cast<int64_t>(static_cast<double>(bytes) * 1e9 /
                           static_cast<double>(bytes_per_second)));
}

class PacedFile : public WritableFile {
 public:
  PacedFile(std::unique_ptr<WritableFile> file, IoPacer& pacer)
      : file_(std::move(file)), pacer_(pacer) {}

  Status Append(std::span<const std::byte> bytes) override {
    RETURN_IF_ERROR(pacer_.Spend(bytes.size()));
    return file_->Append(bytes);
  }
  Status Sync() override { return file_->Sync(); }
  Status Close() override { return file_->Close(); }

 private:
  const std::unique_ptr<WritableFile> file_;
  IoPacer& pacer_;
};

}  // namespace

Status IoPacer::Spend(uint64_t bytes) {
  MutexLock lock(mu_);
  if (bytes_per_second_ > 0) {
    const nanoseconds now = clock_.Monotonic();
    paid_ = std::max(paid_, now - kBurst) + TimeFor(bytes, bytes_per_second_);
    // One wait is enough: a spurious wake only pays a little early.
    if (paid_ > now && !stop_.stop_requested()) {
      (void)stopped_.WaitFor(mu_, paid_ - now);
    }
  }
  if (stop_.stop_requested()) {
    return Error{Code::kCancelled, "the store is closing"};
  }
  return {};
}

void IoPacer::Stop() {
  MutexLock lock(mu_);
  stop_.request_stop();
  stopped_.NotifyAll();
}

Result<std::unique_ptr<WritableFile>> PacedFs::Create(const std::string& path) {
  ASSIGN_OR_RETURN(auto file, fs_.Create(path));
  return std::unique_ptr<WritableFile>(
      std::make_unique<PacedFile>(std::move(file), pacer_));
}

}  // namespace khtrace::storage::columnar
