// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/section_reader.h"
#include "config/server_config.h"

namespace khtrace::config {

// The section `alerting`. After `analysis`: rules name categories.
void ReadAlerting(SectionReader section, ServerConfig* config);

}  // namespace khtrace::config
