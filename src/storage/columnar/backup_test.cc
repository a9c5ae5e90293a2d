// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <set>
#include <thread>

#include "base/faulty_fs.h"
#include "base/hash.h"
#include "base/temp_dir.h"
#include "model/testing.h"
#include "storage/columnar/backup_manifest.h"
#include "storage/columnar/columnar_store.h"
#include "storage/columnar/data_directory.h"
#include "storage/testing.h"

namespace khtrace::storage::columnar {
namespace {

using model::SpanBatchPtr;
using testing::HasSubstr;

const UnixNanos kNow = model::RandomBatchOptions().start;

SpanBatchPtr Batch(uint64_t seed) {
  return std::make_shared<const model::SpanBatch>(
      model::RandomBatchForTesting(seed, {.span_count = 6, .trace_count = 4}));
}

std::multiset<std::string> Described(uint64_t first, uint64_t last) {
  std::multiset<std::string> spans;
  for (uint64_t seed = first; seed <= last; ++seed) {
    const SpanBatchPtr batch = Batch(seed);
    for (model::RowIndex row = 0; row < batch->row_count(); ++row) {
      spans.insert(DescribeSpan(*batch, row));
    }
  }
  return spans;
}

class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    options_.data_dir = dir_.File("data");
    options_.background_thread = false;
  }

  std::unique_ptr<ColumnarStore> Open(const std::string& dir) {
    StoreOptions options = options_;
    options.data_dir = dir;
    auto store = ColumnarStore::Open(options, Fs::Real(), clock_,
                                     {inline_, inline_, inline_});
    EXPECT_TRUE(store) << store.error().message;
    return store ? *std::move(store) : nullptr;
  }
  static void Write(ColumnarStore& store, uint64_t seed) {
    std::promise<Status> answer;
    store.Write({}, Batch(seed),
                [&](Status status) { answer.set_value(std::move(status)); });
    ASSERT_TRUE(answer.get_future().get());
  }
  static std::multiset<std::string> Stored(ColumnarStore& store) {
    std::multiset<std::string> spans;
    auto found = StoredTraceIdsForTesting(store, {});
    if (!found) return {found.error().message};
    for (const model::TraceId& id : *found) {
      auto trace = store.GetTrace({}, id);
      if (!trace) return {trace.error().message};
      for (model::RowIndex row = 0; row < (*trace)->row_count(); ++row) {
        spans.insert(DescribeSpan(**trace, row));
      }
    }
    return spans;
  }
  // Each backup in a second of its own.
  Result<BackupReport> BackUp(Fs& fs = Fs::Real()) {
    clock_.SetNow({clock_.Now().ns + 1'000'000'000});
    return BackUpDirectory(fs, clock_, options_.data_dir, dir_.File("backups"));
  }
  // What the store holds that the backup is restored to.
  std::multiset<std::string> Restored(const std::string& backup) {
    const std::string target = dir_.File("restored");
    std::filesystem::remove_all(target);
    const auto report = RestoreDirectory(Fs::Real(), backup, target);
    if (!report) return {report.error().message};
    const auto verified = VerifyDirectory(Fs::Real(), target);
    if (!verified) return {verified.error().message};
    EXPECT_TRUE(verified->damage.empty());
    const auto store = Open(target);
    return Stored(*store);
  }

  TempDirForTesting dir_;
  FakeClock clock_{kNow};
  InlineExecutor inline_;
  StoreOptions options_;
};

TEST_F(BackupTest, HoldsWhatWasAcknowledgedWhileTheStoreIsOpen) {
  const auto store = Open(options_.data_dir);
  Write(*store, 1);
  ASSERT_TRUE(store->Flush());
  Write(*store, 2);  // in the log alone
  const auto report = BackUp();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files, 2u);
  Write(*store, 3);
  EXPECT_EQ(Restored(report->path), Described(1, 2));
}

TEST_F(BackupTest, TheNextOneLinksPartsAndOutlivesTheSource) {
  std::string first;
  {
    const auto store = Open(options_.data_dir);
    Write(*store, 1);
    ASSERT_TRUE(store->Flush());
    first = BackUp()->path;
    Write(*store, 2);
    ASSERT_TRUE(store->Flush());
  }
  const auto second = BackUp();
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->bytes, second->linked_bytes);
  std::filesystem::remove_all(options_.data_dir);
  std::filesystem::remove_all(first);
  EXPECT_EQ(Restored(second->path), Described(1, 2));
}

