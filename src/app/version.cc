// SPDX-License-Identifier: Apache-2.0
#include "app/version.h"

namespace khtrace::app {

const api::BuildInfo& ThisBuild() {
  static const api::BuildInfo build{KHTRACE_VERSION, KHTRACE_REVISION,
                                    KHTRACE_BRANCH, "", ""};
  return build;
}

}  // namespace khtrace::app
