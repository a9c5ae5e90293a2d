// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/faulty_fs.h"
#include "base/hash.h"
#include "base/temp_dir.h"
#include "model/span_batch_builder.h"
#include "model/testing.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/part_footer.h"
#include "storage/columnar/part_testing.h"

namespace khtrace::storage::columnar {
namespace {

using model::AttrValue;
using model::SpanBatch;
using model::SpanBatchBuilder;
using model::SpanBatchPtr;
using model::TraceId;

constexpr const char* kPath = "dir/a.part";

SpanBatchPtr Share(SpanBatch batch) {
  return std::make_shared<const SpanBatch>(std::move(batch));
}

SpanBatchPtr RandomBatch(uint64_t seed, uint32_t spans = 200) {
  model::RandomBatchOptions options;
  options.span_count = spans;
  options.trace_count = spans / 10 + 1;
  options.odd_times = seed % 2 == 1;
  return Share(model::RandomBatchForTesting(seed, options));
}

std::shared_ptr<const Part> WriteAndOpen(
    Fs& fs, const std::vector<SpanBatchPtr>& batches,
    const PartWriteOptions& options = {}) {
  const auto info = WritePart(fs, kPath, batches, {}, options);
  EXPECT_TRUE(info.has_value());
  auto part = Part::Open(fs, kPath);
  EXPECT_TRUE(part.has_value()) << part.error().message;
  return *part;
}

// What a query finds of a span attribute, and reads for it.
struct Found {
  Status status;
  uint64_t rows = 0;
  std::set<TraceId> traces;
  uint64_t bytes_read = 0;
};

bool Shows(const FrameColumn& column, uint32_t row,
           const std::optional<std::string>& text) {
  if (column.form == FrameColumn::Form::kAbsent) return false;
  if (column.form == FrameColumn::Form::kCodes) {
    const FrameDictionary& dictionary = *column.dictionary;
    const uint32_t code = column.codes[row];
    return dictionary.present[code] != 0 &&
           (!text || ToDisplayString(dictionary.values[code]) == *text);
  }
  if (!column.present.empty() && column.present[row] == 0) return false;
  if (!text) return true;
  return column.form == FrameColumn::Form::kValues &&
         ToDisplayString(column.values[row]) == *text;
}

// Of the values of one row group: those that are `text`, or all.
Status FindInFrame(TraceFrame& frame, const std::optional<std::string>& text,
                   Found* found) {
  if (text) {
    ASSIGN_OR_RETURN(const bool may, frame.MayHaveText(0, *text));
    if (!may) return {};
  }
  ASSIGN_OR_RETURN(const FrameColumn* column, frame.Column(0));
  ASSIGN_OR_RETURN(const FrameTraces* traces, frame.Traces());
  ASSIGN_OR_RETURN(const auto* ids, frame.TraceIds());
  for (uint32_t trace = 0; trace < frame.trace_count(); ++trace) {
    for (uint32_t row = traces->first_rows[trace];
         row < traces->first_rows[trace + 1]; ++row) {
      if (!Shows(*column, row, text)) continue;
      ++found->rows;
      found->traces.insert((*ids)[trace]);
    }
  }
  return {};
}

Found FindAttribute(const Part& part, const std::string& key,
                    const std::optional<std::string>& text = {}) {
  FrameRequest request;
  request.columns = {{FrameField::kSpanAttribute, key}};
  Found found;
  const auto frames =
      part.OpenFrames(std::make_shared<const FrameRequest>(request));
  if (!frames) return {frames.error(), 0, {}, 0};
  for (size_t g = 0; g < (*frames)->footer().groups.size(); ++g) {
    const auto frame = (*frames)->Open(g, {});
    found.status = FindInFrame(*frame, text, &found);
    found.bytes_read += frame->bytes_read();
    if (!found.status) break;
  }
  return found;
}

// Every span by trace, described; equal spans once.
using Described = std::map<TraceId, std::set<std::string>>;

Described DescribeAll(const std::vector<SpanBatchPtr>& batches) {
  Described all;
  for (const auto& batch : batches) {
    for (model::RowIndex row = 0; row < batch->row_count(); ++row) {
      all[batch->spans().trace_id[row]].insert(DescribeSpan(*batch, row));
    }
  }
  return all;
}

void ExpectSameSpans(const Part& part,
                     const std::vector<SpanBatchPtr>& batches) {
  const Described expected = DescribeAll(batches);
  for (const auto& [id, spans] : expected) {
    const auto trace = part.GetTrace({}, id);
    ASSERT_TRUE(trace.has_value()) << trace.error().message;
    ASSERT_NE(*trace, nullptr);
    ASSERT_EQ((*trace)->row_count(), spans.size());
    ASSERT_EQ(DescribeAll({*trace})[id], spans);
  }
  std::vector<SpanBatchPtr> scanned;
  const Status visited = part.ForEachBatch({}, [&](const SpanBatchPtr& batch) {
    scanned.push_back(batch);
    return Status();
  });
  ASSERT_TRUE(visited.has_value());
  ASSERT_EQ(DescribeAll(scanned), expected);
  const Status verified = part.Verify();
  ASSERT_TRUE(verified.has_value());
}

TEST(Part, GivesBackEverySpanAsItCame) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    BytesFsForTesting fs;
    const std::vector<SpanBatchPtr> batches = {RandomBatch(seed)};
    const auto part = WriteAndOpen(fs, batches);
    ASSERT_NO_FATAL_FAILURE(ExpectSameSpans(*part, batches)) << seed;
    EXPECT_EQ(part->info().span_count, 200u);
  }
}

