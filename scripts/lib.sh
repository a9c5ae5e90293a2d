# SPDX-License-Identifier: Apache-2.0
# Functions shared by the scripts beside this file. Sourced, never run.
# Needs only what a bare Debian 12 has: bash, coreutils, procps-free /proc.

repo_root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)

# g++, CMake and every library of cmake/dependencies.cmake.
build_packages=(
  g++ cmake ninja-build ccache git pkg-config
  libboost1.81-dev libgrpc++-dev libprotobuf-dev protobuf-compiler
  protobuf-compiler-grpc libsimdjson-dev libssl-dev libzstd-dev liblz4-dev
  zlib1g-dev libxxhash-dev libre2-dev libyaml-cpp-dev libcli11-dev
  libspdlog-dev libfmt-dev libgtest-dev libgmock-dev libbenchmark-dev
)
# What the checks need on top.
test_packages=(
  clang clang-tidy clang-format libclang-rt-14-dev python3 python3-venv
  openssl util-linux
)

# Every endpoint of this version: name, port before the offset, what is asked
# of it (a path, or "tcp": it accepts a connection), what it is for.
endpoints=(
  "otlp-grpc|4317|tcp|OTLP over gRPC"
  "otlp-http|4318|tcp|OTLP over HTTP, protobuf and JSON"
  "jaeger|16686|/api/services|Jaeger query API"
  "tempo|3200|/ready|Tempo query API"
  "dashboards|3031|/api/health|dashboards' health"
  "health|13133|/|health"
  "metrics|8888|/metrics|Prometheus metrics"
)

say() { printf '%s\n' "$*"; }
step() { printf '== %s\n' "$*"; }
fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# need_packages PACKAGE… — installs those that are missing, and only those.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null |
      grep -q '^ii' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  apt_install "${missing[@]}"
}

apt_install() {
  local as_root=() log
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "cannot install $*: neither root nor" \
      "sudo here; run as root: apt-get install -y $*"
    as_root=(sudo)
  fi
  command -v apt-get >/dev/null ||
    fail "cannot install $*: this is not Debian (no apt-get)"
  step "install $* (apt)"
  log=$(mktemp)
  # libboost1.81-dev takes the place of libboost-dev (1.74): apt says what it
  # removes, and --no-remove would only refuse that.
  if ! { "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
      --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install $*"
  fi
  sed -n '/will be REMOVED/,/^[^ ]/{/^ /s/^/removed: /p}' "$log"
  rm -f "$log"
}

# need_node — Node 18 or newer with npm, from Debian unless one is there.
need_node() {
  local major
  major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null) || major=0
  if ((major < 18)) || ! command -v npm >/dev/null; then
    apt_install nodejs npm
  fi
}

# Compilers at once: one per core, and 1.5 GB of free memory for each.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  ((memory < 1)) && memory=1
  echo $((cores < memory ? cores : memory))
}

# build PRESET TARGET… — configures once, then lets ninja find what changed.
build() {
  local preset=$1 dir="$repo_root/build/$1" launcher=() log
  shift
  # Another checkout of the same sources finds what this one compiled.
  export CCACHE_BASEDIR=$repo_root CCACHE_NOHASHDIR=1
  command -v ccache >/dev/null &&
    launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache
      -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  log=$(mktemp)
  if [[ ! -f $dir/build.ninja ]] &&
    ! (cd "$repo_root" && cmake --preset "$preset" "${launcher[@]}") \
      >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "cmake could not configure the preset $preset"
  fi
  rm -f "$log"
  (cd "$repo_root" && cmake --build "$dir" -j "$(build_jobs)" -t "$@")
}

# binary_of PRESET — where that build leaves khtrace.
binary_of() { echo "$repo_root/build/$1/khtrace"; }

# port_accepts PORT
port_accepts() {
  timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"' _ "$1" 2>/dev/null
}

# http_status PORT PATH — the status code; empty if the port speaks no HTTP.
http_status() {
  local line
  line=$(timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" &&
    printf "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" \
      "$2" >&3 && IFS= read -r line <&3 && printf %s "$line"' _ "$1" "$2" \
    2>/dev/null)
  [[ $line =~ ^HTTP/1\.[01]\ ([0-9]{3}) ]] && echo "${BASH_REMATCH[1]}"
  return 0
}

# port_owner PORT — "nginx (pid 12)" of who listens there, as far as /proc
# shows it to us; empty if nobody listens.
port_owner() {
  local hex inode link pid
  hex=$(printf '%04X' "$1")
  inode=$(awk -v port=":$hex" '
    $4 == "0A" && substr($2, length($2) - 4) == port {print $10; exit}' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  [[ -n $inode ]] || return 0
  link=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\\[$inode\\]" \
    -print -quit 2>/dev/null) || true
  if [[ -n $link ]]; then
    pid=${link#/proc/}
    pid=${pid%%/*}
    echo "$(cat "/proc/$pid/comm" 2>/dev/null) (pid $pid)"
    return 0
  fi
  echo "another process"
}

# endpoint_health PORT PATH-or-tcp — ok, starting …; 0 if it serves.
endpoint_health() {
  local status
  if [[ $2 == tcp ]]; then
    port_accepts "$1" && echo ok && return 0
    echo "not listening"
    return 1
  fi
  status=$(http_status "$1" "$2")
  case $status in
    200) echo ok ;;
    401) echo "ok (asks for a token)" ;;
    "")
      if port_accepts "$1"; then
        echo "ok (listens, no plain HTTP)"
      else
        echo "not listening"
        return 1
      fi
      ;;
    *)
      echo "answers $status"
      return 1
      ;;
  esac
}

# endpoint_table OFFSET — one line each; 1 if any of them does not serve.
endpoint_table() {
  local entry name port path what health bad=0 url
  printf '%-10s %-36s %-34s %s\n' NAME ADDRESS FOR HEALTH
  for entry in "${endpoints[@]}"; do
    IFS='|' read -r name port path what <<<"$entry"
    port=$((port + $1))
    health=$(endpoint_health "$port" "$path") || bad=1
    url="http://localhost:$port"
    [[ $path == tcp || $path == / ]] || url+=$path
    [[ $name == otlp-grpc ]] && url="localhost:$port"
    printf '%-10s %-36s %-34s %s\n' "$name" "$url" "$what" "$health"
  done
  return $bad
}
