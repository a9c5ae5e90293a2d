// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace khtrace::net {

// Server side of TLS. All files are PEM.
struct TlsOptions {
  std::string cert_file;  // certificate chain; "" = TLS is off
  std::string key_file;
  // Set: clients must show a certificate signed by one of these (mTLS).
  std::string client_ca_file;
  // "1.2" or "1.3". gRPC's own floor is 1.2 and cannot be raised.
  std::string min_version = "1.2";

  bool enabled() const { return !cert_file.empty(); }
};

}  // namespace khtrace::net
