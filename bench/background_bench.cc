// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/temp_dir.h"
#include "base/text.h"
#include "codec/otlp.h"
#include "storage/columnar/columnar_store.h"

// What flushes and merges write for what they keep, and the memory and CPU
// time that they take:
//   background_bench CORPUS HEAD_MIB [MAX_REQUESTS]
// The corpus holds export requests in protobuf, each behind its length as
// u32, little endian. Everything runs in one thread, one job after the other,
// without syncs.

namespace khtrace::storage::columnar {
namespace {

struct Usage {
  double cpu_seconds = 0;
  uint64_t peak_bytes = 0;
};

Usage UsageNow() {
  rusage usage{};
  (void)getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime),
          static_cast<uint64_t>(usage.ru_maxrss) << 10};
}

uint64_t WriteCorpus(const char* path, uint64_t max_requests,
                     ColumnarStore& store) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
      std::fopen(path, "rb"), std::fclose);
  uint32_t size = 0;
  uint64_t spans = 0;
  for (uint64_t i = 0; file && i < max_requests &&
                       std::fread(&size, sizeof size, 1, file.get()) == 1;
       ++i) {
    std::string body(size, '\0');
    if (std::fread(body.data(), 1, size, file.get()) != size) break;
    auto decoded = codec::DecodeOtlpProtobuf(std::move(body));
    if (!decoded) break;
    spans += decoded->batch.row_count();
    store.Write(
        {}, std::make_shared<const model::SpanBatch>(std::move(decoded->batch)),
        [](Status status) {
          if (!status) fmt::print("{}\n", status.error().message);
        });
  }
  return spans;
}

void Report(const ColumnarStore& store, uint64_t spans, uint64_t parts,
            uint64_t kept_bytes) {
  const StoreCounters& counters = store.counters();
  const auto line = [&](const char* what, uint64_t bytes) {
    fmt::print("{:<22} {:>10}  {:>6.1f} B a span  {:.2f} of the kept\n", what,
               FormatByteSize(bytes),
               static_cast<double>(bytes) / static_cast<double>(spans),
               static_cast<double>(bytes) / static_cast<double>(kept_bytes));
  };
  const uint64_t wal = counters.wal.bytes;
  const uint64_t flushed = counters.flushed_bytes;
  const uint64_t merged = counters.merge_written_bytes;
  fmt::print("{} spans, {} flushes, {} merges of {} parts, {} parts left\n",
             spans, counters.flushes.load(), counters.merges.load(),
             counters.merged_parts.load(), parts);
  line("log", wal);
  line("flushed", flushed);
  line("merged", merged);
  line("written, all", wal + flushed + merged);
  line("kept", kept_bytes);
}

int Run(const char* corpus, uint64_t head_mib, uint64_t max_requests) {
  log::SetLevel(log::Level::kWarning);
  const TempDirForTesting dir;
  InlineExecutor inline_executor;
  StoreOptions options;
  options.data_dir = dir.File("data");
  options.background_thread = false;
  options.head_max_bytes = head_mib << 20;
  options.wal.sync = WalSync::kNone;
  options.merge.bytes_per_second = 0;
  options.limits.retention = std::chrono::seconds(0);
  auto opened =
      ColumnarStore::Open(options, Fs::Real(), Clock::System(),
                          {inline_executor, inline_executor, inline_executor});
  if (!opened) {
    fmt::print("{}\n", opened.error().message);
    return 1;
  }
  ColumnarStore& store = **opened;
  const uint64_t spans = WriteCorpus(corpus, max_requests, store);
  if (spans == 0 || !store.Flush()) return 1;
  const Usage before = UsageNow();
  uint64_t merges = 0;
  do {
    merges = store.counters().merges;
    store.RunMaintenance();
  } while (store.counters().merges > merges);
  const Usage after = UsageNow();
  const auto stats = store.Stats({});
  if (!stats) return 1;
  Report(store, spans, stats->parts, stats->disk_bytes - stats->wal_bytes);
  fmt::print(
      "peak memory {} with flushes, {} with merges; {:.2f} CPU seconds for "
      "{} merged spans\n",
      FormatByteSize(before.peak_bytes), FormatByteSize(after.peak_bytes),
      after.cpu_seconds - before.cpu_seconds,
      store.counters().merged_spans.load());
  return 0;
}

}  // namespace
}  // namespace khtrace::storage::columnar

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print("usage: background_bench CORPUS HEAD_MIB [MAX_REQUESTS]\n");
    return 2;
  }
  return khtrace::storage::columnar::Run(
      argv[1], std::strtoull(argv[2], nullptr, 10),
      argc > 3 ? std::strtoull(argv[3], nullptr, 10) : UINT64_MAX);
}
