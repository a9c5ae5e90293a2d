// SPDX-License-Identifier: Apache-2.0
#include "base/faulty_fs.h"

#include <fmt/format.h>

#include <utility>

// Every call holds the mutex while it works on `base_`: the model and the
// real files change together or not at all, which a test needs more than
// speed.

namespace khtrace {
namespace {

std::string_view ParentOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string_view WithoutTrailingSlash(std::string_view dir) {
  if (dir.size() > 1 && dir.back() == '/') dir.remove_suffix(1);
  return dir;
}

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

class FaultyFs::File : public WritableFile {
 public:
  File(FaultyFs& fs, std::string path, std::unique_ptr<WritableFile> base,
       std::shared_ptr<Inode> inode, uint64_t power_cuts)
      : fs_(fs),
        path_(std::move(path)),
        base_(std::move(base)),
        inode_(std::move(inode)),
        power_cuts_(power_cuts) {}

  Status Append(std::span<const std::byte> bytes) override {
    MutexLock lock(fs_.mu_);
    RETURN_IF_ERROR(CheckPower());
    Status allowed = fs_.CountCall("append to", path_);
    if (!allowed && fs_.Tears()) RETURN_IF_ERROR(Write(Half(bytes)));
    RETURN_IF_ERROR(std::move(allowed));
    return Write(bytes);
  }

  Status Sync() override {
    MutexLock lock(fs_.mu_);
    RETURN_IF_ERROR(CheckPower());
    RETURN_IF_ERROR(fs_.CountCall("sync", path_));
    RETURN_IF_ERROR(base_->Sync());
    inode_->synced_bytes = inode_->content.size();
    return {};
  }

  Status Close() override {
    MutexLock lock(fs_.mu_);
    RETURN_IF_ERROR(CheckPower());
    RETURN_IF_ERROR(fs_.CountCall("close", path_));
    return base_->Close();
  }

 private:
  static std::span<const std::byte> Half(std::span<const std::byte> bytes) {
    return bytes.first(bytes.size() / 2);
  }

  Status CheckPower() KHTRACE_REQUIRES(fs_.mu_) {
    if (power_cuts_ == fs_.power_cuts_) return {};
    return Error{
        Code::kUnavailable,
        fmt::format("cannot use {}: opened before the power cut", path_)};
  }

  Status Write(std::span<const std::byte> bytes) KHTRACE_REQUIRES(fs_.mu_) {
    RETURN_IF_ERROR(base_->Append(bytes));
    inode_->content.append(reinterpret_cast<const char*>(bytes.data()),
                           bytes.size());
    return {};
  }

