// SPDX-License-Identifier: Apache-2.0
// What goes and when: by age, by bytes, by disk fill; and a full disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/columnar/columnar_store_testing.h"
#include "storage/columnar/disk_room.h"

namespace khtrace::storage::columnar {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// A disk of its own for everything below one directory.
class SmallDiskFs : public FaultyFs {
 public:
  SmallDiskFs(Fs& base, std::string root)
      : FaultyFs(base), root_(std::move(root)) {}

  uint64_t capacity = UINT64_MAX / 4;
  uint64_t others = 0;  // bytes that are not ours

  Result<FsSpace> Space(const std::string&) override {
    return FsSpace{capacity, Free()};
  }
  Result<std::unique_ptr<WritableFile>> Create(
      const std::string& path) override {
    ASSIGN_OR_RETURN(auto file, FaultyFs::Create(path));
    return std::unique_ptr<WritableFile>(
        std::make_unique<File>(*this, std::move(file)));
  }

 private:
  class File : public WritableFile {
   public:
    File(SmallDiskFs& fs, std::unique_ptr<WritableFile> file)
        : fs_(fs), file_(std::move(file)) {}
    Status Append(std::span<const std::byte> bytes) override {
      if (bytes.size() <= fs_.Free()) return file_->Append(bytes);
      (void)file_->Append(bytes.first(fs_.Free()));
      return Error{Code::kResourceExhausted, "the disk is full"};
    }
    Status Sync() override { return file_->Sync(); }
    Status Close() override { return file_->Close(); }

   private:
    SmallDiskFs& fs_;
    const std::unique_ptr<WritableFile> file_;
  };

  uint64_t Free() {
    const uint64_t used = others + BytesBelow(root_);
    return capacity - std::min(capacity, used);
  }
  uint64_t BytesBelow(const std::string& path) {
    const auto names = List(path);
    if (!names) {
      const auto size = FileSize(path);
      return size ? *size : 0;
    }
    uint64_t bytes = 0;
    for (const std::string& name : *names)
      bytes += BytesBelow(path + "/" + name);
    return bytes;
  }

  const std::string root_;
};

class RetentionTest : public ColumnarStoreTest {
 protected:
  RetentionTest() {
    fs_ = &disk_;
    options_.merge.max_spans = 0;
  }
  ~RetentionTest() override { store_.reset(); }  // before its file system

  void WritePartOf(uint64_t seed, const std::string& tenant = "t") {
    ASSERT_TRUE(Write(Batch(seed), tenant));
    ASSERT_TRUE(store_->Flush());
  }
  StoreStats Stats(const std::string& tenant = "t") {
    RequestContext context;
    context.tenant = tenant;
    return *store_->Stats(context);
  }

  SmallDiskFs disk_{Fs::Real(), dir_.path()};
};

TEST_F(RetentionTest, RetentionDropsPartsByAge) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  ASSERT_TRUE(store_->Flush());
  store_->RunMaintenance();
  EXPECT_EQ(Stored(), Described({Batch(1)}));
  clock_.Advance(options_.limits.retention + std::chrono::minutes(2));
  store_->RunMaintenance();
  EXPECT_THAT(Stored(), IsEmpty());
  EXPECT_EQ(store_->counters().parts_dropped_by_age, 1u);
  ASSERT_TRUE(Write(Batch(2)));
  store_.reset();
  ASSERT_TRUE(Open());
  EXPECT_EQ(Stored(), Described({Batch(2)}));
}

