// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "app/client.h"
#include "app/commands.h"
#include "app/flags.h"
#include "app/inspect_table.h"
#include "app/terminal.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "storage/columnar/backup.h"

namespace khtrace::app {
namespace {

using storage::columnar::BackupProgress;
using storage::columnar::BackupReport;

struct BackupFlags {
  std::string data_dir;
  std::string backup;  // its parent, for `khtrace backup`
};

// On a terminal, one line that is written over; elsewhere nothing.
BackupProgress ProgressLine() {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [](uint64_t done, uint64_t total) {
    fmt::print(stderr, "\r\x1b[K{}{}", FormatByteSize(done),
               total == 0 ? "" : fmt::format(" of {}", FormatByteSize(total)));
  };
}

void EndProgressLine() {
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\x1b[K");
}

Status BackUp(const BackupFlags& flags) {
  const auto report = storage::columnar::BackUpDirectory(
      Fs::Real(), Clock::System(), flags.data_dir, flags.backup,
      ProgressLine());
  EndProgressLine();
  if (!report) return report.error();
  fmt::print("{}: {} files, {} ({} of them linked, not copied)\n", report->path,
             report->files, FormatByteSize(report->bytes),
             FormatByteSize(report->linked_bytes));
  fmt::print("restore it with: khtrace restore {} NEW_DATA_DIR\n",
             report->path);
  return {};
}

Status Restore(const BackupFlags& flags) {
  const auto report = storage::columnar::RestoreDirectory(
      Fs::Real(), flags.backup, flags.data_dir, ProgressLine());
  EndProgressLine();
  if (!report) return report.error();
  fmt::print("{}: {} files, {}, every checksum fits\n", flags.data_dir,
             report->files, FormatByteSize(report->bytes));
  ASSIGN_OR_RETURN(
      const storage::columnar::VerifyReport verified,
      storage::columnar::VerifyDirectory(Fs::Real(), flags.data_dir));
  fmt::print("{}",
             RenderVerification(verified, DetectTerminal(ColorMode::kAuto)));
  if (verified.damage.empty()) return {};
  return Error{Code::kDataLoss,
               fmt::format("{} was damaged already when it was backed up; the "
                           "rest is readable",
                           flags.data_dir)};
}

}  // namespace

void AddBackupCommand(Command root) {
  auto flags = std::make_shared<BackupFlags>();
  Command command = root.Add(
      "backup", "Copy a data directory, also while a server is using it");
  AddDataDirArgument(command, &flags->data_dir);
  command
      .Text("destination", &flags->backup,
            "Where backups are kept; each is a directory named by its "
            "time")
      .Required();
  command.Footer(
      "What is unchanged since the last backup there is linked, not copied;\n"
      "so is what lies on the same file system. Every span acknowledged\n"
      "before the start is in it.\n"
      "Example:\n"
      "  khtrace backup ./khtrace-data /backups/khtrace");
  command.OnRun([flags] { return ExitCodeOf("backup", BackUp(*flags)); });
}

void AddRestoreCommand(Command root) {
  auto flags = std::make_shared<BackupFlags>();
  Command command = root.Add(
      "restore", "Make a data directory of a backup, checking all of it");
  command.Text("backup", &flags->backup, "The backup's directory").Required();
  command
      .Text("dir", &flags->data_dir, "The new data directory; missing or empty")
      .Required();
  command.Footer(
      "Example:\n"
      "  khtrace restore /backups/khtrace/2026-11-22T11-50-00Z ./khtrace-data\n"
      "  khtrace serve --data-dir ./khtrace-data");
  command.OnRun([flags] { return ExitCodeOf("restore", Restore(*flags)); });
}

}  // namespace khtrace::app