TEST(Part, SpansOfManyBatchesAndRowGroupsComeTogether) {
  for (uint64_t seed = 100; seed < 110; ++seed) {
    BytesFsForTesting fs;
    std::vector<SpanBatchPtr> batches;
    for (uint64_t i = 0; i < 5; ++i)
      batches.push_back(RandomBatch(seed * 7 + i));
    PartWriteOptions options;
    options.row_group_spans = 64;
    const auto part = WriteAndOpen(fs, batches, options);
    ASSERT_NO_FATAL_FAILURE(ExpectSameSpans(*part, batches)) << seed;
  }
}

TEST(Part, SpanThatCameTwiceIsStoredOnce) {
  BytesFsForTesting fs;
  const SpanBatchPtr batch = RandomBatch(1);
  const auto part = WriteAndOpen(fs, {batch, batch, RandomBatch(2), batch});
  EXPECT_EQ(part->info().span_count, 400u);
  ASSERT_NO_FATAL_FAILURE(ExpectSameSpans(*part, {batch, RandomBatch(2)}));
}

TEST(Part, WorksOnTheRealFileSystemAndLeavesNoTemporaryFile) {
  const TempDirForTesting dir;
  Fs& fs = Fs::Real();
  const std::string path = dir.File("a.part");
  PartMeta meta;
  meta.wal_end = 77;
  meta.level = 3;
  meta.replaces = {"b.part", "c.part"};
  const std::vector<SpanBatchPtr> batches = {RandomBatch(3)};
  const auto written = WritePart(fs, path, batches, meta);
  ASSERT_TRUE(written.has_value());
  EXPECT_FALSE(fs.Exists(path + ".tmp"));
  const auto part = Part::Open(fs, path);
  ASSERT_TRUE(part.has_value());
  const PartInfo& info = (*part)->info();
  EXPECT_EQ(info.meta.wal_end, 77u);
  EXPECT_EQ(info.meta.level, 3u);
  EXPECT_EQ(info.meta.replaces, meta.replaces);
  EXPECT_EQ(info.file_bytes, *fs.FileSize(path));
  EXPECT_EQ(info.file_bytes, written->file_bytes);
  EXPECT_EQ(info.min_start, written->min_start);
  const auto& starts = batches[0]->spans().start;
  const auto& ends = batches[0]->spans().end;
  EXPECT_EQ(info.min_start, *std::min_element(starts.begin(), starts.end()));
  EXPECT_EQ(info.max_start, *std::max_element(starts.begin(), starts.end()));
  EXPECT_EQ(info.max_end, *std::max_element(ends.begin(), ends.end()));
  ASSERT_NO_FATAL_FAILURE(ExpectSameSpans(**part, batches));
}

class OddSpans {
 public:
  OddSpans() {
    builder_.AddResource();
    builder_.AddScope("", "");
  }
  void Add(uint64_t trace, uint64_t span, uint64_t parent, uint64_t start = 5,
           uint64_t end = 9) {
    SpanBatchBuilder::SpanFields f;
    f.trace_id = {0, trace};
    f.span_id = {span};
    f.parent_span_id = {parent};
    f.start = {start};
    f.end = {end};
    builder_.AddSpan(f);
  }
  SpanBatchBuilder& builder() { return builder_; }
  SpanBatchPtr Build() { return Share(builder_.Build()); }

 private:
  SpanBatchBuilder builder_;
};

