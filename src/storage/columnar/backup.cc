// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/text.h"
#include "storage/columnar/backup_manifest.h"
#include "storage/columnar/data_directory.h"

namespace khtrace::storage::columnar {
namespace {

constexpr std::string_view kManifestName = "BACKUP";
// How often parts are listed anew because a merge replaced some meanwhile.
constexpr int kMaxListings = 20;
// Copied in pieces of this size.
constexpr size_t kCopyBytes = 4u << 20;
// Of a part's end, that tell it from another of its name and size.
constexpr size_t kTailBytes = 4096;

std::string Parent(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

// Copies the bytes of a file durably, but for its directory's entry.
Status WriteCopy(Fs& fs, std::span<const std::byte> bytes,
                 const std::string& to) {
  ASSIGN_OR_RETURN(const auto file, fs.Create(to));
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kCopyBytes));
    RETURN_IF_ERROR(file->Append(piece));
    bytes = bytes.subspan(piece.size());
  }
  RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

// The directory's entries; none if it is missing.
Result<std::vector<std::string>> ListIfThere(Fs& fs, const std::string& dir) {
  auto names = fs.List(dir);
  if (!names && names.error().code == Code::kNotFound) {
    return std::vector<std::string>();
  }
  return names;
}

std::string ManifestOf(const std::string& backup) {
  return fmt::format("{}/{}", backup, kManifestName);
}

Result<BackupManifest> ReadManifest(Fs& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(fs, ManifestOf(path)));
  auto manifest = BackupManifest::Parse(text);
  if (!manifest) {
    return Error{manifest.error().code, fmt::format("{}: {}", ManifestOf(path),
                                                    manifest.error().message)};
  }
  return manifest;
}

class Backup {
 public:
  Backup(Fs& fs, std::string dir, std::string destination, UnixNanos now,
         const BackupProgress& progress)
      : fs_(fs), dir_(std::move(dir)), progress_(progress) {
    manifest_.created = now;
    // Seconds are enough of a name, and colons are none everywhere.
    std::string name = FormatRfc3339({now.ns / 1'000'000'000 * 1'000'000'000});
    std::replace(name.begin(), name.end(), ':', '-');
    destination_ = std::move(destination);
    report_.path = fmt::format("{}/{}", destination_, name);
  }

  Result<BackupReport> Run() {
    RETURN_IF_ERROR(CheckDataDirectory(fs_, dir_));
    if (fs_.Exists(report_.path)) {
      return Error{Code::kAlreadyExists,
                   fmt::format("{} exists already", report_.path)};
    }
    const Status done = CopyAll();
    if (done) return std::move(report_);
    // The manifest first: without it this is no backup.
    (void)fs_.Remove(ManifestOf(report_.path));
    for (const std::string& path : made_) (void)fs_.Remove(path);
    return done.error();
  }

 private:
  Status CopyAll() {
    RETURN_IF_ERROR(FindPrevious());
    ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                     ListTenants(fs_, dir_));
    RETURN_IF_ERROR(fs_.MakeDirs(report_.path));
    for (const std::string& tenant : tenants) {
      const std::string below = "tenants/" + tenant;
      RETURN_IF_ERROR(CopyLog(below + "/wal"));
      RETURN_IF_ERROR(CopyParts(below + "/parts"));
    }
    std::sort(manifest_.files.begin(), manifest_.files.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    report_.files = manifest_.files.size();
    return WriteFileAtomically(fs_, ManifestOf(report_.path),
                               manifest_.ToText());
  }

