// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/data_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "base/request_context.h"
#include "storage/columnar/part_name.h"

namespace khtrace::storage::columnar {
namespace {

constexpr std::string_view kFormatPrefix = "khtrace-data ";
constexpr uint32_t kFormatVersion = 1;

std::string FormatFile(const std::string& dir) { return dir + "/FORMAT"; }

Status CheckFormat(Fs& fs, const std::string& dir) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(fs, FormatFile(dir)));
  const std::string_view view = text;
  uint32_t version = 0;
  if (view.starts_with(kFormatPrefix)) {
    std::from_chars(view.data() + kFormatPrefix.size(),
                    view.data() + view.size(), version);
  }
  if (version == 0) {
    return Error{Code::kDataLoss,
                 fmt::format("{} does not say \"{}{}\"", FormatFile(dir),
                             kFormatPrefix, kFormatVersion)};
  }
  if (version > kFormatVersion) {
    return Error{Code::kUnimplemented,
                 fmt::format("{} has format version {}, this program reads up "
                             "to {}",
                             dir, version, kFormatVersion)};
  }
  return {};
}

Error SomethingElse(const std::string& dir, const std::string& name) {
  return Error{Code::kFailedPrecondition,
               fmt::format("{} is not a khtrace data directory and is not "
                           "empty: it holds \"{}\"",
                           dir, name)};
}

// What a crash between making the directory and naming its format leaves.
bool MayBeOurs(const std::string& name) {
  return name == "LOCK" || name == "FORMAT.tmp" || name == "lost+found";
}

Status MakeFormat(Fs& fs, const std::string& dir) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(dir));
  for (const std::string& name : names) {
    if (!MayBeOurs(name)) return SomethingElse(dir, name);
  }
  return WriteDataFormat(fs, dir);
}

Result<PartReport> InspectPart(Fs& fs, const std::string& path) {
  PartReport report;
  report.path = path;
  auto part = Part::Open(fs, path);
  if (part) {
    report.info = (*part)->info();
    report.columns = (*part)->Columns();
  } else if (part.error().code == Code::kNotFound) {
    return std::move(part).error();
  } else {
    report.error = part.error().message;
  }
  return report;
}

// Paths of files in parts/ whose names end with `suffix`, sorted.
Result<std::vector<std::string>> PartFiles(Fs& fs, const std::string& dir,
                                           std::string_view suffix) {
  ASSIGN_OR_RETURN(std::vector<std::string> names, fs.List(dir + "/parts"));
  std::erase_if(
      names, [&](const std::string& name) { return !name.ends_with(suffix); });
  for (std::string& name : names) name.insert(0, dir + "/parts/");
  return names;
}

// Moves the parts that others replace to the leftovers.
void SortOutReplaced(TenantReport* report) {
  std::set<std::string> replaced;
  for (const PartReport& part : report->parts) {
    const std::vector<std::string>& names = part.info.meta.replaces;
    replaced.insert(names.begin(), names.end());
  }
  std::erase_if(report->parts, [&](const PartReport& part) {
    std::string name(FileNameOf(part.path));
    if (!part.error.empty() || !replaced.contains(name)) return false;
    report->leftovers.push_back(std::move(name));
    return true;
  });
}

Result<TenantReport> InspectTenant(Fs& fs, const std::string& dir,
                                   const std::string& tenant) {
  TenantReport report;
  report.tenant = tenant;
  ASSIGN_OR_RETURN(const std::vector<std::string> files,
                   PartFiles(fs, dir, kPartSuffix));
  for (const std::string& file : files) {
    Result<PartReport> part = InspectPart(fs, file);
    // A running server may merge it away meanwhile.
    if (!part && part.error().code == Code::kNotFound) continue;
    if (!part) return std::move(part).error();
    report.parts.push_back(*std::move(part));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> half_written,
                   PartFiles(fs, dir, kTemporarySuffix));
  for (const std::string& file : half_written) {
    report.leftovers.emplace_back(FileNameOf(file));
  }
  SortOutReplaced(&report);
  uint64_t flushed = 0;
  for (const PartReport& part : report.parts) {
    report.part_spans += part.info.span_count;
    report.part_bytes += part.info.file_bytes;
    flushed = std::max(flushed, part.info.meta.wal_end);
  }
  const WalVisitor count = [&](uint64_t, model::SpanBatchPtr batch) -> Status {
    report.wal_spans += batch->row_count();
    return {};
  };
  ASSIGN_OR_RETURN(report.wal, ReplayWal(fs, dir + "/wal", flushed, count));
  for (const WalSegment& segment : report.wal.segments) {
    report.wal_bytes += segment.file_bytes;
  }
  return report;
}

