// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/fs.h"

namespace khtrace {
namespace {

// Traces hold what users typed: nothing for strangers on the same machine.
constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirMode = 0750;

Code CodeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
      return Code::kResourceExhausted;
    default:
      return Code::kUnavailable;
  }
}

// "cannot <what> <path>: <reason>" from errno.
Error Failed(std::string_view what, std::string_view path, int error = errno) {
  return Error{CodeOf(error), fmt::format("cannot {} {}: {}", what, path,
                                          std::strerror(error))};
}

// Repeats a call that a signal interrupted.
template <typename Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// Owns a descriptor.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }

  static Fd Open(const std::string& path, int flags) {
    return Fd(Retry(
        [&] { return open(path.c_str(), flags | O_CLOEXEC, kFileMode); }));
  }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Status WriteAll(int fd, std::span<const std::byte> bytes,
                const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written =
        Retry([&] { return write(fd, bytes.data(), bytes.size()); });
    if (written < 0) return Failed("write to", path);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

class PosixWritableFile : public WritableFile {
 public:
  PosixWritableFile(Fd fd, std::string path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  Status Append(std::span<const std::byte> bytes) override {
    if (!fd_.valid()) return Failed("write to", path_, EBADF);
    return WriteAll(fd_.get(), bytes, path_);
  }

  // fdatasync leaves out the times of the inode but not its new size.
  Status Sync() override {
    if (Retry([&] { return fdatasync(fd_.get()); }) < 0) {
      return Failed("sync", path_);
    }
    return {};
  }

  Status Close() override {
    // Linux frees the descriptor even when close() reports EINTR.
    if (fd_.valid() && close(fd_.Release()) < 0 && errno != EINTR) {
      return Failed("close", path_);
    }
    return {};
  }

 private:
  Fd fd_;
  const std::string path_;
};

class PosixMappedFile : public MappedFile {
 public:
  // Takes over the mapping; an empty file has none.
  explicit PosixMappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  ~PosixMappedFile() override {
    if (bytes_.empty()) return;
    munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  std::span<const std::byte> bytes() const override { return bytes_; }
  void Release() const override {
    if (bytes_.empty()) return;
    // A hint: where it fails, the pages only stay longer.
    (void)madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(),
                  MADV_DONTNEED);
  }

 private:
  std::span<const std::byte> bytes_;
};

// What cannot be mapped, a pipe or a device, is read to its end.
class ReadWholeFile : public MappedFile {
 public:
  // False with errno set.
  bool Read(int fd) {
    char piece[64 << 10];
    for (;;) {
      const ssize_t size = Retry([&] { return read(fd, piece, sizeof piece); });
      if (size < 0) return false;
      if (size == 0) return true;
      content_.append(piece, static_cast<size_t>(size));
    }
  }
  std::span<const std::byte> bytes() const override {
    return std::as_bytes(std::span(content_.data(), content_.size()));
  }

 private:
  std::string content_;
};

// The descriptor is the lock: the kernel lets go when it is closed.
class PosixFileLock : public FileLock {
 public:
  explicit PosixFileLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  Fd fd_;
};

Status SyncDirectory(const std::string& dir) {
  const Fd fd = Fd::Open(dir, O_RDONLY | O_DIRECTORY);
  if (!fd.valid()) return Failed("open directory", dir);
  // EINVAL: a file system whose directories cannot be synced, such as some
  // network mounts; it has no stronger promise to give.
  if (Retry([&] { return fsync(fd.get()); }) < 0 && errno != EINVAL) {
    return Failed("sync directory", dir);
  }
  return {};
}

// Makes one directory and syncs its parent. Fine if it is there.
Status MakeDir(const std::string& dir) {
  if (mkdir(dir.c_str(), kDirMode) < 0) {
    const int error = errno;
    struct stat info {};
    if (stat(dir.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
    return Failed("make directory", dir, error);
  }
  const size_t slash = dir.rfind('/');
  if (slash == std::string::npos) return SyncDirectory(".");
  return SyncDirectory(slash == 0 ? "/" : dir.substr(0, slash));
}

// Who holds the lock, for the message: digits at the start of the file.
std::string ReadHolder(int fd) {
  char text[24];
  const ssize_t size = Retry([&] { return pread(fd, text, sizeof(text), 0); });
  const std::string_view all(text, size > 0 ? static_cast<size_t>(size) : 0);
  const size_t digits = all.find_first_not_of("0123456789");
  const std::string_view pid = all.substr(0, digits);
  return pid.empty() ? "another process" : fmt::format("process {}", pid);
}

class PosixFs : public Fs {
 public:
  Result<std::unique_ptr<WritableFile>> Create(
      const std::string& path) override {
    Fd fd = Fd::Open(path, O_WRONLY | O_CREAT | O_TRUNC);
    if (!fd.valid()) return Failed("create", path);
    return std::unique_ptr<WritableFile>(
        std::make_unique<PosixWritableFile>(std::move(fd), path));
  }

  Result<std::shared_ptr<const MappedFile>> Map(
      const std::string& path) override {
    const Fd fd = Fd::Open(path, O_RDONLY);
    if (!fd.valid()) return Failed("open", path);
    struct stat info {};
    if (fstat(fd.get(), &info) < 0) return Failed("read the size of", path);
    if (S_ISDIR(info.st_mode)) return Failed("read", path, EISDIR);
    if (!S_ISREG(info.st_mode)) {
      auto whole = std::make_shared<ReadWholeFile>();
      if (!whole->Read(fd.get())) return Failed("read", path);
      return std::shared_ptr<const MappedFile>(std::move(whole));
    }
    const auto size = static_cast<size_t>(info.st_size);
    void* start = nullptr;
    if (size > 0) {
      start = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
      if (start == MAP_FAILED) return Failed("map", path);
    }
    return std::shared_ptr<const MappedFile>(std::make_shared<PosixMappedFile>(
        std::span(static_cast<const std::byte*>(start), size)));
  }

  Result<std::vector<std::string>> List(const std::string& dir) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(dir.c_str()),
                                                     closedir);
    if (!stream) return Failed("list", dir);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(stream.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return Failed("list", dir);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<uint64_t> FileSize(const std::string& path) override {
    struct stat info {};
    if (stat(path.c_str(), &info) < 0) return Failed("read the size of", path);
    return static_cast<uint64_t>(info.st_size);
  }

  bool Exists(const std::string& path) override {
    struct stat info {};
    return stat(path.c_str(), &info) == 0;
  }

  Status MakeDirs(const std::string& dir) override {
    for (size_t end = dir.find('/', 1); end != std::string::npos;
         end = dir.find('/', end + 1)) {
      if (dir[end - 1] == '/') continue;
      RETURN_IF_ERROR(MakeDir(dir.substr(0, end)));
    }
    return dir.empty() || dir.back() == '/' ? Status() : MakeDir(dir);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) < 0) {
      return Failed("rename", fmt::format("{} to {}", from, to));
    }
    return {};
  }

  Status Remove(const std::string& path) override {
    if (remove(path.c_str()) < 0) return Failed("remove", path);
    return {};
  }

  Status Link(const std::string& from, const std::string& to) override {
    if (link(from.c_str(), to.c_str()) < 0) {
      return Failed("link", fmt::format("{} as {}", from, to));
    }
    return {};
  }

  Status SyncDir(const std::string& dir) override { return SyncDirectory(dir); }

  Result<FsSpace> Space(const std::string& dir) override {
    struct statvfs info {};
    if (Retry([&] { return statvfs(dir.c_str(), &info); }) < 0) {
      return Failed("read the free space of", dir);
    }
    return FsSpace{.total_bytes = info.f_blocks * info.f_frsize,
                   .free_bytes = info.f_bavail * info.f_frsize};
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    Fd fd = Fd::Open(path, O_RDWR | O_CREAT);
    if (!fd.valid()) return Failed("open lock", path);
    if (Retry([&] { return flock(fd.get(), LOCK_EX | LOCK_NB); }) < 0) {
      if (errno != EWOULDBLOCK) return Failed("lock", path);
      return Error{Code::kFailedPrecondition,
                   fmt::format("cannot lock {}: {} holds it", path,
                               ReadHolder(fd.get()))};
    }
    if (Retry([&] { return ftruncate(fd.get(), 0); }) < 0) {
      return Failed("write to", path);
    }
    const std::string pid = fmt::format("{}\n", getpid());
    RETURN_IF_ERROR(WriteAll(
        fd.get(), std::as_bytes(std::span(pid.data(), pid.size())), path));
    return std::unique_ptr<FileLock>(
        std::make_unique<PosixFileLock>(std::move(fd)));
  }
};

}  // namespace

Fs& Fs::Real() {
  static PosixFs fs;
  return fs;
}

}  // namespace khtrace