// Clocks of services are wrong by any amount: what counts is when a span came.
TEST_F(RetentionTest, SpansOf1970AndOf2200AreKeptAsLongAsOthers) {
  const auto batch_of = [](uint64_t seed, uint64_t start_ns) {
    return std::make_shared<const model::SpanBatch>(
        model::RandomBatchForTesting(
            seed, {.span_count = 6, .start = UnixNanos{start_ns}}));
  };
  const auto of_1970 = batch_of(1, 1'000'000'000);
  const auto of_2200 = batch_of(2, 7'258'118'400'000'000'000);
  ASSERT_TRUE(Open());
  for (const auto& batch : {of_1970, of_2200}) {
    ASSERT_TRUE(Write(batch));
    ASSERT_TRUE(store_->Flush());
  }
  store_->RunMaintenance();
  EXPECT_EQ(Stored(), Described({of_1970, of_2200}));
  clock_.Advance(options_.limits.retention - std::chrono::minutes(2));
  store_->RunMaintenance();
  EXPECT_EQ(Stored(), Described({of_1970, of_2200}));
  clock_.Advance(std::chrono::minutes(4));
  store_->RunMaintenance();
  EXPECT_THAT(Stored(), IsEmpty());
}

TEST_F(RetentionTest, TenantWithItsOwnRetentionGoesByThat) {
  options_.limits.retention = std::chrono::hours(48);
  options_.tenants["short"].retention = std::chrono::hours(1);
  options_.tenants["small"].retention_max_bytes = 1;
  ASSERT_TRUE(Open());
  for (const char* tenant : {"t", "short", "small"}) WritePartOf(1, tenant);
  store_->RunMaintenance();
  EXPECT_EQ(Stats("t").parts, 1u);
  EXPECT_EQ(Stats("short").parts, 1u);
  EXPECT_EQ(Stats("small").parts, 0u);
  clock_.Advance(std::chrono::hours(2));
  store_->RunMaintenance();
  EXPECT_EQ(Stats("t").parts, 1u);
  EXPECT_EQ(Stats("short").parts, 0u);
}

TEST_F(RetentionTest, RetentionByBytesDropsTheOldestPart) {
  options_.limits.retention_max_bytes = 1;
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  ASSERT_TRUE(store_->Flush());
  store_->RunMaintenance();
  EXPECT_THAT(Stored(), IsEmpty());
}

TEST_F(RetentionTest, DiskFillDropsTheOldestPartsOfAllTenants) {
  ASSERT_TRUE(Open());
  WritePartOf(1, "a");
  for (uint64_t seed = 2; seed <= 6; ++seed) WritePartOf(seed);
  WritePartOf(7, "b");
  const uint64_t bytes =
      Stats("a").disk_bytes + Stats().disk_bytes + Stats("b").disk_bytes;
  disk_.others = bytes;
  disk_.capacity = 20 * bytes;
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().parts_dropped_by_disk, 0u);
  // 2 of 2.2 are used: a tenth of ours too much.
  disk_.capacity = bytes * 22 / 10;
  options_.retention_max_disk_fill = 0.9;
  store_->RunMaintenance();
  EXPECT_GE(store_->counters().parts_dropped_by_disk, 1u);
  EXPECT_LE(store_->counters().parts_dropped_by_disk, 2u);
  EXPECT_LE(disk_.capacity - disk_.Space("")->free_bytes,
            disk_.capacity * 9 / 10 + 10);
  EXPECT_EQ(store_->counters().parts_dropped_by_age, 0u);
  const uint64_t dropped = store_->counters().parts_dropped_by_disk;
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().parts_dropped_by_disk, dropped);
}

TEST_F(RetentionTest, DiskThatOthersFillCostsNothingUntilNoRoomIsLeft) {
  ASSERT_TRUE(Open());
  for (uint64_t seed = 1; seed <= 5; ++seed) WritePartOf(seed);
  disk_.capacity = 100 << 20;
  disk_.others = 94 << 20;
  store_->RunMaintenance();
  EXPECT_EQ(Stats().parts, 5u);
  disk_.others = (95 << 20) - 20'000;
  store_->RunMaintenance();
  EXPECT_LT(Stats().parts, 5u);
  EXPECT_GT(Stats().parts, 0u);
}

TEST_F(RetentionTest, RoomThatAReaderHoldsIsNotMadeTwice) {
  StoreContext context{options_, disk_, clock_, {inline_, inline_, inline_},
                       {},       {}};
  auto opened = TenantStore::Open(context, options_.data_dir + "/tenants/t");
  ASSERT_TRUE(opened);
  const std::shared_ptr<TenantStore> store = *std::move(opened);
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    store->Write(*Batch(seed), [](Status status) { ASSERT_TRUE(status); });
    ASSERT_TRUE(store->Flush());
  }
  TenantView reader = store->View();
  // The disk says the same whatever goes, as its files are held.
  disk_.capacity = 100 << 20;
  disk_.others = (90 << 20) - store->PartBytes() + 5'000;
  DiskRoom room(context);
  for (int i = 0; i < 5; ++i) {
    room.Make({store});
    disk_.others = (90 << 20) - store->PartBytes() + 5'000;
    clock_.Advance(std::chrono::minutes(1));
  }
  EXPECT_THAT(*store->View().parts, SizeIs(4));
  EXPECT_THAT(*reader.parts, SizeIs(5));
  // Gone, and still too full: others came.
  reader = {};
  clock_.Advance(std::chrono::minutes(1));
  room.Make({store});
  EXPECT_THAT(*store->View().parts, SizeIs(3));
  EXPECT_TRUE(store->Close());
}

