#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the end-to-end tests against the binary in $KHTRACE_BINARY (default: the
# release build). Arguments go to pytest. What it needs from PyPI and npm is
# installed under build/ once, again when the pinned versions change; Alertmanager
# comes from Debian.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/../../scripts/lib.sh"

here=$repo_root/tests/e2e
venv=$repo_root/build/e2e-venv
js=$repo_root/build/e2e-js

# stamp FILE… — changes when one of the files does.
stamp() { cat "$@" | sha256sum | cut -c 1-16; }

install_python_clients() {
  local mark
  mark=$venv/installed-$(stamp "$here/requirements.txt")
  [[ ! -f $mark ]] || return 0
  step "install the Python clients (PyPI)"
  rm -rf "$venv"
  python3 -m venv "$venv" && "$venv/bin/pip" install -q \
    --disable-pip-version-check -r "$here/requirements.txt" &&
    touch "$mark"
}

install_javascript_clients() {
  local mark
  mark=$js/installed-$(stamp "$here/js/package-lock.json")
  [[ ! -f $mark ]] || return 0
  step "install the JavaScript clients (npm)"
  rm -rf "$js"
  mkdir -p "$js"
  cp "$here/js/package.json" "$here/js/package-lock.json" "$js/"
  (cd "$js" && npm ci --silent --no-audit --no-fund --ignore-scripts) &&
    touch "$mark"
}

# In a subshell: apt_install ends the shell when it fails.
install_alertmanager() {
  command -v prometheus-alertmanager >/dev/null ||
    (apt_install prometheus-alertmanager)
}

# missing WHAT — says so in one line; a failure where CI promises a network.
missing() {
  say "skipped: $1"
  [[ ${CI:-} != true ]] || fail "CI=true, so this is a failure"
}

if ! install_python_clients; then
  missing "all end-to-end tests: their Python packages cannot be installed from PyPI"
  exit 0
fi
need_node
if ! install_javascript_clients; then
  missing "end-to-end tests of the JavaScript SDK: npm cannot install it"
  export KHTRACE_E2E_WITHOUT_JS=1
fi
install_alertmanager ||
  missing "the end-to-end test with Alertmanager: apt cannot install prometheus-alertmanager"
export KHTRACE_BINARY=${KHTRACE_BINARY:-$(binary_of release)}
export KHTRACE_E2E_JS=$js
export PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" -m pytest "$here" -c "$here/pytest.ini" "$@"
