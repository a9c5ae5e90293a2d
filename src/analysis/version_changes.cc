// SPDX-License-Identifier: Apache-2.0
#include "analysis/version_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "analysis/trace_sample.h"
#include "query/search.h"
#include "traceql/checker.h"
#include "traceql/order_by.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

namespace khtrace::analysis {
namespace {

constexpr uint64_t kSlices = 12;
constexpr size_t kTraces = 100;  // of a slice
constexpr size_t kMaxChanges = 20;

// Service and version.
using Release = std::pair<std::string, std::string>;

class Finder {
 public:
  Finder(storage::TraceReader& reader, const RequestContext& context,
         Window window, Executor* helpers)
      : reader_(reader), context_(context), window_(window), helpers_(helpers) {
    const uint64_t length = window.end.ns - window.start.ns;
    width_ = std::max<uint64_t>(length / kSlices, 1);
    before_ = window.start.ns - std::min(window.start.ns, length);
  }

  Result<VersionChanges> Find() {
    RETURN_IF_ERROR(TakeSlices());
    std::vector<std::pair<uint64_t, Release>> candidates;
    for (const auto& [release, slice] : first_) {
      // What a service had from the first is no change of it.
      if (slice > service_first_[release.first]) {
        candidates.emplace_back(slice, release);
      }
    }
    std::sort(candidates.rbegin(), candidates.rend());
    if (candidates.size() > kMaxChanges) {
      candidates.resize(kMaxChanges);
      answer_.complete = false;
    }
    for (const auto& [slice, release] : candidates) {
      RETURN_IF_ERROR(AddChange(slice, release));
    }
    std::stable_sort(answer_.changes.begin(), answer_.changes.end(),
                     [](const VersionChange& a, const VersionChange& b) {
                       return a.first_seen > b.first_seen;
                     });
    return std::move(answer_);
  }

 private:
  // Slice 0 lies before the window.
  uint64_t StartOf(uint64_t slice) const {
    if (slice == 0)
      return window_.start.ns - std::min(window_.start.ns, width_);
    return window_.start.ns + (slice - 1) * width_;
  }
  uint64_t EndOf(uint64_t slice) const {
    return slice == kSlices ? window_.end.ns
                            : window_.start.ns + slice * width_;
  }

  Status TakeSlices() {
    SampleRequest request;
    request.max_traces = kTraces;
    request.resource_keys = {"service.version"};
    request.helpers = helpers_;
    for (uint64_t slice = 0; slice <= kSlices; ++slice) {
      request.window = {{StartOf(slice)}, {EndOf(slice)}};
      if (request.window.end <= request.window.start) continue;
      ASSIGN_OR_RETURN(const TraceSample sample,
                       TakeSample(reader_, context_, request));
      answer_.inspected_spans += sample.inspected_spans;
      for (size_t i = 0; i < sample.spans.size(); ++i) {
        const std::string& version = sample.ResourceText(i, 0);
        const std::string& service =
            sample.operations[sample.spans[i].operation].service;
        if (version.empty() || service.empty()) continue;
        first_.try_emplace({service, version}, slice);
        service_first_.try_emplace(service, slice);
      }
    }
    return {};
  }

  Result<query::SearchResult> Search(const Release& release, Window window,
                                     bool oldest) {
    ASSIGN_OR_RETURN(
        const traceql::Query query,
        traceql::ParseQuery(fmt::format(
            "{{ resource.service.name = {} && resource.service.version = {} }}",
            traceql::Quoted(release.first), traceql::Quoted(release.second))));
    RETURN_IF_ERROR(traceql::CheckQuery(query));
    query::SearchRequest request;
    request.query = &query;
    request.start = window.start;
    request.end = window.end;
    request.limit = 1;
    request.spans_per_spanset = 1;
    request.order = traceql::OrderBy{traceql::OrderBy::Key::kStart, !oldest};
    request.helpers = helpers_;
    return query::Search(reader_, context_, request);
  }

  Status AddChange(uint64_t slice, const Release& release) {
    // Samples of earlier slices may have missed it, but that of the one before
    // tells where to look.
    const uint64_t from = StartOf(slice - 1);
    if (from > before_) {
      ASSIGN_OR_RETURN(
          const query::SearchResult earlier,
          Search(release, {{before_}, {from - 1}}, /*oldest=*/false));
      answer_.inspected_spans += earlier.stats.inspected_spans;
      if (!earlier.traces.empty()) return {};
    }
    ASSIGN_OR_RETURN(
        const query::SearchResult found,
        Search(release, {{from}, {EndOf(slice)}}, /*oldest=*/true));
    answer_.inspected_spans += found.stats.inspected_spans;
    if (found.traces.empty() || found.traces[0].spansets.empty()) return {};
    VersionChange change;
    change.service = release.first;
    change.version = release.second;
    change.example = found.traces[0].trace_id;
    change.first_seen = found.traces[0].spansets[0].spans[0].start;
    if (change.first_seen >= window_.start) {
      answer_.changes.push_back(std::move(change));
    }
    return {};
  }

  storage::TraceReader& reader_;
  const RequestContext& context_;
  const Window window_;
  Executor* const helpers_;
  uint64_t width_ = 1;
  uint64_t before_ = 0;                // as long before the window as it is
  std::map<Release, uint64_t> first_;  // slice
  std::map<std::string, uint64_t> service_first_;
  VersionChanges answer_;
};

}  // namespace

Result<VersionChanges> FindVersionChanges(storage::TraceReader& reader,
                                          const RequestContext& context,
                                          Window window, Executor* helpers) {
  return Finder(reader, context, window, helpers).Find();
}

}  // namespace khtrace::analysis
