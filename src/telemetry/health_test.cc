// SPDX-License-Identifier: Apache-2.0
#include "telemetry/health.h"

#include <gtest/gtest.h>

namespace khtrace::telemetry {
namespace {

TEST(Health, NothingRegisteredIsNotHealthy) { EXPECT_FALSE(Health().AllOk()); }

TEST(Health, IsOkOnceEveryComponentIs) {
  Health health;
  health.SetStarting("storage");
  health.SetOk("otlp_grpc");
  EXPECT_FALSE(health.AllOk());
  health.SetOk("storage");
  EXPECT_TRUE(health.AllOk());
}

TEST(Health, SnapshotIsOrderedAndSaysWhy) {
  Health health;
  health.SetStarting("storage");
  health.SetFailing("otlp_grpc", "cannot listen on port 4317: in use");
  EXPECT_EQ(health.Snapshot(),
            (std::vector<ComponentHealth>{
                {"otlp_grpc", false, "cannot listen on port 4317: in use"},
                {"storage", false, "starting"}}));
}

TEST(Health, RecoveryForgetsTheReason) {
  Health health;
  health.SetFailing("storage", "disk full");
  health.SetOk("storage");
  EXPECT_EQ(health.Snapshot(),
            (std::vector<ComponentHealth>{{"storage", true, ""}}));
}

}  // namespace
}  // namespace khtrace::telemetry
