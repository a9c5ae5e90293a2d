// SPDX-License-Identifier: Apache-2.0
#include "base/fs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/temp_dir.h"

namespace khtrace {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class PosixFsTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return dir_.File(name); }
  void Write(const std::string& name, std::string_view text) {
    ASSERT_TRUE(WriteFileAtomically(fs_, Path(name), text));
  }

  TempDirForTesting dir_;
  Fs& fs_ = Fs::Real();
};

TEST_F(PosixFsTest, ReadsBackWhatWasAppended) {
  const auto file = *fs_.Create(Path("a"));
  ASSERT_TRUE(file->Append(Bytes("one ")));
  ASSERT_TRUE(file->Append({}));
  ASSERT_TRUE(file->Append(Bytes("two")));
  ASSERT_TRUE(file->Sync());
  ASSERT_TRUE(file->Close());
  EXPECT_EQ(*ReadFile(fs_, Path("a")), "one two");
  EXPECT_EQ(*fs_.FileSize(Path("a")), 7u);
}

TEST_F(PosixFsTest, CreateTruncates) {
  Write("a", "something long");
  ASSERT_TRUE(fs_.Create(Path("a")));
  EXPECT_EQ(*fs_.FileSize(Path("a")), 0u);
}

TEST_F(PosixFsTest, StrangersCannotReadFiles) {
  Write("a", "secret");
  struct stat info {};
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & S_IRWXO, 0u);
}

TEST_F(PosixFsTest, AppendAfterCloseFails) {
  const auto file = *fs_.Create(Path("a"));
  ASSERT_TRUE(file->Close());
  EXPECT_TRUE(file->Close());
  EXPECT_FALSE(file->Append(Bytes("x")));
  EXPECT_FALSE(file->Sync());
}

