// SPDX-License-Identifier: Apache-2.0
#include "app/inspect_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace khtrace::app {
namespace {

using storage::columnar::DirectoryReport;
using storage::columnar::PartReport;
using storage::columnar::VerifyReport;
using testing::HasSubstr;

constexpr Terminal kPlain{false, true, 100};

TEST(InspectTable, AddsColumnsUpOverPartsLargestFirst) {
  PartReport part;
  part.path = "/data/tenants/default/parts/000001.part";
  part.info.span_count = 1000;
  part.info.trace_count = 50;
  part.info.file_bytes = 32'000;
  part.columns.push_back({"span", "name", "string", "dictionary", 100, 1000});
  part.columns.push_back({"span", "duration", "int", "delta", 3000, 1000});
  DirectoryReport report;
  auto& tenant = report.tenants.emplace_back();
  tenant.tenant = "default";
  tenant.parts = {part, part};
  tenant.parts.emplace_back().error = "not a part";
  tenant.leftovers = {"000002.part.tmp"};
  tenant.part_spans = 2000;
  tenant.part_bytes = 64'000;
  const std::string text = RenderDirectory(report, {kPlain});
  EXPECT_THAT(text, HasSubstr("2 000 spans"));
  EXPECT_THAT(text, HasSubstr("32.0 bytes a span, 3 files"));
  EXPECT_THAT(text, HasSubstr("000001.part"));
  EXPECT_THAT(text, HasSubstr("not a part"));
  EXPECT_THAT(text, HasSubstr("1 file half-written or replaced"));
  EXPECT_THAT(text, HasSubstr("000002.part.tmp"));
  const size_t duration = text.find("duration  ");
  const size_t name = text.find("name  ");
  ASSERT_NE(duration, std::string::npos);
  ASSERT_NE(name, std::string::npos);
  EXPECT_LT(duration, name);
  EXPECT_THAT(text, HasSubstr("   3.0         2 000  delta\n"));
}

TEST(InspectTable, AnEmptyDirectorySaysSo) {
  EXPECT_EQ(RenderDirectory({}, {kPlain}), "no spans are stored here yet\n");
}

TEST(VerifyTable, NamesEveryDamageAndTheVerdict) {
  VerifyReport report;
  report.parts = 2;
  report.part_spans = 10;
  report.wal_frames = 1;
  EXPECT_EQ(RenderVerification(report, kPlain),
            "checked 2 parts with 10 spans and 1 frame of the log\n"
            "every checksum fits\n");
  report.damage.push_back({"a.part", 0, "page 3 of span.name"});
  report.damage.push_back({"b.wal", 77, "checksum"});
  EXPECT_EQ(RenderVerification(report, kPlain),
            "checked 2 parts with 10 spans and 1 frame of the log\n"
            "damaged  a.part: page 3 of span.name\n"
            "damaged  b.wal at byte 77: checksum\n"
            "2 damaged places; everything else is readable\n");
}

}  // namespace
}  // namespace khtrace::app
