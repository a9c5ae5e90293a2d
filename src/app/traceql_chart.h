// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "app/terminal.h"
#include "app/traceql_answer.h"

namespace khtrace::app {

// Cells that a chart's line has on this terminal: as many samples are drawn
// without two of them sharing a cell.
size_t ChartCells(const Terminal& terminal);

// A step for a range so that its samples fit into the cells: 1, 2 or 5 times a
// power of ten seconds, or a round number of minutes or hours. In ns.
uint64_t ChartStep(uint64_t range_ns, size_t cells);

// A line for each of the `limit` series that reach highest: its labels, its
// samples as bars, least, greatest and last value. All lines have one scale,
// from zero (or the least value, if that is below) to the greatest.
std::string RenderCharts(const std::vector<FoundSeries>& series, size_t limit,
                         const Terminal& terminal);

// A line for each sample, with a column for each label.
std::string SeriesCsv(const std::vector<FoundSeries>& series);

}  // namespace khtrace::app
