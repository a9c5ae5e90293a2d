// SPDX-License-Identifier: Apache-2.0
#include "net/auth.h"

#include <gtest/gtest.h>

namespace khtrace::net {
namespace {

TEST(BearerAuth, AcceptsEachTokenAndAnyCaseOfTheScheme) {
  const BearerAuth auth({Secret("one"), Secret("two")});
  EXPECT_TRUE(auth.Check("Bearer one"));
  EXPECT_TRUE(auth.Check("bearer two"));
}

TEST(BearerAuth, NamesWhatIsWrong) {
  const BearerAuth auth({Secret("one")});
  HttpRequest request;
  Status status = auth.CheckBearer(request);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kUnauthenticated);
  EXPECT_EQ(status.error().message,
            "missing or empty authorization header: Authorization");
  for (const char* wrong : {"Bearer on", "Bearer onee", "Basic one", "one"}) {
    request.headers.Set("Authorization", wrong);
    status = auth.CheckBearer(request);
    ASSERT_FALSE(status) << wrong;
    EXPECT_EQ(status.error().message, "scheme or token does not match");
  }
}

TEST(BearerAuth, LetsNobodyInWithoutAToken) {
  const BearerAuth auth({Secret("")});
  EXPECT_FALSE(auth.Check("Bearer "));
  EXPECT_FALSE(auth.Check("Bearer x"));
}

}  // namespace
}  // namespace khtrace::net