  FaultyFs& fs_;
  const std::string path_;
  const std::unique_ptr<WritableFile> base_;
  const std::shared_ptr<Inode> inode_;
  const uint64_t power_cuts_;  // as of Create
};

FaultyFs::FaultyFs(Fs& base) : base_(base) {}
FaultyFs::~FaultyFs() = default;

uint64_t FaultyFs::mutating_calls() const {
  MutexLock lock(mu_);
  return calls_;
}

void FaultyFs::InjectFault(const Fault& fault) {
  MutexLock lock(mu_);
  fault_ = fault;
}

void FaultyFs::ClearFault() { InjectFault(Fault()); }

Status FaultyFs::CountCall(std::string_view what, const std::string& path) {
  ++calls_;
  const bool fails = calls_ == fault_.at_call ||
                     (fault_.all_afterwards && calls_ > fault_.at_call);
  if (!fails) return {};
  return Error{fault_.code, fmt::format("cannot {} {}: injected at call {}",
                                        what, path, calls_)};
}

bool FaultyFs::Tears() const {
  return fault_.tear_append && calls_ == fault_.at_call;
}

bool FaultyFs::IsDirectory(const std::string& path) {
  return base_.List(path).has_value();
}

Status FaultyFs::Track(const std::string& path) {
  if (tracked_.count(path) != 0 || IsDirectory(path)) return {};
  Result<std::string> content = ReadFile(base_, path);
  if (content) {
    auto inode = std::make_shared<Inode>();
    inode->synced_bytes = content->size();
    inode->content = *std::move(content);
    seen_[path] = inode;
    on_disk_[path] = inode;
  } else if (content.error().code != Code::kNotFound) {
    return std::move(content).error();
  }
  tracked_.insert(path);
  return {};
}

Status FaultyFs::DropUnsynced() {
  MutexLock lock(mu_);
  ++power_cuts_;
  fault_ = Fault();
  for (auto& [path, inode] : on_disk_) {
    inode->content.resize(inode->synced_bytes);
  }
  for (const std::string& path : tracked_) RETURN_IF_ERROR(Restore(path));
  seen_ = on_disk_;
  return {};
}

// Removes first, so that a mapping of the old file keeps its bytes.
Status FaultyFs::Restore(const std::string& path) {
  if (base_.Exists(path)) RETURN_IF_ERROR(base_.Remove(path));
  const auto entry = on_disk_.find(path);
  if (entry == on_disk_.end()) return {};
  RETURN_IF_ERROR(base_.MakeDirs(std::string(ParentOf(path))));
  ASSIGN_OR_RETURN(const auto file, base_.Create(path));
  return file->Append(AsBytes(entry->second->content));
}

Result<std::unique_ptr<WritableFile>> FaultyFs::Create(
    const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CountCall("create", path));
  RETURN_IF_ERROR(Track(path));
  ASSIGN_OR_RETURN(auto file, base_.Create(path));
  std::shared_ptr<Inode>& inode = seen_[path];
  if (inode == nullptr) inode = std::make_shared<Inode>();
  *inode = Inode();
  return std::unique_ptr<WritableFile>(
      std::make_unique<File>(*this, path, std::move(file), inode, power_cuts_));
}

Status FaultyFs::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CountCall("rename", from));
  if (IsDirectory(from)) {
    return Error{Code::kUnimplemented,
                 fmt::format("cannot rename {}: FaultyFs does not model the "
                             "renaming of directories",
                             from)};
  }
  RETURN_IF_ERROR(Track(from));
  RETURN_IF_ERROR(Track(to));
  RETURN_IF_ERROR(base_.Rename(from, to));
  const auto entry = seen_.find(from);
  if (entry == seen_.end() || from == to) return {};
  seen_[to] = std::move(entry->second);
  seen_.erase(entry);
  return {};
}

Status FaultyFs::Remove(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CountCall("remove", path));
  RETURN_IF_ERROR(Track(path));
  RETURN_IF_ERROR(base_.Remove(path));
  seen_.erase(path);
  return {};
}

Status FaultyFs::Link(const std::string& from, const std::string& to) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CountCall("link", from));
  RETURN_IF_ERROR(Track(from));
  RETURN_IF_ERROR(Track(to));
  RETURN_IF_ERROR(base_.Link(from, to));
  seen_[to] = seen_[from];
  return {};
}

Status FaultyFs::SyncDir(const std::string& dir) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CountCall("sync directory", dir));
  RETURN_IF_ERROR(base_.SyncDir(dir));
  for (const std::string& path : tracked_) {
    if (ParentOf(path) != WithoutTrailingSlash(dir)) continue;
    const auto entry = seen_.find(path);
    if (entry == seen_.end()) {
      on_disk_.erase(path);
    } else {
      on_disk_[path] = entry->second;
    }
  }
  return {};
}

Status FaultyFs::MakeDirs(const std::string& dir) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CountCall("make directory", dir));
  return base_.MakeDirs(dir);
}

Result<std::shared_ptr<const MappedFile>> FaultyFs::Map(
    const std::string& path) {
  MutexLock lock(mu_);
  return base_.Map(path);
}

Result<std::vector<std::string>> FaultyFs::List(const std::string& dir) {
  MutexLock lock(mu_);
  return base_.List(dir);
}

Result<uint64_t> FaultyFs::FileSize(const std::string& path) {
  MutexLock lock(mu_);
  return base_.FileSize(path);
}

bool FaultyFs::Exists(const std::string& path) {
  MutexLock lock(mu_);
  return base_.Exists(path);
}

Result<FsSpace> FaultyFs::Space(const std::string& dir) {
  return base_.Space(dir);
}

Result<std::unique_ptr<FileLock>> FaultyFs::Lock(const std::string& path) {
  return base_.Lock(path);
}

}  // namespace khtrace