TEST_F(BackupTest, RestoreNamesEveryKindOfDamage) {
  std::string backup;
  {
    const auto store = Open(options_.data_dir);
    Write(*store, 1);
    ASSERT_TRUE(store->Flush());
    backup = BackUp()->path;
  }
  auto manifest =
      BackupManifest::Parse(*ReadFile(Fs::Real(), backup + "/BACKUP"));
  ASSERT_TRUE(manifest);
  const std::string part = backup + "/" + manifest->files[0].path;
  const std::string good = *ReadFile(Fs::Real(), part);
  const auto restore_with = [&](const std::string& content) {
    std::filesystem::remove(part);  // it is linked: not the live one's bytes
    EXPECT_TRUE(WriteFileAtomically(Fs::Real(), part, content));
    const std::string target = dir_.File("damaged");
    std::filesystem::remove_all(target);
    const auto restored = RestoreDirectory(Fs::Real(), backup, target);
    EXPECT_FALSE(std::filesystem::exists(target + "/FORMAT"));
    return restored ? "" : restored.error().message;
  };
  std::string flipped = good;
  flipped[good.size() / 2] ^= 1;
  EXPECT_THAT(restore_with(flipped), HasSubstr("is damaged"));
  EXPECT_THAT(restore_with(flipped), HasSubstr(part));
  EXPECT_THAT(restore_with(good.substr(1)), HasSubstr("the manifest says"));
  std::filesystem::remove(part);
  EXPECT_THAT(RestoreDirectory(Fs::Real(), backup, dir_.File("damaged2"))
                  .error()
                  .message,
              HasSubstr("is missing"));
  std::filesystem::remove(backup + "/BACKUP");
  EXPECT_EQ(RestoreDirectory(Fs::Real(), backup, dir_.File("x")).error().code,
            Code::kNotFound);
}

TEST_F(BackupTest, RefusesWhatIsNoDataDirectoryAndATargetInUse) {
  std::filesystem::create_directories(dir_.File("other"));
  EXPECT_EQ(BackUpDirectory(Fs::Real(), clock_, dir_.File("other"),
                            dir_.File("backups"))
                .error()
                .code,
            Code::kFailedPrecondition);
  Open(options_.data_dir);
  const auto report = BackUp();
  ASSERT_TRUE(report);
  EXPECT_EQ(RestoreDirectory(Fs::Real(), report->path, options_.data_dir)
                .error()
                .code,
            Code::kFailedPrecondition);
}

// Whatever call fails: an error, and never a backup that passes for whole.
TEST_F(BackupTest, AnyFailingCallLeavesNoManifest) {
  {
    const auto store = Open(options_.data_dir);
    Write(*store, 1);
    ASSERT_TRUE(store->Flush());
    Write(*store, 2);
  }
  for (uint64_t call = 1;; ++call) {
    ASSERT_LT(call, 200u);
    std::filesystem::remove_all(dir_.File("backups"));
    FaultyFs fs(Fs::Real());
    fs.InjectFault({.at_call = call});
    const auto report = BackUp(fs);
    if (fs.mutating_calls() < call) {
      ASSERT_TRUE(report);
      break;
    }
    if (report) {
      // Only a link may fail without harm: the file is copied.
      EXPECT_EQ(Restored(report->path), Described(1, 2)) << call;
      continue;
    }
    const std::string path = dir_.File("backups");
    if (!std::filesystem::exists(path)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (std::filesystem::exists(entry.path() / "BACKUP")) {
        // Written in full; the sync of its directory failed.
        EXPECT_EQ(Restored(entry.path()), Described(1, 2)) << call;
      } else {
        EXPECT_EQ(RestoreDirectory(Fs::Real(), entry.path(), dir_.File("no"))
                      .error()
                      .code,
                  Code::kNotFound);
      }
    }
  }
}

TEST_F(BackupTest, IsConsistentWhileOthersWriteAndFlush) {
  const auto store = Open(options_.data_dir);
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint64_t seed = 1; !stop && seed < 200; ++seed) {
      Write(*store, seed);
      acknowledged = seed;
      if (seed % 5 == 0) {
        EXPECT_TRUE(store->Flush());
      }
    }
  });
  for (int i = 0; i < 5; ++i) {
    const uint64_t before = acknowledged;
    const auto report = BackUp();
    ASSERT_TRUE(report) << report.error().message;
    const std::multiset<std::string> held = Restored(report->path);
    const std::multiset<std::string> needed = Described(1, before);
    EXPECT_TRUE(
        std::includes(held.begin(), held.end(), needed.begin(), needed.end()))
        << i;
    EXPECT_EQ(held, Described(1, held.size() / 6)) << i;
  }
  stop = true;
  writer.join();
}

TEST(BackupManifest, RefusesPathsThatLeadElsewhere) {
  for (const std::string path :
       {"/etc/passwd", "../x", "tenants/../../x", "tenants//x", "tenants/.",
        "other/x", "tenants/", "tenants/t/parts", "tenants/t/x/1.part",
        "tenants/t/parts/a/b"}) {
    BackupManifest manifest;
    manifest.files.push_back({path, 1, 2});
    const auto parsed = BackupManifest::Parse(manifest.ToText());
    ASSERT_FALSE(parsed) << path;
    EXPECT_EQ(parsed.error().code, Code::kDataLoss);
  }
}

TEST(BackupManifest, ComesBackAndNoByteOfItMayChange) {
  BackupManifest manifest;
  manifest.created = kNow;
  manifest.files.push_back({"tenants/a/parts/1.part", 10, 0xabc});
  manifest.files.push_back({"tenants/a/wal/2.wal", 0, 1});
  const std::string text = manifest.ToText();
  ASSERT_TRUE(BackupManifest::Parse(text));
  EXPECT_EQ(BackupManifest::Parse(text)->ToText(), text);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] ^= 1;
    EXPECT_FALSE(BackupManifest::Parse(other)) << i;
    EXPECT_FALSE(BackupManifest::Parse(text.substr(0, i))) << i;
  }
}

}  // namespace
}  // namespace khtrace::storage::columnar
