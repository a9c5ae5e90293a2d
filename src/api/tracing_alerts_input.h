// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alerting/engine_state.h"
#include "alerting/options.h"
#include "alerting/replay.h"
#include "base/result.h"

// Bodies of requests about alerts. Any bytes; the message of a kInvalidArgument
// begins with the field's name and a colon.

namespace khtrace::api {

// What each of them reads.
inline constexpr std::string_view kSilenceFields[] = {
    "matchers", "start",   "startsAt",   "end",      "endsAt",
    "duration", "comment", "created_by", "createdBy"};
inline constexpr std::string_view kAcknowledgementFields[] = {"by", "comment"};
inline constexpr std::string_view kReplayFields[] = {
    "rule",    "category",        "query",       "objective",
    "compare", "alert",           "critical",    "window",
    "for",     "resolve_below",   "min_samples", "since",
    "start",   "keep_firing_for", "end",         "step"};

// {"matchers":[{"name","value","negate","regex"}…],"start","end" or
// "duration","comment","created_by"}. Alertmanager's "isRegex", "isEqual",
// "startsAt", "endsAt" and "createdBy" are understood as well.
Result<alerting::Silence> ParseSilence(std::string_view json, UnixNanos now);

struct Acknowledgement {
  std::string by;
  std::string comment;
};
// {"by","comment"}; an empty body is fine.
Result<Acknowledgement> ParseAcknowledgement(std::string_view json);

// {"rule":"name of a known one"} or a rule as the configuration has it
// ({"query":…,"alert":"500ms","for":"2m",…}), and "since" (24h) or "start" and
// "end" (RFC 3339), "step". What a known rule says may be changed by the same
// fields.
Result<alerting::ReplayRequest> ParseReplay(
    std::string_view json, const std::vector<alerting::Rule>& known,
    UnixNanos now);

}  // namespace khtrace::api
