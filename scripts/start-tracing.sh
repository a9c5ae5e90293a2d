#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/lib.sh"

usage() {
  cat <<'TEXT'
start-tracing.sh [start|stop|restart|status|logs] [options] [-- SERVE-OPTION…]

  start     install what is missing, build, start in the background, wait for
            every endpoint, print a table (default)
  stop      end the server, and the demo; everything received is kept
  restart   stop, then start
  status    the table; exit code 1 if something does not serve
  logs      the server's log; with -f it goes on as the log grows

  --demo            also send the traffic of a simulated shop
  --port-offset N   add N to every port (a second instance beside the first)
  --data-dir DIR    home of this instance: DIR/store, DIR/khtrace.log,
                    DIR/khtrace.pid. Default: $KHTRACE_HOME, else data/ in the
                    repository (data/offset-N/ with --port-offset N)
  -- …              passed to `khtrace serve`, for example: -- --config my.yml
TEXT
}

command=start offset=0 home=${KHTRACE_HOME:-} demo=no follow=no serve_options=()

parse_options() {
  while (($#)); do
    case $1 in
      start | stop | restart | status | logs) command=$1 ;;
      --demo) demo=yes ;;
      -f | --follow) follow=yes ;;
      --port-offset)
        [[ ${2:-} =~ ^[0-9]{1,5}$ ]] && ((10#$2 <= 48000)) ||
          fail "--port-offset wants a number from 0 to 48000, got '${2:-}'"
        offset=$((10#$2))
        shift
        ;;
      --data-dir)
        [[ -n ${2:-} ]] || fail "--data-dir wants a directory"
        home=$2
        shift
        ;;
      -h | --help)
        usage
        exit 0
        ;;
      --)
        shift
        serve_options=("$@")
        return
        ;;
      *) fail "unknown option '$1'; --help lists them" ;;
    esac
    shift
  done
}

# running_pid FILE — the pid in it, if that process is still a khtrace.
running_pid() {
  local pid exe
  pid=$(cat "$1" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 1
  [[ $exe == */khtrace || $exe == */"khtrace (deleted)" ]] || return 1
  echo "$pid"
}

# Ends with the log's last lines: whoever reads this needs them first.
give_up() {
  say "--- last lines of $log"
  tail -n 15 "$log"
  fail "$*"
}

check_ports() {
  local entry name port owner bad=0
  for entry in "${endpoints[@]}"; do
    IFS='|' read -r name port _ <<<"$entry"
    port=$((port + offset))
    owner=$(port_owner "$port")
    [[ -n $owner ]] || continue
    say "port $port ($name) is in use by $owner" >&2
    bad=1
  done
  ((bad == 0)) || fail "stop what holds the ports, or choose others with" \
    "--port-offset N"
}

wait_until_healthy() {
  local deadline=$((SECONDS + 60)) table
  until table=$(endpoint_table "$offset"); do
    running_pid "$pid_file" >/dev/null || give_up "the server ended"
    ((SECONDS < deadline)) || {
      say "$table"
      give_up "not every endpoint serves after 60 s"
    }
    sleep 0.2
  done
}

start_server() {
  check_ports
  mkdir -p "$home" 2>/dev/null && [[ -w $home ]] ||
    fail "cannot write to the data directory $home"
  [[ ! -f $log ]] || mv -f "$log" "$log.1"
  step "start khtrace, data in $home"
  setsid nohup "$binary" serve --data-dir "$home/store" \
    --port-offset "$offset" "${serve_options[@]}" \
    >"$log" 2>&1 </dev/null &
  echo $! >"$pid_file"
  wait_until_healthy
}

start_demo() {
  if running_pid "$home/demo.pid" >/dev/null; then return; fi
  step "start the demo traffic"
  setsid nohup "$binary" demo --port-offset "$offset" \
    >"$home/demo.log" 2>&1 </dev/null &
  echo $! >"$home/demo.pid"
}

start() {
  local pid
  "$repo_root/scripts/build.sh" release khtrace
  binary=$(binary_of release)
  if pid=$(running_pid "$pid_file"); then
    say "khtrace runs already (pid $pid)"
    [[ $(readlink "/proc/$pid/exe") != *"(deleted)" ]] ||
      say "it was built anew since: 'start-tracing.sh restart' takes that up"
    wait_until_healthy
  else
    start_server
  fi
  [[ $demo == no ]] || start_demo
  say
  endpoint_table "$offset"
  say
  say "Send spans to http://localhost:$((4318 + offset)) (OTLP/HTTP) or" \
    "localhost:$((4317 + offset)) (OTLP/gRPC)."
  say "Look at one:  build/release/khtrace trace TRACE_ID"
}

# stop_process FILE NAME
stop_process() {
  local pid deadline=$((SECONDS + 60))
  pid=$(running_pid "$1") || {
    rm -f "$1"
    return 1
  }
  kill -TERM "$pid"
  while running_pid "$1" >/dev/null; do
    ((SECONDS < deadline)) || fail "$2 (pid $pid) does not end after 60 s"
    sleep 0.1
  done
  rm -f "$1"
  say "stopped $2 (pid $pid)"
}

stop() {
  stop_process "$home/demo.pid" "the demo" || true
  stop_process "$pid_file" khtrace || say "khtrace does not run"
}

status() {
  local pid code=0
  if pid=$(running_pid "$pid_file"); then
    say "khtrace runs (pid $pid), data in $home"
  else
    say "khtrace does not run"
    code=1
  fi
  endpoint_table "$offset" || code=1
  return $code
}

logs() {
  [[ -f $log ]] || fail "no log yet: $log"
  if [[ $follow == yes ]]; then
    exec tail -n 100 -F "$log"
  fi
  cat "$log"
}

parse_options "$@"
if [[ -z $home ]]; then
  home=$repo_root/data
  ((offset == 0)) || home+=/offset-$offset
fi
home=$(realpath -m "$home")
log=$home/khtrace.log
pid_file=$home/khtrace.pid

case $command in
  restart)
    stop
    start
    ;;
  *) "$command" ;;
esac