TEST(Part, ParentsMayBeMissingThemselvesInCyclesOrLater) {
  OddSpans spans;
  for (uint64_t trace = 1; trace <= 50; ++trace) {
    spans.Add(trace, 1, 0);
    spans.Add(trace, 2, 2);  // its own parent
    spans.Add(trace, 3, 4);  // a cycle of two
    spans.Add(trace, 4, 3);
    spans.Add(trace, 5, 999, 1);  // unknown parent, first of all
    spans.Add(trace, 6, 1000 + trace);
    spans.Add(trace, 7, 8, 3);  // before its parent
    spans.Add(trace, 8, 1, 8);
    spans.Add(trace, 1, 1, 6);  // an id used twice
  }
  BytesFsForTesting fs;
  const std::vector<SpanBatchPtr> batches = {spans.Build()};
  const auto part = WriteAndOpen(fs, batches);
  ASSERT_NO_FATAL_FAILURE(ExpectSameSpans(*part, batches));
}

TEST(Part, TimesAtTheEndsOfTheRangeSurvive) {
  OddSpans spans;
  const uint64_t top = UINT64_MAX;
  spans.Add(1, 1, 0, 0, 0);
  spans.Add(1, 2, 0, 0, top);
  spans.Add(1, 3, 0, top, 0);
  spans.Add(1, 4, 0, top, top);
  spans.Add(2, 5, 0, 7'258'118'400'000'000'000ull, 1);  // the year 2200
  spans.builder().AddEvent({0}, "before");
  spans.builder().AddEvent({top}, "after");
  BytesFsForTesting fs;
  const std::vector<SpanBatchPtr> batches = {spans.Build()};
  const auto part = WriteAndOpen(fs, batches);
  ASSERT_NO_FATAL_FAILURE(ExpectSameSpans(*part, batches));
}

TEST(Part, TenThousandKeysAndHugeValuesSurviveInTheirOrder) {
  OddSpans spans;
  std::vector<std::string> keys;
  spans.Add(1, 1, 0);
  for (int i = 0; i < 10'000; ++i) {
    keys.push_back("key" + std::to_string(Mix64(i)));
    const AttrValue value = i % 3 == 0   ? AttrValue::Int(-i)
                            : i % 3 == 1 ? AttrValue::Double(i / 8.0)
                                         : AttrValue::String(keys.back());
    spans.builder().AddSpanAttribute(keys.back(), value);
  }
  spans.Add(1, 2, 0);
  spans.builder().AddSpanAttribute(keys[5], AttrValue::String(""));
  spans.builder().AddSpanAttribute("big",
                                   AttrValue::Bytes(std::string(2 << 20, 'z')));
  spans.builder().AddSpanAttribute(keys[9], AttrValue());
  BytesFsForTesting fs;
  const std::vector<SpanBatchPtr> batches = {spans.Build()};
  const auto part = WriteAndOpen(fs, batches);
  ASSERT_NO_FATAL_FAILURE(ExpectSameSpans(*part, batches));
  const auto trace = part->GetTrace({}, {0, 1});
  const auto attributes = (*trace)->Attributes((*trace)->spans().attributes[0]);
  ASSERT_EQ(attributes.size(), keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ((*trace)->Key(attributes[i].key), keys[i]);
  }
  // A key without a column of its own is searched as well.
  for (const size_t i : {size_t{8}, size_t{9'999 - 1}, size_t{9'998}}) {
    const Found found = FindAttribute(*part, keys[i]);
    ASSERT_TRUE(found.status);
    EXPECT_EQ(found.rows, 1u) << i;
  }
}

TEST(Part, HighCardinalityTextsAreFoundByTheirFilter) {
  OddSpans spans;
  for (uint64_t i = 0; i < 40'000; ++i) {
    spans.Add(i / 10, i + 1, 0, i, i + 3);
    spans.builder().AddSpanAttribute(
        "id", AttrValue::String("id-" + std::to_string(Mix64(i))));
    std::string word;  // nothing but letters: no case for templates
    for (uint64_t bits = Mix64(i); bits != 0; bits /= 20) {
      word.push_back(static_cast<char>('g' + bits % 20));
    }
    spans.builder().AddSpanAttribute("word", AttrValue::String(word));
  }
  BytesFsForTesting fs;
  const std::vector<SpanBatchPtr> batches = {spans.Build()};
  PartWriteOptions options;
  options.row_group_spans = 4096;
  const auto part = WriteAndOpen(fs, batches, options);
  const auto columns = part->Columns();
  for (const auto& [key, encoding] :
       {std::pair("id", "templates"), std::pair("word", "text+zstd")}) {
    const auto column =
        std::find_if(columns.begin(), columns.end(),
                     [name = key](const auto& c) { return c.name == name; });
    EXPECT_EQ(column->encoding, encoding);
    const auto trace = part->GetTrace({}, {0, 1234});
    const SpanBatch& batch = **trace;
    const AttrValue value =
        batch.Value(*batch.Find(batch.spans().attributes[5], key));
    const Found found = FindAttribute(*part, key, std::string(value.bytes));
    ASSERT_TRUE(found.status);
    EXPECT_EQ(found.rows, 1u);
    EXPECT_EQ(found.traces, (std::set<TraceId>{{0, 1234}}));
    EXPECT_LT(found.bytes_read, part->info().file_bytes / 8);
  }
}