TEST_F(PosixFsTest, FullDiskIsResourceExhausted) {
  auto file = fs_.Create("/dev/full");
  if (!file) GTEST_SKIP() << "no /dev/full here: " << file.error().message;
  const Status status = (*file)->Append(Bytes("x"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kResourceExhausted);
  EXPECT_EQ(status.error().message,
            "cannot write to /dev/full: No space left on device");
}

TEST_F(PosixFsTest, MapsAnEmptyFile) {
  Write("empty", "");
  const auto mapped = *fs_.Map(Path("empty"));
  EXPECT_TRUE(mapped->bytes().empty());
}

// Pages of files in this process's memory, from /proc/self/statm.
size_t ResidentFilePages() {
  std::ifstream statm("/proc/self/statm");
  size_t size = 0;
  size_t resident = 0;
  size_t of_files = 0;
  statm >> size >> resident >> of_files;
  return of_files;
}

TEST_F(PosixFsTest, ReleasedMappingIsOutOfMemoryAndStaysValid) {
  constexpr size_t kPages = 2048;
  ASSERT_TRUE(
      WriteFileAtomically(fs_, Path("large"), std::string(kPages << 12, 'x')));
  const auto mapped = *fs_.Map(Path("large"));
  const auto all_x = [&] {
    return std::all_of(mapped->bytes().begin(), mapped->bytes().end(),
                       [](std::byte b) { return b == std::byte{'x'}; });
  };
  const size_t before = ResidentFilePages();
  EXPECT_TRUE(all_x());
  EXPECT_GT(ResidentFilePages(), before + kPages / 2);
  mapped->Release();
  EXPECT_LT(ResidentFilePages(), before + kPages / 2);
  EXPECT_TRUE(all_x());
}

TEST_F(PosixFsTest, MappingOutlivesTheName) {
  Write("a", "still here");
  const auto mapped = *fs_.Map(Path("a"));
  ASSERT_TRUE(fs_.Remove(Path("a")));
  ASSERT_EQ(mapped->bytes().size(), 10u);
  EXPECT_EQ(std::to_integer<char>(mapped->bytes()[9]), 'e');
}

TEST_F(PosixFsTest, MissingFileIsNotFoundAndNamed) {
  const auto mapped = fs_.Map(Path("missing"));
  ASSERT_FALSE(mapped);
  EXPECT_EQ(mapped.error().code, Code::kNotFound);
  EXPECT_EQ(mapped.error().message,
            "cannot open " + Path("missing") + ": No such file or directory");
  EXPECT_EQ(fs_.FileSize(Path("missing")).error().code, Code::kNotFound);
  EXPECT_EQ(fs_.List(Path("missing")).error().code, Code::kNotFound);
  EXPECT_EQ(fs_.Remove(Path("missing")).error().code, Code::kNotFound);
  EXPECT_EQ(fs_.Create(Path("no/dir")).error().code, Code::kNotFound);
  EXPECT_EQ(fs_.SyncDir(Path("missing")).error().code, Code::kNotFound);
  EXPECT_FALSE(fs_.Exists(Path("missing")));
}

TEST_F(PosixFsTest, MappingADirectoryFails) {
  EXPECT_FALSE(fs_.Map(dir_.path()));
}

TEST_F(PosixFsTest, ListsNamesSorted) {
  Write("b", "");
  Write("a", "");
  ASSERT_TRUE(fs_.MakeDirs(Path("c")));
  EXPECT_EQ(*fs_.List(dir_.path()), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(PosixFsTest, MakesDirectoriesWithParents) {
  ASSERT_TRUE(fs_.MakeDirs(Path("x//y/z/")));
  ASSERT_TRUE(fs_.MakeDirs(Path("x/y/z")));
  EXPECT_TRUE(fs_.Exists(Path("x/y/z")));
}

TEST_F(PosixFsTest, FileInTheWayOfADirectoryIsAnError) {
  Write("file", "");
  EXPECT_EQ(fs_.MakeDirs(Path("file")).error().code, Code::kAlreadyExists);
  EXPECT_FALSE(fs_.MakeDirs(Path("file/below")));
}

TEST_F(PosixFsTest, RenameReplaces) {
  Write("old", "old");
  Write("new", "new");
  ASSERT_TRUE(fs_.Rename(Path("new"), Path("old")));
  EXPECT_EQ(*ReadFile(fs_, Path("old")), "new");
  EXPECT_FALSE(fs_.Exists(Path("new")));
}

TEST_F(PosixFsTest, LinkSharesContentAndRefusesATakenName) {
  Write("a", "x");
  ASSERT_TRUE(fs_.Link(Path("a"), Path("b")));
  ASSERT_TRUE(fs_.Remove(Path("a")));
  EXPECT_EQ(*ReadFile(fs_, Path("b")), "x");
  Write("c", "");
  EXPECT_EQ(fs_.Link(Path("b"), Path("c")).error().code, Code::kAlreadyExists);
}

TEST_F(PosixFsTest, RemovesEmptyDirectoriesOnly) {
  ASSERT_TRUE(fs_.MakeDirs(Path("d")));
  Write("d/a", "");
  EXPECT_FALSE(fs_.Remove(Path("d")));
  ASSERT_TRUE(fs_.Remove(Path("d/a")));
  EXPECT_TRUE(fs_.Remove(Path("d")));
}

TEST_F(PosixFsTest, SpaceIsPlausible) {
  const FsSpace space = *fs_.Space(dir_.path());
  EXPECT_GT(space.total_bytes, 0u);
  EXPECT_LE(space.free_bytes, space.total_bytes);
}

TEST_F(PosixFsTest, AtomicWriteReplacesAndLeavesNothingBeside) {
  Write("a", "one");
  Write("a", "two");
  EXPECT_EQ(*ReadFile(fs_, Path("a")), "two");
  EXPECT_EQ(*fs_.List(dir_.path()), std::vector<std::string>{"a"});
}

TEST_F(PosixFsTest, SecondLockNamesHolderAndPath) {
  const auto lock = fs_.Lock(Path("LOCK"));
  ASSERT_TRUE(lock);
  const auto second = fs_.Lock(Path("LOCK"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kFailedPrecondition);
  EXPECT_EQ(second.error().message, "cannot lock " + Path("LOCK") +
                                        ": process " +
                                        std::to_string(getpid()) + " holds it");
}

TEST_F(PosixFsTest, LockIsFreeAfterItsObjectIsGone) {
  ASSERT_TRUE(fs_.Lock(Path("LOCK")));  // a temporary
  EXPECT_TRUE(fs_.Lock(Path("LOCK")));
}

TEST_F(PosixFsTest, LockIsFreeAfterItsProcessDied) {
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = fs_.Lock(Path("LOCK"));
    _exit(lock ? 0 : 1);  // without destructors, as a crash
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto lock = fs_.Lock(Path("LOCK"));
  EXPECT_TRUE(lock);
  EXPECT_EQ(*ReadFile(fs_, Path("LOCK")), std::to_string(getpid()) + "\n");
}

TEST(TempDirForTesting, IsFreshAndRemovedWithItsContent) {
  std::string path;
  {
    const TempDirForTesting a;
    const TempDirForTesting b;
    EXPECT_NE(a.path(), b.path());
    path = a.path();
    ASSERT_TRUE(WriteFileAtomically(Fs::Real(), a.File("x"), "x"));
  }
  EXPECT_FALSE(Fs::Real().Exists(path));
}

}  // namespace
}  // namespace khtrace
