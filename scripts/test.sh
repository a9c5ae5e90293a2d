#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
source "$(dirname "$(readlink -f "$0")")/lib.sh"

usage() {
  cat <<'TEXT'
test.sh [--quick | --all] [--tidy] [--stage NAME]… [--list]

Installs what is missing, then runs every check; stops at the first failure
and ends with a table. Output of each stage: build/test-logs/NAME.log.

  --quick        presubmit, release build with unit tests, short end-to-end
  --all          also clang-tidy
  --tidy         clang-tidy over every file (default: what differs from main)
  --stage NAME   only this one; may be repeated
  --list         the names of the stages

CI=true makes an unreachable PyPI, npm or Debian registry a failure; otherwise the
tests that need it are skipped with one line.
TEXT
}

# The cheap ones first: what is broken shows early.
default_stages=(presubmit clone release e2e bench clang fuzz tsan tsan_e2e asan
  asan_e2e)
all_stages=("${default_stages[@]}" tidy)
quick_stages=(presubmit release e2e)
stages=() quick=no all=no tidy_all=no
logs=$repo_root/build/test-logs

while (($#)); do
  case $1 in
    --quick) quick=yes ;;
    --all) all=yes ;;
    --tidy) tidy_all=yes ;;
    --stage)
      [[ " ${all_stages[*]} " == *" ${2:-} "* ]] ||
        fail "unknown stage '${2:-}'; there are: ${all_stages[*]}"
      stages+=("$2")
      shift
      ;;
    --list)
      printf '%s\n' "${all_stages[@]}"
      exit 0
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown option '$1'; --help lists them" ;;
  esac
  shift
