#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds khtrace: build.sh [PRESET [TARGET…]]. Presets are in
# CMakePresets.json; the default is `release`, the default target `khtrace`.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/lib.sh"

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  sed -n '3,4s/^# //p' "$0"
  exit 0
fi
preset=${1:-release}
shift || true
grep -q "\"name\": \"$preset\"" "$repo_root/CMakePresets.json" && [[ $preset != base ]] ||
  fail "unknown preset '$preset'; CMakePresets.json has: $(sed -n \
    's/.*"name": "\(.*\)".*/\1/p' "$repo_root/CMakePresets.json" |
    grep -v base | tr '\n' ' ')"

need_packages "${build_packages[@]}"
[[ $preset != asan && $preset != fuzz ]] || need_packages "${test_packages[@]}"
step "build $preset"
build "$preset" "${@:-khtrace}"

say "built: build/$preset/khtrace"
