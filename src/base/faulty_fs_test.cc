// SPDX-License-Identifier: Apache-2.0
#include "base/faulty_fs.h"

#include <gtest/gtest.h>

#include "base/temp_dir.h"

namespace khtrace {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class FaultyFsTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return dir_.File(name); }
  std::string Content(const std::string& name) {
    const Result<std::string> content = ReadFile(fs_, Path(name));
    return content ? *content
                   : "<" + std::string(CodeName(content.error().code)) + ">";
  }
  // A file whose content is synced, under a name that is not.
  void WriteSynced(const std::string& name, std::string_view text) {
    const auto file = *fs_.Create(Path(name));
    ASSERT_TRUE(file->Append(Bytes(text)));
    ASSERT_TRUE(file->Sync());
    ASSERT_TRUE(file->Close());
  }
  void WriteDurable(const std::string& name, std::string_view text) {
    WriteSynced(name, text);
    ASSERT_TRUE(fs_.SyncDir(dir_.path()));
  }

  TempDirForTesting dir_;
  FaultyFs fs_{Fs::Real()};
};

TEST_F(FaultyFsTest, PassesEverythingOnWithoutAFault) {
  WriteDurable("a", "hello");
  EXPECT_EQ(Content("a"), "hello");
  EXPECT_EQ(*fs_.FileSize(Path("a")), 5u);
  EXPECT_EQ(*fs_.List(dir_.path()), std::vector<std::string>{"a"});
  EXPECT_GT(fs_.Space(dir_.path())->total_bytes, 0u);
  EXPECT_TRUE(fs_.Lock(Path("LOCK")));
}

TEST_F(FaultyFsTest, CountsMutatingCallsOnly) {
  WriteDurable("a", "x");  // Create, Append, Sync, Close, SyncDir
  EXPECT_EQ(Content("a"), "x");
  EXPECT_TRUE(fs_.Exists(Path("a")));
  EXPECT_EQ(fs_.mutating_calls(), 5u);
}