  // The newest whole backup beside ours. Names sort as times do.
  Status FindPrevious() {
    ASSIGN_OR_RETURN(std::vector<std::string> names,
                     ListIfThere(fs_, destination_));
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      const std::string path = fmt::format("{}/{}", destination_, *name);
      auto manifest = ReadManifest(fs_, path);
      if (!manifest) continue;
      previous_path_ = path;
      previous_ = *std::move(manifest);
      break;
    }
    return {};
  }

  Status CopyLog(const std::string& below) {
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     ListIfThere(fs_, fmt::format("{}/{}", dir_, below)));
    RETURN_IF_ERROR(fs_.MakeDirs(fmt::format("{}/{}", report_.path, below)));
    for (const std::string& name : names) {
      if (!name.ends_with(".wal")) continue;
      const std::string path = fmt::format("{}/{}", below, name);
      const auto source = fs_.Map(fmt::format("{}/{}", dir_, path));
      // Flushed meanwhile: its spans are in a part that we have yet to list.
      if (!source && source.error().code == Code::kNotFound) continue;
      if (!source) return source.error();
      RETURN_IF_ERROR(Copy(path, (*source)->bytes()));
    }
    return fs_.SyncDir(fmt::format("{}/{}", report_.path, below));
  }

  Status CopyParts(const std::string& below) {
    RETURN_IF_ERROR(fs_.MakeDirs(fmt::format("{}/{}", report_.path, below)));
    std::set<std::string> taken;
    bool complete = false;
    for (int i = 0; !complete && i < kMaxListings; ++i) {
      ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       ListIfThere(fs_, fmt::format("{}/{}", dir_, below)));
      complete = true;
      for (const std::string& name : names) {
        if (!name.ends_with(".part") || taken.contains(name)) continue;
        const Status done = TakePart(fmt::format("{}/{}", below, name));
        if (!done && done.error().code != Code::kNotFound) return done;
        if (done) taken.insert(name);
        complete = complete && done;
      }
    }
    if (!complete) {
      return Error{Code::kUnavailable,
                   fmt::format("parts of {}/{} kept vanishing while they were "
                               "copied ({} listings)",
                               dir_, below, kMaxListings)};
    }
    return fs_.SyncDir(fmt::format("{}/{}", report_.path, below));
  }

  // kNotFound: gone since it was listed.
  Status TakePart(const std::string& path) {
    const std::string source = fmt::format("{}/{}", dir_, path);
    const std::string target = fmt::format("{}/{}", report_.path, path);
    ASSIGN_OR_RETURN(const auto mapped, fs_.Map(source));
    if (const BackupFile* before = SameBefore(path, mapped->bytes());
        before != nullptr &&
        fs_.Link(fmt::format("{}/{}", previous_path_, path), target)) {
      Took(*before, true);
      return {};
    }
    const Status linked = fs_.Link(source, target);
    if (!linked) return Copy(path, mapped->bytes());
    Took({path, mapped->bytes().size(), Hash64(mapped->bytes())}, true);
    return {};
  }

  // The previous backup's entry of a part, if it holds the same: a store that
  // was restored may use a name again. A part's end holds the checksums of
  // the rest.
  const BackupFile* SameBefore(const std::string& path,
                               std::span<const std::byte> bytes) {
    const BackupFile* before = previous_.Find(path);
    if (before == nullptr || before->bytes != bytes.size()) return nullptr;
    const auto old = fs_.Map(fmt::format("{}/{}", previous_path_, path));
    if (!old || (*old)->bytes().size() != bytes.size()) return nullptr;
    const size_t size = std::min(bytes.size(), kTailBytes);
    return std::ranges::equal((*old)->bytes().last(size), bytes.last(size))
               ? before
               : nullptr;
  }

  Status Copy(const std::string& path, std::span<const std::byte> bytes) {
    const std::string target = fmt::format("{}/{}", report_.path, path);
    made_.push_back(target);
    RETURN_IF_ERROR(WriteCopy(fs_, bytes, target));
    Took({path, bytes.size(), Hash64(bytes)}, false);
    return {};
  }

  void Took(const BackupFile& file, bool linked) {
    if (linked) made_.push_back(fmt::format("{}/{}", report_.path, file.path));
    report_.bytes += file.bytes;
    if (linked) report_.linked_bytes += file.bytes;
    manifest_.files.push_back(file);
    if (progress_) progress_(report_.bytes, 0);
  }

  Fs& fs_;
  const std::string dir_;
  std::string destination_;
  const BackupProgress& progress_;
  BackupManifest manifest_;
  BackupReport report_;
  std::string previous_path_;
  BackupManifest previous_;
  std::vector<std::string> made_;  // files, to be removed after an error
};

// Whoever made a directory for us to restore into made it empty.
Status CheckEmpty(Fs& fs, const std::string& dir) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListIfThere(fs, dir));
  for (const std::string& name : names) {
    if (name == "lost+found") continue;
    return Error{Code::kFailedPrecondition,
                 fmt::format("{} is not empty: it holds \"{}\"", dir, name)};
  }
  return {};
}

Status RestoreFile(Fs& fs, const BackupFile& file, const std::string& from,
                   const std::string& to) {
  const auto source = fs.Map(from);
  if (!source && source.error().code == Code::kNotFound) {
    return Error{Code::kDataLoss, fmt::format("{} is missing", from)};
  }
  if (!source) return source.error();
  const std::span<const std::byte> bytes = (*source)->bytes();
  if (bytes.size() != file.bytes) {
    return Error{Code::kDataLoss,
                 fmt::format("{} has {} bytes, the manifest says {}", from,
                             bytes.size(), file.bytes)};
  }
  if (Hash64(bytes) != file.hash) {
    return Error{Code::kDataLoss,
                 fmt::format("{} is damaged: its checksum is {:016x}, the "
                             "manifest says {:016x}",
                             from, Hash64(bytes), file.hash)};
  }
  return WriteCopy(fs, bytes, to);
}

}  // namespace

Result<BackupReport> BackUpDirectory(Fs& fs, const Clock& clock,
                                     const std::string& dir,
                                     const std::string& destination,
                                     const BackupProgress& progress) {
  return Backup(fs, dir, destination, clock.Now(), progress).Run();
}

Result<BackupReport> RestoreDirectory(Fs& fs, const std::string& path,
                                      const std::string& dir,
                                      const BackupProgress& progress) {
  auto manifest = ReadManifest(fs, path);
  if (!manifest && manifest.error().code == Code::kNotFound) {
    return Error{Code::kNotFound,
                 fmt::format("{} holds no whole backup: there is no {}", path,
                             kManifestName)};
  }
  if (!manifest) return manifest.error();
  RETURN_IF_ERROR(CheckEmpty(fs, dir));
  BackupReport report;
  report.path = path;
  report.files = manifest->files.size();
  for (const BackupFile& file : manifest->files) report.bytes += file.bytes;
  RETURN_IF_ERROR(fs.MakeDirs(dir));
  std::set<std::string> dirs;
  uint64_t done = 0;
  for (const BackupFile& file : manifest->files) {
    const std::string to = fmt::format("{}/{}", dir, file.path);
    const std::string tenant = Parent(Parent(to));
    for (const std::string& one : {tenant + "/wal", tenant + "/parts"}) {
      if (dirs.insert(one).second) RETURN_IF_ERROR(fs.MakeDirs(one));
    }
    RETURN_IF_ERROR(
        RestoreFile(fs, file, fmt::format("{}/{}", path, file.path), to));
    done += file.bytes;
    if (progress) progress(done, report.bytes);
  }
  for (const std::string& made : dirs) RETURN_IF_ERROR(fs.SyncDir(made));
  RETURN_IF_ERROR(WriteDataFormat(fs, dir));
  return report;
}

}  // namespace khtrace::storage::columnar
