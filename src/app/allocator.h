// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace khtrace::app {

// How this process gets memory from the system. Before any thread starts.
void TuneAllocator();

}  // namespace khtrace::app