TEST_F(FaultyFsTest, FailsExactlyTheNthCall) {
  fs_.InjectFault({.at_call = 2, .code = Code::kResourceExhausted});
  const auto file = *fs_.Create(Path("a"));
  const Status failed = file->Append(Bytes("lost"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kResourceExhausted);
  EXPECT_NE(failed.error().message.find(Path("a")), std::string::npos);
  EXPECT_TRUE(file->Append(Bytes("kept")));
  EXPECT_EQ(Content("a"), "kept");
}

TEST_F(FaultyFsTest, DeadDiskFailsEveryLaterCall) {
  fs_.InjectFault({.at_call = 2, .all_afterwards = true});
  const auto file = *fs_.Create(Path("a"));
  EXPECT_FALSE(file->Append(Bytes("x")));
  EXPECT_FALSE(file->Sync());
  EXPECT_FALSE(fs_.Rename(Path("a"), Path("b")));
  EXPECT_FALSE(fs_.Remove(Path("a")));
  EXPECT_FALSE(fs_.MakeDirs(Path("d")));
  EXPECT_EQ(Content("a"), "");
  fs_.ClearFault();
  EXPECT_TRUE(file->Append(Bytes("x")));
}

TEST_F(FaultyFsTest, TornAppendLeavesAPrefix) {
  fs_.InjectFault({.at_call = 2, .tear_append = true});
  const auto file = *fs_.Create(Path("a"));
  EXPECT_FALSE(file->Append(Bytes("abcdef")));
  EXPECT_EQ(Content("a"), "abc");
}

TEST_F(FaultyFsTest, PowerCutKeepsWhatWasSyncedUnderASyncedName) {
  WriteDurable("a", "durable");
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_EQ(Content("a"), "durable");
}

TEST_F(FaultyFsTest, PowerCutTruncatesToTheLastSync) {
  const auto file = *fs_.Create(Path("a"));
  ASSERT_TRUE(file->Append(Bytes("synced")));
  ASSERT_TRUE(file->Sync());
  ASSERT_TRUE(fs_.SyncDir(dir_.path()));
  ASSERT_TRUE(file->Append(Bytes(" lost")));
  EXPECT_EQ(Content("a"), "synced lost");
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_EQ(Content("a"), "synced");
}

TEST_F(FaultyFsTest, PowerCutForgetsAFileWhoseDirectoryWasNotSynced) {
  WriteSynced("a", "x");
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_FALSE(fs_.Exists(Path("a")));
}

TEST_F(FaultyFsTest, PowerCutUndoesAnUnsyncedRename) {
  WriteDurable("old", "old");
  WriteDurable("new", "new");
  ASSERT_TRUE(fs_.Rename(Path("new"), Path("old")));
  EXPECT_EQ(Content("old"), "new");
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_EQ(Content("old"), "old");
  EXPECT_EQ(Content("new"), "new");
}

TEST_F(FaultyFsTest, PowerCutKeepsASyncedRename) {
  WriteDurable("old", "old");
  WriteDurable("new", "new");
  ASSERT_TRUE(fs_.Rename(Path("new"), Path("old")));
  ASSERT_TRUE(fs_.SyncDir(dir_.path() + "/"));
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_EQ(Content("old"), "new");
  EXPECT_FALSE(fs_.Exists(Path("new")));
}

TEST_F(FaultyFsTest, PowerCutBringsBackAnUnsyncedRemove) {
  WriteDurable("a", "x");
  ASSERT_TRUE(fs_.Remove(Path("a")));
  EXPECT_FALSE(fs_.Exists(Path("a")));
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_EQ(Content("a"), "x");
}

TEST_F(FaultyFsTest, PowerCutKnowsFilesThatWereThereBefore) {
  ASSERT_TRUE(WriteFileAtomically(Fs::Real(), Path("before"), "b"));
  ASSERT_TRUE(fs_.Remove(Path("before")));
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_EQ(Content("before"), "b");
}

TEST_F(FaultyFsTest, PowerCutUndoesAnUnsyncedLink) {
  WriteDurable("a", "x");
  ASSERT_TRUE(fs_.Link(Path("a"), Path("b")));
  EXPECT_EQ(Content("b"), "x");
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_FALSE(fs_.Exists(Path("b")));
  EXPECT_EQ(Content("a"), "x");
}

TEST_F(FaultyFsTest, PowerCutBringsBackTheDirectoryOfAFile) {
  ASSERT_TRUE(fs_.MakeDirs(Path("d")));
  WriteSynced("d/a", "x");
  ASSERT_TRUE(fs_.SyncDir(Path("d")));
  ASSERT_TRUE(fs_.Remove(Path("d/a")));
  ASSERT_TRUE(fs_.Remove(Path("d")));
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_EQ(Content("d/a"), "x");
}

TEST_F(FaultyFsTest, OverwritingEmptiesTheFileOnTheDisk) {
  WriteDurable("a", "first");
  const auto file = *fs_.Create(Path("a"));
  ASSERT_TRUE(file->Append(Bytes("second")));
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_EQ(Content("a"), "");
}

TEST_F(FaultyFsTest, FilesFromBeforeThePowerCutAreDead) {
  const auto file = *fs_.Create(Path("a"));
  ASSERT_TRUE(fs_.SyncDir(dir_.path()));
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_FALSE(file->Append(Bytes("x")));
  EXPECT_FALSE(file->Sync());
  EXPECT_EQ(Content("a"), "");
}

TEST_F(FaultyFsTest, MappedFilesOutliveThePowerCut) {
  WriteSynced("a", "bytes");
  const auto mapped = *fs_.Map(Path("a"));
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_EQ(std::to_integer<char>(mapped->bytes()[0]), 'b');
}

TEST_F(FaultyFsTest, RefusesToRenameDirectories) {
  ASSERT_TRUE(fs_.MakeDirs(Path("d")));
  const Status status = fs_.Rename(Path("d"), Path("e"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kUnimplemented);
}

// What WriteFileAtomically promises, at every possible failure, each followed
// by a power cut.
TEST_F(FaultyFsTest, AtomicWriteIsOldOrNewWhateverFails) {
  WriteDurable("a", "old");
  const uint64_t before = fs_.mutating_calls();
  ASSERT_TRUE(WriteFileAtomically(fs_, Path("a"), "old"));
  const uint64_t calls = fs_.mutating_calls() - before;
  ASSERT_EQ(calls, 6u);  // Create, Append, Sync, Close, Rename, SyncDir
  for (const bool dead : {false, true}) {
    for (uint64_t n = 1; n <= calls; ++n) {
      fs_.InjectFault({.at_call = fs_.mutating_calls() + n,
                       .all_afterwards = dead,
                       .tear_append = true});
      EXPECT_FALSE(WriteFileAtomically(fs_, Path("a"), "new")) << n;
      ASSERT_TRUE(fs_.DropUnsynced());
      EXPECT_EQ(Content("a"), "old") << n;
    }
  }
  ASSERT_TRUE(WriteFileAtomically(fs_, Path("a"), "new"));
  ASSERT_TRUE(fs_.DropUnsynced());
  EXPECT_EQ(Content("a"), "new");
}

}  // namespace
}  // namespace khtrace