done
if ((${#stages[@]} == 0)); then
  stages=("${default_stages[@]}")
  [[ $all == no ]] || stages=("${all_stages[@]}")
  [[ $quick == no ]] || stages=("${quick_stages[@]}")
fi

# --- The stages. Each returns 0 or 1 and prints its counts as "N passed" ----

presubmit() {
  python3 "$repo_root/tools/check_layers.py" &&
    python3 "$repo_root/tools/presubmit.py"
}

# What git would hand to someone who clones: nothing generated, nothing
# vendored. (presubmit looks at the sizes.)
clone() {
  local unwanted
  unwanted=$(git -C "$repo_root" ls-files |
    grep -E '(^|/)(node_modules|third_party|vendor|__pycache__)/|(\.pb\.(cc|h)|_pb2\.py|\.o|\.a|\.so|\.pyc|\.whl|\.min\.js)$')
  [[ -z $unwanted ]] && return
  say "generated or someone else's; these do not belong here:" "$unwanted"
  return 1
}

# The shadow memory of TSan does not fit the address layout of newer kernels.
fixed_addresses() { setarch "$(uname -m)" -R "$@"; }

sanitizer_env() {
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
  export LSAN_OPTIONS="suppressions=$repo_root/tests/lsan.supp print_suppressions=0"
  export UBSAN_OPTIONS=print_stacktrace=1
  # gRPC as Debian builds it is not instrumented: without the last option its
  # locks are unseen and every call through it looks like a race.
  export TSAN_OPTIONS="suppressions=$repo_root/tests/tsan.supp second_deadlock_stack=1 ignore_noninstrumented_modules=1"
}

# unit_tests PRESET — builds everything of the preset, runs ctest.
unit_tests() {
  build "$1" all || return 1
  ctest --test-dir "$repo_root/build/$1" -V --no-tests=error \
    -j "$(nproc)" --timeout 900
}
release() { unit_tests release; }
# Fewer random seeds make up for the speed of sanitized builds.
asan() { KHTRACE_DIFFERENTIAL_SEEDS=40 unit_tests asan; }
# Folders and tests without threads have nothing for TSan to see.
tsan() {
  local threaded=(base_test telemetry_test net_test pipeline_test ingest_test
    api_test alerting_test storage_columnar_test)
  build tsan khtrace conformance_test "${threaded[@]}" || return 1
  local one_thread=('*FaultTest' 'Part*' DamagedPart BatchFormat 'Encoding*'
    'WalReader*')
  local -x GTEST_FILTER
  GTEST_FILTER="-$(printf '%s.*:' "${one_thread[@]}")*Flipped*"
  fixed_addresses ctest --test-dir "$repo_root/build/tsan" -V \
    --no-tests=error -j "$(nproc)" --timeout 600 \
    -R "^($(IFS='|'; echo "${threaded[*]}"))(_[0-9])?\$" || return 1
  # Queries whose units run on several threads.
  GTEST_FILTER='*Differential*' KHTRACE_DIFFERENTIAL_SEEDS=10 fixed_addresses \
    ctest --test-dir "$repo_root/build/tsan" -V --no-tests=error \
    -j "$(nproc)" --timeout 600 -R '^conformance_test(_[0-9])?$'
}

# end_to_end PRESET ARGUMENT… — the real binary, real SDKs (tests/e2e).
end_to_end() {
  local preset=$1 runner=()
  shift
  build "$preset" khtrace || return 1
  [[ $preset != tsan ]] || runner=(fixed_addresses)
  KHTRACE_BINARY=$(binary_of "$preset") "${runner[@]}" \
    "$repo_root/tests/e2e/run.sh" "$@"
}
e2e() {
  local short=()
  [[ $quick == no ]] || short=(-m "not slow")
  end_to_end release "${short[@]}"
}
asan_e2e() { KHTRACE_SANITIZED=1 KHTRACE_KILL_CYCLES=5 end_to_end asan; }
tsan_e2e() { KHTRACE_SANITIZED=1 KHTRACE_KILL_CYCLES=5 end_to_end tsan; }

# clang sees what g++ does not: -Wthread-safety is an error in this build.
clang() { build asan all; }

fuzz() {
  local fuzzer stem corpus found=0
  build asan all || return 1
  while IFS= read -r fuzzer; do
    stem=$(basename "$fuzzer" _fuzz)
    corpus=$repo_root/build/asan/corpus/$stem
    mkdir -p "$corpus"
    say "-- $stem"
    "$fuzzer" -max_total_time=10 -timeout=10 -rss_limit_mb=2048 \
      -print_final_stats=1 "$corpus" "$repo_root/tests/data/fuzz/$stem" ||
      return 1
    found=$((found + 1))
  done < <(find "$repo_root/build/asan/src" -name '*_fuzz' -type f -executable)
  say "$found passed"
  ((found > 0))
}

bench() {
  local program found=0
  build release all || return 1
  while IFS= read -r program; do
    say "-- $(basename "$program")"
    "$program" --benchmark_min_time=0.01 || return 1
    found=$((found + 1))
  done < <(find "$repo_root/build/release/src" -name '*_bench' -type f \
    -executable)
  say "$found passed"
  ((found > 0))
}

# The .cc files that differ from main (on main: from the commit before), and
# those whose header does; or all of them.
tidy_files() {
  local base changed stems
  if [[ $tidy_all == yes ]]; then
    git -C "$repo_root" ls-files 'src/*.cc'
    return
  fi
  base=$(git -C "$repo_root" merge-base HEAD origin/main 2>/dev/null ||
    git -C "$repo_root" merge-base HEAD main 2>/dev/null || true)
  [[ -n $base && $base != "$(git -C "$repo_root" rev-parse HEAD)" ]] ||
    base=$(git -C "$repo_root" rev-parse -q --verify HEAD~1 ||
      git -C "$repo_root" rev-parse HEAD)
  changed=$(git -C "$repo_root" diff --name-only "$base" -- 'src/*.cc' 'src/*.h')
  stems=$(sed 's/\.[a-z]*$//' <<<"$changed" | sort -u)
  while IFS= read -r stem; do
    [[ -n $stem && -f $repo_root/$stem.cc ]] && echo "$stem.cc"
  done <<<"$stems"
  return 0
}

tidy() {
  local files
  build asan khtrace >/dev/null || return 1
  # Benches are no part of the clang build; g++ compiles them.
  files=$(tidy_files | grep -v -E '_(test|bench)\.cc$')
  if [[ -z $files ]]; then
    say "no file of ours differs"
    return 0
  fi
  (cd "$repo_root" && xargs -P "$(nproc)" -n 1 \
    clang-tidy --quiet -p build/asan <<<"$files") || return 1
  say "$(wc -l <<<"$files") passed"
}

# --- Running them -----------------------------------------------------------

# passed_in FILE — tests that a stage's output says have passed: GoogleTest's,
# pytest's and our own closing lines; corpus replays are ctest's.
passed_in() {
  awk '
    /\[  PASSED  \] [0-9]+ test/ {for (i = 1; i < NF; ++i)
      if ($i == "PASSED") n += $(i + 2)}
    /_corpus \.+ +Passed/ {n++}
    /^[=0-9].*[0-9]+ passed/ {match($0, /[0-9]+ passed/)
      n += substr($0, RSTART) + 0}
    END {print n + 0}' "$1"
}
failed_in() {
  awk '
    /\[  FAILED  \] [0-9]+ test/ {for (i = 1; i < NF; ++i)
      if ($i == "FAILED") n += $(i + 2)}
    /_corpus \.+\*+Failed/ {n++}
    /^[=0-9].*[0-9]+ failed/ {match($0, /[0-9]+ failed/)
      n += substr($0, RSTART) + 0}
    END {print n + 0}' "$1"
}

rows=() total_passed=0 total_failed=0 result=0

run_stage() {
  local name=$1 log=$logs/$1.log started=$SECONDS passed failed outcome=ok
  step "$name"
  ("$name") >"$log" 2>&1 || outcome=FAILED
  passed=$(passed_in "$log")
  failed=$(failed_in "$log")
  # A stage without tests of its own counts as one.
  if [[ $outcome == FAILED ]]; then
    ((failed > 0)) || failed=1
    tail -n 60 "$log"
    result=1
  elif ((passed == 0)); then
    passed=1
  fi
  grep -h '^skipped: ' "$log" || true
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
  rows+=("$(printf '%-10s %-7s %6d %6d %6d s' "$name" $outcome "$passed" \
    "$failed" $((SECONDS - started)))")
}

need_packages "${build_packages[@]}" "${test_packages[@]}"
mkdir -p "$logs"
sanitizer_env
for stage in "${stages[@]}"; do
  run_stage "$stage"
  ((result == 0)) || break
done

say
printf '%-10s %-7s %6s %6s %8s\n' STAGE RESULT PASSED FAILED TIME
printf '%s\n' "${rows[@]}"
((result == 0)) || say "stopped at '$stage'; its output: build/test-logs/$stage.log"
say "$total_passed passed, $total_failed failed"
exit $result
