// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/wal_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fs.h"
#include "base/temp_dir.h"
#include "model/testing.h"
#include "storage/columnar/wal_format.h"

namespace khtrace::storage::columnar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class WalReaderTest : public testing::Test {
 protected:
  static std::string Header(uint64_t first, uint64_t previous = 0,
                            uint64_t previous_bytes = 0) {
    const auto header = EncodeWalHeader({first, previous, previous_bytes});
    return {header.data(), header.size()};
  }
  static std::string Frame(uint64_t sequence) {
    std::string bytes;
    AppendWalFrame(*EncodeWalFrame(model::RandomBatchForTesting(
                       sequence, {.span_count = 3})),
                   sequence, &bytes);
    return bytes;
  }
  void Put(uint64_t first, const std::string& bytes) {
    ASSERT_TRUE(
        WriteFileAtomically(Fs::Real(), dir_.File(WalFileName(first)), bytes));
  }
  void Read(uint64_t after = 0) {
    seen_.clear();
    auto replay =
        ReplayWal(Fs::Real(), dir_.path(), after,
                  [this](uint64_t sequence, model::SpanBatchPtr) -> Status {
                    seen_.push_back(sequence);
                    return {};
                  });
    ASSERT_TRUE(replay) << replay.error().message;
    replay_ = *std::move(replay);
  }

  TempDirForTesting dir_;
  std::vector<uint64_t> seen_;
  WalReplay replay_;
};

TEST_F(WalReaderTest, EmptyDirectoryIsAnEmptyLog) {
  Read();
  EXPECT_THAT(seen_, IsEmpty());
  EXPECT_EQ(replay_.next_sequence, 1u);
}

TEST_F(WalReaderTest, StopsAtTornTailOfTheLastSegment) {
  const std::string torn = Frame(3);
  for (const size_t cut : {size_t{1}, size_t{23}, torn.size() - 1}) {
    Put(1, Header(1) + Frame(1) + Frame(2) + torn.substr(0, cut));
    Read();
    EXPECT_THAT(seen_, ElementsAre(1, 2));
    EXPECT_EQ(replay_.torn_bytes, cut);
    EXPECT_THAT(replay_.damage, IsEmpty());
    EXPECT_EQ(replay_.next_sequence, 3u);
  }
}

TEST_F(WalReaderTest, EmptyOrTornLastSegmentIsNoDamage) {
  for (const std::string& left :
       {std::string(), Header(2).substr(0, 20), std::string(4096, '\0')}) {
    Put(1, Header(1) + Frame(1) + "torn");
    Put(2, left);
    Read();
    EXPECT_THAT(seen_, ElementsAre(1));
    EXPECT_THAT(replay_.damage, IsEmpty());
  }
}

TEST_F(WalReaderTest, DamagedFrameInTheMiddleIsNamedAndSteppedOver) {
  std::string bad = Frame(2);
  bad[kWalFrameBytes + 2] = static_cast<char>(bad[kWalFrameBytes + 2] ^ 1);
  const std::string before = Header(1) + Frame(1);
  Put(1, before + bad + Frame(3));
  Read();
  EXPECT_THAT(seen_, ElementsAre(1, 3));
  ASSERT_EQ(replay_.damage.size(), 1u);
  EXPECT_EQ(replay_.damage[0].offset, before.size());
  EXPECT_THAT(replay_.damage[0].file, HasSubstr(WalFileName(1)));
}

TEST_F(WalReaderTest, DamagedLengthLosesTheSegmentsRestButNotTheNext) {
  std::string bad = Frame(2);
  bad[0] = static_cast<char>(bad[0] ^ 0x55);
  const std::string first = Header(1) + Frame(1) + bad + Frame(3);
  Put(1, first);
  Put(4, Header(4, 1, first.size()) + Frame(4));
  Read();
  EXPECT_THAT(seen_, ElementsAre(1, 4));
  ASSERT_EQ(replay_.damage.size(), 2u);  // the bytes, and frames 2 to 3
}

TEST_F(WalReaderTest, DamagedHeaderLosesOneSegment) {
  std::string bad = Header(1) + Frame(1);
  bad[20] = static_cast<char>(bad[20] ^ 1);
  Put(1, bad);
  Put(2, Header(2, 1, bad.size()) + Frame(2));
  Read();
  EXPECT_THAT(seen_, ElementsAre(2));
  ASSERT_FALSE(replay_.damage.empty());
  EXPECT_EQ(replay_.next_sequence, 3u);
}

TEST_F(WalReaderTest, LostSegmentIsNoticed) {
  Put(1, Header(1) + Frame(1));
  Put(3, Header(3) + Frame(3));
  Read();
  EXPECT_THAT(seen_, ElementsAre(1, 3));
  ASSERT_EQ(replay_.damage.size(), 1u);
  EXPECT_THAT(replay_.damage[0].what, HasSubstr("frames 2 to 2 are missing"));
}

TEST_F(WalReaderTest, RefusedFramesBehindTheVouchedBytesStayOut) {
  const std::string good = Header(1) + Frame(1);
  Put(1, good + Frame(2));
  Put(2, Header(2, 1, good.size()) + Frame(2) + Frame(3));
  Read();
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3));
  EXPECT_THAT(replay_.damage, IsEmpty());
}

TEST_F(WalReaderTest, EveryFlippedByteIsNoticed) {
  const std::string good = Header(1) + Frame(1) + Frame(2);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    Put(1, bad);
    Read();
    EXPECT_TRUE(seen_.size() < 2) << "byte " << at;
    EXPECT_TRUE(!replay_.damage.empty() || replay_.torn_bytes > 0);
  }
}

TEST_F(WalReaderTest, OtherFilesAreLeftAlone) {
  ASSERT_TRUE(WriteFileAtomically(Fs::Real(), dir_.File("notes.txt"), "hi"));
  Read();
  EXPECT_THAT(replay_.segments, IsEmpty());
}

TEST(WalFormat, HeaderComesBack) {
  const auto bytes = EncodeWalHeader({7, 3, 99});
  auto header = DecodeWalHeader({bytes.data(), bytes.size()});
  ASSERT_TRUE(header);
  EXPECT_EQ(header->first_sequence, 7u);
  EXPECT_EQ(header->previous_sequence, 3u);
  EXPECT_EQ(header->previous_bytes, 99u);
}

TEST(WalFormat, FileNamesComeBack) {
  EXPECT_EQ(ParseWalFileName(WalFileName(42)), 42u);
  EXPECT_FALSE(ParseWalFileName("42.wal"));
  EXPECT_FALSE(ParseWalFileName("0000000000000000004x.wal"));
  EXPECT_FALSE(ParseWalFileName("99999999999999999999.wal"));  // > 2^64
}

}  // namespace
}  // namespace khtrace::storage::columnar
