// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "app/terminal.h"
#include "model/ids.h"
#include "model/span_batch.h"

namespace khtrace::app {

struct WaterfallOptions {
  Terminal terminal;
  // Show every span: no folding of like siblings, no limit of rows.
  bool all = false;
  // Below each span its attributes.
  bool attributes = false;
  // Rows after which the rest is only counted. Larger: more to scroll.
  size_t max_rows = 400;
};

// One trace as text for a terminal: what it is, then a line for every span
// with its place in the tree, its duration and its bar on the time axis, and
// the exceptions below the spans that failed. Takes whatever senders make up:
// no root or several, orphans, cycles, clocks that disagree, no durations.
// `trace` holds the spans of one trace, at least one.
std::string RenderWaterfall(const model::SpanBatch& trace,
                            const WaterfallOptions& options);

// Everything about one span: times, status, attributes, resource, events with
// stack traces, links.
std::string RenderSpanDetail(const model::SpanBatch& trace, model::RowIndex row,
                             const Terminal& terminal);

}  // namespace khtrace::app
