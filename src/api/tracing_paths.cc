// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "api/tracing_answer.h"
#include "api/tracing_path_study.h"
#include "api/tracing_routes.h"

// GET /api/tracing/critical-path: of all traces of a window, by their root, or
// of a sample of them.

namespace khtrace::api {
namespace {

using analysis::RootPaths;
using net::HttpResponse;
using wire::JsonWriter;

enum class Format { kJson, kFolded };
constexpr std::array<std::pair<std::string_view, Format>, 2> kFormats = {
    {{"json", Format::kJson}, {"folded", Format::kFolded}}};

std::string Frame(const std::string& service, const std::string& name) {
  std::string text = fmt::format("{}: {}", service, name);
  std::ranges::replace(text, ';', ',');
  std::ranges::replace(text, '\n', ' ');
  return text;
}

// "root;operation microseconds" a line, as flame graph tools read it.
std::string Folded(const std::vector<const RootPaths*>& roots) {
  std::string out;
  for (const RootPaths* root : roots) {
    for (const analysis::PathShare& share : root->shares) {
      fmt::format_to(std::back_inserter(out), "{};{} {}\n",
                     Frame(root->root_service, root->root_operation),
                     Frame(share.service, share.operation), share.nanos / 1000);
    }
  }
  return out;
}

// "band;operation microseconds".
std::string Folded(const analysis::PathStudy& study) {
  std::string out;
  for (const analysis::PathSet& band : study.bands) {
    for (const analysis::BandShare& share : band.shares) {
      fmt::format_to(
          std::back_inserter(out), "{};{} {:.0f}\n", band.name,
          Frame(share.service, share.operation),
          share.mean_nanos * static_cast<double>(band.traces) / 1000);
    }
  }
  return out;
}

Result<HttpResponse> Study(TracingCall& call, const analysis::Window& window) {
  const Format format = call.params.Choice<Format>("format", kFormats);
  const analysis::PathStudyRequest request = ReadStudy(call, window);
  RETURN_IF_ERROR(CheckParams(call));
  auto study =
      analysis::StudyPaths(call.site.api.reader, call.context, request);
  if (!study && study.error().code == Code::kInvalidArgument) {
    return std::move(study).error().With("q");
  }
  if (!study) return std::move(study).error();
  if (format == Format::kFolded) {
    return TracingText(call.request, "text/plain; charset=utf-8",
                       Folded(*study));
  }
  return TracingAnswer(call.request, call.params.now(), [&](JsonWriter& w) {
    PutWindow(w, window);
    if (study->all.traces == 0) {
      const std::string hint = OutsideHint(call, window);
      PutText(w, "hint",
              hint.empty() ? "no trace fits; fewer conditions or a longer "
                             "window find more"
                           : hint);
    }
    PutStudy(w, request, *study);
  });
}

Result<HttpResponse> CriticalPath(TracingCall& call) {
  TracingParams& params = call.params;
  const analysis::Window window = params.Window();
  if (AsksForStudy(params)) return Study(call, window);
  const std::string service = params.Text("service");
  const std::string operation = params.Text("operation");
  const Format format = params.Choice<Format>("format", kFormats);
  const size_t limit = params.Count("limit", 20, 1, 1000);
  RETURN_IF_ERROR(CheckParams(call));
  ASSIGN_OR_RETURN(const analysis::SnapshotPtr snapshot,
                   call.site.analyzer.Look(call.context, window));
  std::vector<const RootPaths*> roots;
  for (const RootPaths& root : snapshot->paths) {
    if ((service.empty() || root.root_service == service) &&
        (operation.empty() || root.root_operation == operation)) {
      roots.push_back(&root);
    }
  }
  const size_t total = roots.size();
  if (roots.size() > limit) roots.resize(limit);
  if (format == Format::kFolded) {
    return TracingText(call.request, "text/plain; charset=utf-8",
                       Folded(roots));
  }
  return TracingAnswer(
      call.request, snapshot->generated_at, [&](JsonWriter& w) {
        PutWindow(w, snapshot->window);
        PutCount(w, "count", roots.size());
        PutCount(w, "total", total);
        if (roots.empty()) {
          const std::string hint =
              EmptyHint(call, snapshot->window, snapshot->spans);
          PutText(w, "hint",
                  hint.empty() ? "no trace of the window has such a root: "
                                 "service and operation are those of the "
                                 "root span"
                               : hint);
        }
        w.Key("roots");
        w.BeginArray();
        for (const RootPaths* root : roots) {
          w.BeginObject();
          PutText(w, "service", root->root_service);
          PutText(w, "operation", root->root_operation);
          PutMillis(w, "path_ms", static_cast<double>(root->nanos));
          PutShares(w, root->shares);
          w.EndObject();
        }
        w.EndArray();
      });
}

constexpr std::string_view kParameters[] = {
    "service",      "operation",       "window",          "start",
    "end",          "format",          "limit",           "q",
    "bands",        "what_if_percent", "baseline",        "baseline_start",
    "baseline_end", "compare_version", "version_service", "max_traces"};
constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/critical-path", kParameters, CriticalPath}};

}  // namespace

void PutShares(JsonWriter& w, const std::vector<analysis::PathShare>& shares) {
  w.Key("shares");
  w.BeginArray();
  for (const analysis::PathShare& share : shares) {
    w.BeginObject();
    PutText(w, "service", share.service);
    PutText(w, "operation", share.operation);
    PutMillis(w, "total_ms", static_cast<double>(share.nanos));
    PutFigure(w, "share", share.share);
    PutCount(w, "traces", share.traces);
    PutMillis(w, "what_if_10_percent_faster_ms", share.what_if_10_percent);
    w.EndObject();
  }
  w.EndArray();
}

std::span<const TracingRoute> CriticalPathRoutes() { return kRoutes; }

}  // namespace khtrace::api
