// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alerting/engine.h"
#include "alerting/replay.h"
#include "wire/json_writer.h"

// Answers about alerts as JSON. Times are RFC 3339; values are in their unit
// ("s" or plain numbers), with a text for people beside them.

namespace khtrace::api {

std::string RulesJson(const std::vector<alerting::RuleStatus>& rules,
                      const std::vector<alerting::ReceiverStatus>& receivers,
                      const alerting::EngineCounts& counts,
                      const alerting::AlertingOptions& options);
std::string ReplayJson(const alerting::ReplayRequest& request,
                       const alerting::ReplayResult& result,
                       std::string_view base_url);

void WriteAlert(const alerting::Alert& alert, std::string_view base_url,
                wire::JsonWriter* w);
void WriteActiveAlert(const alerting::ActiveAlert& active,
                      std::string_view base_url, wire::JsonWriter* w);
void WriteEvent(const alerting::Event& event, std::string_view base_url,
                wire::JsonWriter* w);
void WriteSilence(const alerting::Silence& silence, wire::JsonWriter* w);

}  // namespace khtrace::api
