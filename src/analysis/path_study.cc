// SPDX-License-Identifier: Apache-2.0
#include "analysis/path_study.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "analysis/path_sums.h"
#include "traceql/checker.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

namespace khtrace::analysis {
namespace {

// The query's pipeline alone, without its hints.
Result<std::string> PipelineText(const std::string& text) {
  if (text.empty()) return std::string("{ }");
  ASSIGN_OR_RETURN(const traceql::Query query, traceql::ParseQuery(text));
  RETURN_IF_ERROR(traceql::CheckQuery(query));
  if (query.is_metrics()) {
    return Error{Code::kInvalidArgument, "a metrics query selects no spans"};
  }
  return traceql::Print(std::get<traceql::Pipeline>(query.root));
}

// Traces of the query with such a root, and of a version if one is given.
Result<std::string> QueryOf(const PathStudyRequest& request,
                            const std::string& version) {
  ASSIGN_OR_RETURN(const std::string asked, PipelineText(request.query));
  std::vector<std::string> sides;
  if (!request.query.empty()) sides.push_back(asked);
  std::vector<std::string> root;
  if (!request.root_service.empty()) {
    root.push_back("trace:rootService = " +
                   traceql::Quoted(request.root_service));
  }
  if (!request.root_operation.empty()) {
    root.push_back("trace:rootName = " +
                   traceql::Quoted(request.root_operation));
  }
  if (!root.empty()) {
    sides.push_back(fmt::format("{{ {} }}", fmt::join(root, " && ")));
  }
  if (!version.empty()) {
    std::string condition =
        "resource.service.version = " + traceql::Quoted(version);
    if (!request.version_service.empty()) {
      condition += " && resource.service.name = " +
                   traceql::Quoted(request.version_service);
    }
    sides.push_back(fmt::format("{{ {} }}", condition));
  }
  if (sides.empty()) return asked;
  if (sides.size() == 1) return sides.front();
  return fmt::format("({})", fmt::join(sides, ") && ("));
}

SampleRequest SampleOf(const PathStudyRequest& request, Window window,
                       std::string query) {
  SampleRequest sample;
  sample.query = std::move(query);
  sample.window = window;
  sample.max_traces = request.max_traces;
  sample.helpers = request.helpers;
  sample.judge = request.judge;
  return sample;
}

std::vector<PathSums> SumBands(const PathTable& table,
                               const std::vector<uint32_t>& cuts) {
  const std::vector<PathTable::Row>& rows = table.rows();
  std::vector<PathSums> bands(cuts.size() + 1);
  size_t band = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    while (band < cuts.size() && i * 100 >= rows.size() * cuts[band]) ++band;
    bands[band].Add(table, rows[i]);
  }
  return bands;
}

void FillBands(const PathTable& table, const PathStudyRequest& request,
               PathStudy* study) {
  const std::vector<PathSums> bands = SumBands(table, request.cuts);
  PathSums all;
  for (const PathTable::Row& row : table.rows()) all.Add(table, row);
  study->all = all.Report("all", request.max_operations);
  uint32_t from = 0;
  for (size_t i = 0; i < bands.size(); ++i) {
    const uint32_t to = i < request.cuts.size() ? request.cuts[i] : 100;
    study->bands.push_back(bands[i].Report(fmt::format("p{}-{}", from, to),
                                           request.max_operations));
    from = to;
  }
  study->slow_against_fast =
      PathSums::Compare(bands.front(), study->bands.front().name, bands.back(),
                        study->bands.back().name, request.max_operations);
}

// Whether a span of the trace has the version; key 0 is service.version.
bool HasVersion(const TraceSample& sample, const TraceSample::Trace& trace,
                const PathStudyRequest& request, const std::string& version) {
  for (size_t i = trace.first; i < trace.first + trace.count; ++i) {
    const std::string& service =
        sample.operations[sample.spans[i].operation].service;
    if (!request.version_service.empty() &&
        service != request.version_service) {
      continue;
    }
    if (sample.ResourceText(i, 0) == version) return true;
  }
  return false;
}

Status CompareVersions(storage::TraceReader& reader,
                       const RequestContext& context,
                       const PathStudyRequest& request, PathStudy* study) {
  std::vector<TraceSample> samples;  // alive while sums have their names
  std::vector<PathSums> sums(2);
  std::vector<std::string> names;
  for (size_t side = 0; side < 2; ++side) {
    const std::string& other = request.versions[1 - side];
    names.push_back(fmt::format("version {}", request.versions[side]));
    ASSIGN_OR_RETURN(std::string query,
                     QueryOf(request, request.versions[side]));
    SampleRequest wanted = SampleOf(request, request.window, std::move(query));
    wanted.resource_keys = {"service.version"};
    ASSIGN_OR_RETURN(TraceSample taken, TakeSample(reader, context, wanted));
    study->inspected_spans += taken.inspected_spans;
    study->sides_complete &= taken.complete;
    samples.reserve(2);
    samples.push_back(std::move(taken));
    const TraceSample& sample = samples.back();
    ASSIGN_OR_RETURN(const PathTable table, PathTable::Make(context, sample));
    for (const PathTable::Row& row : table.rows()) {
      if (HasVersion(sample, sample.traces[row.trace], request, other)) {
        // Both sides find it.
        study->mixed_traces += side;
      } else {
        sums[side].Add(table, row);
      }
    }
    study->sides.push_back(
        sums[side].Report(names[side], request.max_operations));
  }
  study->comparison = PathSums::Compare(sums[0], names[0], sums[1], names[1],
                                        request.max_operations);
  return {};
}

Status CompareWindows(storage::TraceReader& reader,
                      const RequestContext& context,
                      const PathStudyRequest& request, const PathTable& table,
                      PathStudy* study) {
  ASSIGN_OR_RETURN(
      const TraceSample before,
      TakeSample(reader, context,
                 SampleOf(request, *request.baseline, study->query)));
  ASSIGN_OR_RETURN(const PathTable before_table,
                   PathTable::Make(context, before));
  study->inspected_spans += before.inspected_spans;
  study->sides_complete = study->complete && before.complete;
  PathSums a;
  PathSums b;
  for (const PathTable::Row& row : before_table.rows())
    a.Add(before_table, row);
  for (const PathTable::Row& row : table.rows()) b.Add(table, row);
  study->sides.push_back(a.Report("baseline", request.max_operations));
  study->sides.push_back(b.Report("window", request.max_operations));
  study->comparison = PathSums::Compare(a, "the baseline", b, "the window",
                                        request.max_operations);
  return {};
}

}  // namespace

Result<PathStudy> StudyPaths(storage::TraceReader& reader,
                             const RequestContext& context,
                             const PathStudyRequest& request) {
  PathStudy study;
  ASSIGN_OR_RETURN(study.query, QueryOf(request, ""));
  ASSIGN_OR_RETURN(const TraceSample sample,
                   TakeSample(reader, context,
                              SampleOf(request, request.window, study.query)));
  study.complete = sample.complete;
  study.inspected_spans = sample.inspected_spans;
  if (!sample.traces.empty()) study.oldest = sample.traces.back().start;
  ASSIGN_OR_RETURN(const PathTable table, PathTable::Make(context, sample));
  FillBands(table, request, &study);
  ASSIGN_OR_RETURN(study.what_if,
                   WhatIfFaster(context, table, request.faster_percent,
                                request.max_operations));
  if (request.baseline) {
    RETURN_IF_ERROR(CompareWindows(reader, context, request, table, &study));
  } else if (request.versions.size() == 2) {
    RETURN_IF_ERROR(CompareVersions(reader, context, request, &study));
  }
  return study;
}

}  // namespace khtrace::analysis
