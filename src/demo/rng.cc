// SPDX-License-Identifier: Apache-2.0
#include "demo/rng.h"

#include <bit>

namespace khtrace::demo {
namespace {

// e^x from additions and multiplications alone, which IEEE 754 defines to the
// bit: libm's exp() may differ in its last digit from one system to the next.
// Good to 5 digits for |x| < 40.
double Exp(double x) {
  const double scaled = x * 1.4426950408889634;  // log2(e)
  const auto whole =
      static_cast<int64_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  const double y = (scaled - static_cast<double>(whole)) * 0.6931471805599453;
  const double part =
      1 + y * (1 + y * (0.5 + y * (1.0 / 6 + y * (1.0 / 24 + y / 120))));
  return part *
         std::bit_cast<double>(static_cast<uint64_t>(whole + 1023) << 52);
}

}  // namespace

double Rng::Normal() {
  // The sum of four uniform numbers has variance 1/3.
  const uint64_t bits = Next();
  const auto sum = static_cast<double>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                       (bits >> 32 & 0xffff) + (bits >> 48));
  return (sum / 65535.0 - 2.0) * 1.7320508075688772;
}

std::chrono::nanoseconds Rng::Duration(std::chrono::nanoseconds median,
                                       double spread) {
  double ns = static_cast<double>(median.count()) * Exp(spread * Normal());
  if (Below(400) == 0) ns *= 10 + 30 * Unit();
  return std::chrono::nanoseconds(static_cast<int64_t>(ns) + 1);
}

int64_t Rng::Count(double median, double spread) {
  return static_cast<int64_t>(median * Exp(spread * Normal())) + 1;
}

}  // namespace khtrace::demo
