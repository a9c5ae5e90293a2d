// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/backup_manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/hash.h"
#include "base/text.h"

namespace khtrace::storage::columnar {
namespace {

constexpr uint64_t kVersion = 1;

template <typename T>
bool ParseNumber(std::string_view text, int base, T* out) {
  const auto parsed =
      std::from_chars(text.data(), text.data() + text.size(), *out, base);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

// Takes `prefix` and one line off `text`; false if it begins otherwise.
bool TakeLine(std::string_view* text, std::string_view prefix,
              std::string_view* line) {
  if (!text->starts_with(prefix)) return false;
  const size_t end = text->find('\n');
  if (end == std::string_view::npos) return false;
  *line = text->substr(prefix.size(), end - prefix.size());
  text->remove_prefix(end + 1);
  return true;
}

// The part before the first space, which is taken off.
std::string_view TakeWord(std::string_view* line) {
  const size_t space = line->find(' ');
  const std::string_view word = line->substr(0, space);
  line->remove_prefix(space == std::string_view::npos ? line->size()
                                                      : space + 1);
  return word;
}

// Whether it is tenants/<tenant>/<wal or parts>/<file>: a restore writes where
// these paths lead.
bool IsOurPath(std::string_view path) {
  if (!path.starts_with("tenants/")) return false;
  int names = 0;
  for (;;) {
    const size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name == "." || name == "..") return false;
    if (++names == 3 && name != "wal" && name != "parts") return false;
    if (slash == std::string_view::npos) return names == 4;
    path.remove_prefix(slash + 1);
  }
}

std::optional<BackupFile> ParseFile(std::string_view line) {
  BackupFile file;
  if (!ParseNumber(TakeWord(&line), 16, &file.hash)) return std::nullopt;
  if (!ParseNumber(TakeWord(&line), 10, &file.bytes)) return std::nullopt;
  if (!IsOurPath(line)) return std::nullopt;
  file.path = line;
  return file;
}

Error Malformed(std::string_view what) {
  return {Code::kDataLoss, fmt::format("the manifest is damaged: {}", what)};
}

Status CheckVersion(std::string_view what, std::string_view text) {
  uint64_t version = 0;
  if (!ParseNumber(text, 10, &version) || version == 0) return Malformed(what);
  if (version > kVersion) {
    return Error{Code::kUnimplemented,
                 fmt::format("{} {} is newer than {}, the newest that this "
                             "program reads",
                             what, version, kVersion)};
  }
  return {};
}

}  // namespace

std::string BackupManifest::ToText() const {
  std::string text =
      fmt::format("khtrace-backup {}\ndata-format {}\ncreated {}\n", kVersion,
                  kVersion, FormatRfc3339(created));
  for (const BackupFile& file : files) {
    text +=
        fmt::format("file {:016x} {} {}\n", file.hash, file.bytes, file.path);
  }
  text += fmt::format("end {} {:016x}\n", files.size(), Hash64(text));
  return text;
}

Result<BackupManifest> BackupManifest::Parse(std::string_view text) {
  const std::string_view whole = text;
  BackupManifest manifest;
  std::string_view line;
  if (!TakeLine(&text, "khtrace-backup ", &line)) {
    return Malformed("it does not begin with \"khtrace-backup\"");
  }
  RETURN_IF_ERROR(CheckVersion("khtrace-backup", line));
  if (!TakeLine(&text, "data-format ", &line)) return Malformed("data-format");
  RETURN_IF_ERROR(CheckVersion("data-format", line));
  if (!TakeLine(&text, "created ", &line)) return Malformed("created");
  ASSIGN_OR_RETURN(manifest.created, ParseRfc3339(line));
  while (TakeLine(&text, "file ", &line)) {
    std::optional<BackupFile> file = ParseFile(line);
    if (!file) return Malformed(line);
    if (!manifest.files.empty() && manifest.files.back().path >= file->path) {
      return Malformed(fmt::format("{} is out of order", file->path));
    }
    manifest.files.push_back(*std::move(file));
  }
  const std::string_view before = whole.substr(0, whole.size() - text.size());
  if (!TakeLine(&text, "end ", &line) || !text.empty()) {
    return Malformed("it is cut off");
  }
  size_t count = 0;
  uint64_t hash = 0;
  const bool ends =
      ParseNumber(TakeWord(&line), 10, &count) && ParseNumber(line, 16, &hash);
  if (!ends || count != manifest.files.size() || hash != Hash64(before)) {
    return Malformed("its checksum does not fit");
  }
  return manifest;
}

const BackupFile* BackupManifest::Find(std::string_view path) const {
  const auto at = std::lower_bound(
      files.begin(), files.end(), path,
      [](const BackupFile& file, std::string_view p) { return file.path < p; });
  return at != files.end() && at->path == path ? &*at : nullptr;
}

}  // namespace khtrace::storage::columnar