TEST(Part, MissingTraceIsNull) {
  BytesFsForTesting fs;
  const auto part = WriteAndOpen(fs, {RandomBatch(9)});
  const auto trace = part->GetTrace({}, {123, 456});
  ASSERT_TRUE(trace.has_value());
  EXPECT_EQ(*trace, nullptr);
}

TEST(Part, ListsServicesAndOperationsOfItsSpans) {
  BytesFsForTesting fs;
  const SpanBatchPtr batch = RandomBatch(11);
  const auto part = WriteAndOpen(fs, {batch});
  std::map<std::string, std::set<Operation>> expected;
  for (model::RowIndex row = 0; row < batch->row_count(); ++row) {
    expected[std::string(batch->ServiceName(row))].insert(
        {std::string(batch->String(batch->spans().name[row])),
         batch->spans().kind[row]});
  }
  std::set<std::string> services;
  ASSERT_TRUE(part->CollectServices(&services).has_value());
  for (const auto& [service, operations] : expected) {
    EXPECT_TRUE(service.empty() || services.contains(service));
    std::set<Operation> found;
    ASSERT_TRUE(part->CollectOperations(service, &found).has_value());
    EXPECT_EQ(found, operations);
  }
}

TEST(Part, ExampleOfTheFormatPageIsWhatIsWritten) {
  SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddResourceAttribute("service.name", AttrValue::String("shop"));
  builder.AddScope("http", "1.0");
  SpanBatchBuilder::SpanFields f;
  f.trace_id = {0x0102030405060708, 0x090a0b0c0d0e0f10};
  f.span_id = {0xa1};
  f.start = {1000};
  f.end = {1900};
  f.name = "GET /cart";
  f.kind = model::SpanKind::kServer;
  builder.AddSpan(f);
  builder.AddSpanAttribute("http.route", AttrValue::String("/cart"));
  f.parent_span_id = f.span_id;
  f.span_id = {0xa2};
  f.start = {1100};
  f.end = {1500};
  f.name = "SELECT";
  f.kind = model::SpanKind::kClient;
  builder.AddSpan(f);
  builder.AddSpanAttribute("rows", AttrValue::Int(7));
  BytesFsForTesting fs;
  WriteAndOpen(fs, {Share(builder.Build())});
  const auto example = ReadFile(
      Fs::Real(), KHTRACE_SOURCE_DIR "/tests/data/fuzz/part_reader/example");
  ASSERT_TRUE(example.has_value());
  EXPECT_EQ(fs.files[kPath], *example);
}

TEST(Part, FailedWriteLeavesNoFileBehind) {
  const TempDirForTesting dir;
  const std::vector<SpanBatchPtr> batches = {RandomBatch(1, 6)};
  for (uint64_t n = 1;; ++n) {
    FaultyFs fs(Fs::Real());
    fs.InjectFault({.at_call = n, .tear_append = true});
    const std::string path = dir.File("p" + std::to_string(n));
    if (WritePart(fs, path, batches, {})) break;
    ASSERT_LT(n, 20u);
    EXPECT_FALSE(fs.Exists(path + ".tmp")) << n;
  }
}

TEST(PartDamage, AnyFlippedByteIsNamedByVerify) {
  BytesFsForTesting fs;
  WriteAndOpen(fs, {RandomBatch(1, 6)});
  const std::string good = fs.files[kPath];
  for (size_t i = 0; i < good.size(); ++i) {
    fs.files[kPath] = good;
    fs.files[kPath][i] ^= static_cast<char>(1 << (i % 8));
    const auto part = Part::Open(fs, kPath);
    const Status status =
        part ? (*part)->Verify() : Status(Error(part.error()));
    ASSERT_FALSE(status.has_value()) << i;
    EXPECT_EQ(status.error().code, Code::kDataLoss) << i;
    EXPECT_TRUE(status.error().message.starts_with(kPath)) << i;
  }
}

