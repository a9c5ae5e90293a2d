#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What can be checked in seconds before a commit: format, layers, file sizes,
licence lines, words that do not belong into a commit. Looks at tracked files
only. Exit 1 with one line a problem."""

import os
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent
CPP = {".h", ".cc", ".cpp"}
CODE = CPP | {".py", ".sh", ".cmake", ".ts", ".tsx", ".js"}
# Not written by us, or data whose bytes matter.
FOREIGN = ("proto/", "tests/data/", "tests/golden/", "third_party/")
# Flat tables, alone in their file.
LONG_FILES = set()
MAX_LINES = 600
MAX_BYTES = 500_000

FORBIDDEN = [
    (re.compile(r"\bTODO\b(?!\(#\d+\))"), "TODO without an issue: TODO(#12)"),
    (re.compile(r"\b(FIXME|XXX|HACK)\b"), "open an issue instead"),
    (re.compile(r"\bDO NOT (SUBMIT|COMMIT)\b"), "left over"),
    (re.compile(r"^(<{7}|>{7}) "), "left over from a merge"),
]
FORBIDDEN_CPP = [
    # Literal suffixes cannot be named in another way.
    (re.compile(r"\busing namespace (?!std::chrono_literals;)"),
     "name what you use"),
    (re.compile(r"\bstd::(views|ranges::views)\b"),
     "does not compile with clang 14"),
]


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout
    names = [name for name in listed.split("\0") if name]
    return [n for n in names if (ROOT / n).is_file()]


def check_words(name, lines):
    if name == "tools/presubmit.py":
        return []
    rules = FORBIDDEN + (FORBIDDEN_CPP
                         if pathlib.PurePath(name).suffix in CPP else [])
    return [
        f"{name}:{number}: '{match.group()}': {why}"
        for number, line in enumerate(lines, 1) for pattern, why in rules
        if (match := pattern.search(line))
    ]


def check_file(name):
    path = ROOT / name
    size = path.stat().st_size
    if size > MAX_BYTES:
        return [f"{name}: {size} bytes, limit {MAX_BYTES}"]
    is_code = path.suffix in CODE or path.name == "CMakeLists.txt"
    if not is_code or name.startswith(FOREIGN):
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    problems = check_words(name, lines)
    if len(lines) > MAX_LINES and name not in LONG_FILES:
        problems.append(f"{name}: {len(lines)} lines, limit {MAX_LINES}")
    spdx_line = 1 if lines and lines[0].startswith("#!") else 0
    if (path.suffix in CODE and "SPDX-License-Identifier: Apache-2.0"
            not in "".join(lines[spdx_line:spdx_line + 1])):
        problems.append(f"{name}:1: no SPDX line")
    if path.suffix == ".h" and lines[1:2] != ["#pragma once"]:
        problems.append(f"{name}:2: expected #pragma once")
    return problems


def check_format(names):
    if not names:
        return []
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *names],
                          cwd=ROOT, capture_output=True, text=True,
                          check=False)
    first_of_file = {}
    for line in done.stderr.splitlines():
        match = re.match(r"([^:]+):(\d+):\d+: error:", line)
        if match:
            first_of_file.setdefault(match[1], match[2])
    problems = [f"{name}:{line}: run clang-format -i"
                for name, line in first_of_file.items()]
    if done.returncode != 0 and not problems:
        problems.append(f"clang-format failed: {done.stderr.strip()}")
    return problems


def check_layers():
    problems = []
    for arguments in ([], ["--self-test"]):
        done = subprocess.run(
            [sys.executable, ROOT / "tools/check_layers.py", *arguments],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            problems += (done.stdout + done.stderr).replace(
                f"{ROOT}/", "").splitlines()
    return problems


def main():
    files = tracked_files()
    cpp = [n for n in files if pathlib.PurePath(n).suffix in CPP
           and not n.startswith(FOREIGN)]
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        formats = pool.map(check_format, [cpp[i::workers]
                                          for i in range(workers)])
        layers = pool.submit(check_layers)
        problems = [p for name in files for p in check_file(name)]
        problems += layers.result()
        problems += [p for part in formats for p in part]
    print("\n".join(problems) if problems else
          f"presubmit: {len(files)} files are fine")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
