// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace khtrace::app {

// How this process gets memory from the system. Before any thread starts.
void TuneAllocator();

// Gives what lies free between what is in use back to the system, if it is
// much: heads come and go by the hundred MiB. Takes some ten milliseconds then.
void TrimAllocator();

}  // namespace khtrace::app