Status VerifyPart(Fs& fs, const std::string& path, VerifyReport* report) {
  auto part = Part::Open(fs, path);
  // A running server may have merged or dropped it meanwhile.
  if (!part && part.error().code == Code::kNotFound) return {};
  Status checked;
  if (part) {
    ++report->parts;
    report->part_spans += (*part)->info().span_count;
    checked = (*part)->Verify();
  } else {
    checked = std::move(part).error();
  }
  if (checked) return {};
  if (checked.error().code != Code::kDataLoss) {
    return std::move(checked).error();
  }
  report->damage.push_back({path, 0, checked.error().message});
  return {};
}

}  // namespace

Result<std::unique_ptr<FileLock>> OpenDataDirectory(Fs& fs,
                                                    const std::string& dir) {
  if (!fs.Exists(dir)) {
    Status made = fs.MakeDirs(dir);
    if (!made) return std::move(made).error();
  }
  // Before LOCK is made: a directory of somebody else stays as it is.
  if (!fs.Exists(FormatFile(dir))) {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(dir));
    for (const std::string& name : names) {
      if (!MayBeOurs(name)) return SomethingElse(dir, name);
    }
  }
  ASSIGN_OR_RETURN(auto lock, fs.Lock(dir + "/LOCK"));
  if (!fs.Exists(FormatFile(dir))) RETURN_IF_ERROR(MakeFormat(fs, dir));
  RETURN_IF_ERROR(CheckFormat(fs, dir));
  return lock;
}

Status CheckDataDirectory(Fs& fs, const std::string& dir) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(dir));
  if (!fs.Exists(FormatFile(dir))) {
    return Error{Code::kFailedPrecondition,
                 fmt::format("{} is not a khtrace data directory: it holds no "
                             "file FORMAT",
                             dir)};
  }
  return CheckFormat(fs, dir);
}

Status WriteDataFormat(Fs& fs, const std::string& dir) {
  return WriteFileAtomically(
      fs, FormatFile(dir),
      fmt::format("{}{}\n", kFormatPrefix, kFormatVersion));
}

std::string TenantsDir(const std::string& dir) { return dir + "/tenants"; }

Result<std::vector<std::string>> ListTenants(Fs& fs, const std::string& dir) {
  if (!fs.Exists(TenantsDir(dir))) return std::vector<std::string>();
  ASSIGN_OR_RETURN(std::vector<std::string> names, fs.List(TenantsDir(dir)));
  std::erase_if(names,
                [](const std::string& name) { return !ValidateTenant(name); });
  return names;
}

Result<DirectoryReport> InspectDirectory(Fs& fs, const std::string& dir) {
  RETURN_IF_ERROR(CheckDataDirectory(fs, dir));
  ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                   ListTenants(fs, dir));
  DirectoryReport report;
  for (const std::string& tenant : tenants) {
    ASSIGN_OR_RETURN(TenantReport one,
                     InspectTenant(fs, TenantsDir(dir) + "/" + tenant, tenant));
    report.tenants.push_back(std::move(one));
  }
  return report;
}

Result<VerifyReport> VerifyDirectory(Fs& fs, const std::string& dir) {
  RETURN_IF_ERROR(CheckDataDirectory(fs, dir));
  ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                   ListTenants(fs, dir));
  VerifyReport report;
  for (const std::string& tenant : tenants) {
    const std::string path = TenantsDir(dir) + "/" + tenant;
    ASSIGN_OR_RETURN(const std::vector<std::string> files,
                     PartFiles(fs, path, kPartSuffix));
    for (const std::string& file : files) {
      RETURN_IF_ERROR(VerifyPart(fs, file, &report));
    }
    const WalVisitor nothing = [](uint64_t, model::SpanBatchPtr) -> Status {
      return {};
    };
    ASSIGN_OR_RETURN(WalReplay wal, ReplayWal(fs, path + "/wal", 0, nothing));
    report.wal_frames += wal.frames;
    report.torn_bytes += wal.torn_bytes;
    report.damage.insert(report.damage.end(), wal.damage.begin(),
                         wal.damage.end());
  }
  return report;
}

}  // namespace khtrace::storage::columnar
