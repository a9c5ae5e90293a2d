// SPDX-License-Identifier: Apache-2.0
#include "base/fs.h"

namespace khtrace {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status WriteAndSync(Fs& fs, const std::string& path, std::string_view content) {
  ASSIGN_OR_RETURN(auto file, fs.Create(path));
  RETURN_IF_ERROR(
      file->Append(std::as_bytes(std::span(content.data(), content.size()))));
  RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

}  // namespace

Result<std::string> ReadFile(Fs& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, fs.Map(path));
  const std::span<const std::byte> bytes = file->bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Status WriteFileAtomically(Fs& fs, const std::string& path,
                           std::string_view content) {
  const std::string beside = path + ".tmp";
  Status written = WriteAndSync(fs, beside, content);
  if (written) written = fs.Rename(beside, path);
  if (!written) {
    // Tidying up may fail as well; the first error is the one that tells.
    (void)fs.Remove(beside);
    return written;
  }
  return fs.SyncDir(DirectoryOf(path));
}

}  // namespace khtrace