TEST(PartDamage, FlippedByteIsHarmlessOrNamedInEveryAnswer) {
  BytesFsForTesting fs;
  const SpanBatchPtr batch = RandomBatch(5, 100);
  WriteAndOpen(fs, {batch});
  const Described expected = DescribeAll({batch});
  const std::string good = fs.files[kPath];
  for (size_t i = 0; i < good.size(); i += 61) {
    fs.files[kPath] = good;
    fs.files[kPath][i] ^= 0x10;
    const auto part = Part::Open(fs, kPath);
    if (!part) continue;
    for (const auto& [id, spans] : expected) {
      const auto trace = (*part)->GetTrace({}, id);
      if (!trace) {
        EXPECT_EQ(trace.error().code, Code::kDataLoss);
        continue;
      }
      ASSERT_NE(*trace, nullptr);
      ASSERT_EQ(DescribeAll({*trace})[id], spans) << i;
    }
  }
}

TEST(PartDamage, TruncatedAtAnyLengthIsRefused) {
  BytesFsForTesting fs;
  WriteAndOpen(fs, {RandomBatch(1, 6)});
  const std::string good = fs.files[kPath];
  for (size_t size = 0; size < good.size(); ++size) {
    fs.files[kPath] = good.substr(0, size);
    const auto part = Part::Open(fs, kPath);
    ASSERT_FALSE(part.has_value()) << size;
    ASSERT_EQ(part.error().code, Code::kDataLoss);
  }
}

// A part whose footer says what `change` makes of it, with right checksums.
template <typename Change>
void ChangeFooter(std::string* file, const Change& change) {
  const size_t trailer = file->size() - kPartTrailerBytes;
  const uint64_t offset = LoadU64(file->data() + trailer);
  auto footer = ParseFooter(
      std::string_view(*file).substr(offset, trailer - offset), offset);
  ASSERT_TRUE(footer.has_value());
  change(*footer);
  std::string bytes;
  AppendFooter(*footer, &bytes);
  std::string end;
  ByteWriter writer(end);
  writer.U64(offset);
  writer.U32(static_cast<uint32_t>(bytes.size()));
  writer.U32(kPartVersion);
  writer.U64(Hash64(bytes));
  writer.U64(Hash64(end));
  file->resize(offset);
  file->append(bytes + end + std::string(kPartEndMagic));
}

TEST(PartDamage, UnknownEncodingHidesItsColumnAlone) {
  BytesFsForTesting fs;
  OddSpans spans;
  spans.Add(1, 1, 0);
  spans.builder().AddSpanAttribute("known", AttrValue::Int(1));
  spans.Add(2, 2, 0);
  spans.builder().AddSpanAttribute("novel", AttrValue::Int(2));
  WriteAndOpen(fs, {spans.Build()});
  ASSERT_NO_FATAL_FAILURE(ChangeFooter(&fs.files[kPath], [](Footer& footer) {
    for (Column& column : footer.columns) {
      if (column.key != "novel") continue;
      column.chunks[0].page.encoding = static_cast<Encoding>(99);
      column.chunks[0].has_zone = false;
    }
  }));
  const auto part = Part::Open(fs, kPath);
  ASSERT_TRUE(part.has_value());
  const auto known = (*part)->GetTrace({}, {0, 1});
  EXPECT_TRUE(known.has_value());
  const Found found = FindAttribute(**part, "known");
  EXPECT_TRUE(found.status);
  EXPECT_EQ(found.rows, 1u);
  const auto novel = (*part)->GetTrace({}, {0, 2});
  ASSERT_FALSE(novel.has_value());
  EXPECT_EQ(novel.error().code, Code::kUnimplemented);
  for (const char* named : {kPath, "span.novel", "row group 0", "99"}) {
    EXPECT_NE(novel.error().message.find(named), std::string::npos)
        << novel.error().message;
  }
}

TEST(PartDamage, NewerVersionIsRefusedNamingBoth) {
  BytesFsForTesting fs;
  WriteAndOpen(fs, {RandomBatch(1, 6)});
  std::string& file = fs.files[kPath];
  std::string trailer = file.substr(file.size() - 40);
  trailer[12] = 9;
  std::string checksum;
  ByteWriter(checksum).U64(Hash64(std::string_view(trailer).substr(0, 24)));
  trailer.replace(24, 8, checksum);
  file.replace(file.size() - 40, 40, trailer);
  const auto part = Part::Open(fs, kPath);
  ASSERT_FALSE(part.has_value());
  EXPECT_EQ(part.error().code, Code::kUnimplemented);
  EXPECT_NE(part.error().message.find("version 9"), std::string::npos);
  EXPECT_NE(part.error().message.find("program's 1"), std::string::npos);
}

}  // namespace
}  // namespace khtrace::storage::columnar