// A life on a disk that is far too small: the oldest spans go, the newest are
// taken in.
TEST_F(RetentionTest, OldestPartGoesBeforeIngestStops) {
  disk_.capacity = 400'000;
  ASSERT_TRUE(Open());
  uint64_t refused = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    if (!Write(Batch(seed))) ++refused;
    if (seed % 3 == 0) {
      ASSERT_TRUE(store_->Flush());
    }
    store_->RunMaintenance();
    clock_.Advance(std::chrono::seconds(6));
  }
  EXPECT_EQ(refused, 0u);
  EXPECT_GT(store_->counters().parts_dropped_by_disk, 10u);
  const auto kept = Stored();
  EXPECT_EQ(kept.count(*Described({Batch(200)}).begin()), 1u);
  EXPECT_EQ(kept.count(*Described({Batch(1)}).begin()), 0u);
}

TEST_F(RetentionTest, DroppedMergeTakesWhatItReplacedWithIt) {
  options_.merge.max_spans = 1000;
  options_.merge.min_parts = 2;
  options_.merge.bytes_per_second = 0;
  ASSERT_TRUE(Open());
  WritePartOf(1);
  WritePartOf(2);
  // The first input's file cannot be deleted: create, append, sync, close,
  // rename, sync of the directory come before.
  disk_.InjectFault({.at_call = disk_.mutating_calls() + 7});
  store_->RunMaintenance();
  disk_.ClearFault();
  const std::string parts = options_.data_dir + "/tenants/t/parts";
  ASSERT_EQ(Stats().parts, 1u);
  ASSERT_THAT(*disk_.List(parts), SizeIs(2));
  clock_.Advance(options_.limits.retention + std::chrono::hours(1));
  store_->RunMaintenance();
  EXPECT_THAT(*disk_.List(parts), IsEmpty());
}

TEST_F(FaultTest, FullDiskRefusesWritesAnswersQueriesAndHeals) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  store_.reset();
  faulty_.InjectFault({.at_call = faulty_.mutating_calls() + 1,
                       .code = Code::kResourceExhausted,
                       .all_afterwards = true});
  ASSERT_TRUE(Open());
  EXPECT_EQ(Write(Batch(2)).error().code, Code::kResourceExhausted);
  EXPECT_EQ(Stored(), Described({Batch(1)}));
  faulty_.ClearFault();
  EXPECT_TRUE(Write(Batch(2)));
  EXPECT_EQ(Stored(), Described({Batch(1), Batch(2)}));
}

TEST_F(FaultTest, FullDiskWhileFlushingRefusesInTheEndAndHeals) {
  options_.head_max_bytes = 16 << 20;
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(Batch(1)));
  faulty_.InjectFault({.at_call = faulty_.mutating_calls() + 1,
                       .code = Code::kResourceExhausted,
                       .all_afterwards = true,
                       .tear_append = true});
  EXPECT_EQ(store_->Flush().error().code, Code::kResourceExhausted);
  EXPECT_EQ(Write(Batch(2)).error().code, Code::kResourceExhausted);
  EXPECT_EQ(Stored(), Described({Batch(1)}));
  faulty_.ClearFault();
  // Nobody does anything but wait.
  clock_.Advance(std::chrono::seconds(5));
  store_->RunMaintenance();
  EXPECT_EQ(store_->counters().flushes, 1u);
  EXPECT_TRUE(Write(Batch(2)));
  EXPECT_EQ(Stored(), Described({Batch(1), Batch(2)}));
}

}  // namespace
}  // namespace khtrace::storage::columnar
