// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/api_context.h"

namespace khtrace::app {

// What this binary was built from; the build fills it in.
const api::BuildInfo& ThisBuild();

}  // namespace khtrace::app
