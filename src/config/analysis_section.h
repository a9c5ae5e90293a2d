// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/section_reader.h"
#include "config/server_config.h"

namespace khtrace::config {

// The section `analysis`: categories, how operations come to them, targets.
void ReadAnalysis(SectionReader section, ServerConfig* config);

}  // namespace khtrace::config
