#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds every #include and every CMake DEPS in src/ to the layer table.

  tools/check_layers.py              checks this tree; exit 1 with file:line
  tools/check_layers.py --self-test  checks the checker

ALLOWED is the table: what a folder's code may include, transitively, besides
itself. A folder below one that is named belongs to it (codec/otlp to codec)
unless it has a line of its own. To add a layer, add a line here and to
docs/architecture.md.
"""

import pathlib
import re
import sys
import tempfile

GROUND = ["base", "telemetry"]  # for everybody above them
ALLOWED = {
    "base": [],
    "telemetry": ["base"],
    "wire": GROUND,
    "net": GROUND,
    "model": ["wire"] + GROUND,
    "codec": ["model"],
    "traceql": ["model"],
    "aggregate": ["model"],
    "storage": ["model", "aggregate"],
    "storage/memory": ["storage", "traceql"],
    "storage/columnar": ["storage", "traceql"],
    "query": ["traceql", "storage"],
    "analysis": ["aggregate", "query"],
    "alerting": ["analysis", "net"],
    "pipeline": ["storage", "aggregate", "traceql"],
    "ingest": ["codec", "pipeline", "net"],
    "demo": ["codec"],
    "api": ["query", "analysis", "alerting", "codec", "net"],
    "config": GROUND,  # and the Options headers of everybody, see may_include
}
# adapters/<lib> -> the module whose interface it implements.
ADAPTERS = {}
# May include everything; nobody may include these.
APP = "app"
TOPMOST = ("app", "config", "adapters")

SOURCES = {".h", ".cc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
TEST_FILE = re.compile(r"_(test|bench|fuzz)\.cc$|(^|/)testing[^/]*\.(h|cc)$")


def direct(folder):
    """What the table says of `folder`; None if it says nothing."""
    if folder.startswith("adapters/"):
        module = ADAPTERS.get(folder.removeprefix("adapters/"))
        return None if module is None else [module]
    return ALLOWED.get(folder)


def closure(folder):
    """Every folder that `folder` may include, without itself."""
    seen, todo = set(), list(direct(folder) or [])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += direct(name) or []
    return seen


def folder_of(path):
    """The layer of a path below src/, e.g. 'codec' of 'codec/otlp/x.h'."""
    parts = pathlib.PurePosixPath(path).parts[:-1]
    if parts[:1] == ("adapters",):
        return "/".join(parts[:2])
    for length in range(len(parts), 0, -1):
        name = "/".join(parts[:length])
        if name in ALLOWED or name == APP:
            return name
    return None


def may_include(file, target):
    """None if `file` may include `target` (both below src/), or the rule."""
    source, wanted = folder_of(file), folder_of(target)
    if source == wanted or source == APP:
        return None
    if wanted.split("/")[0] in TOPMOST:
        return f"nobody includes {wanted.split('/')[0]}/"
    if source == "config" and target.endswith("options.h"):
        return None
    allowed = closure(source)
    if wanted in allowed:
        return None
    if (TEST_FILE.search(file) and wanted == "storage/memory"
            and (source == "storage" or "storage" in allowed)):
        return None
    return f"{source} may include only: {' '.join(sorted(allowed)) or 'nothing'}"


def check_file(src, path, problems):
    file = path.relative_to(src).as_posix()
    if folder_of(file) is None or (direct(folder_of(file)) is None
                                   and folder_of(file) != APP):
        problems.append(f"{path}:1: folder is not in the layer table")
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        if "/" not in target:
            if quote == '"':
                problems.append(
                    f'{path}:{number}: write "folder/{target}", from src/')
            continue
        if folder_of(target) is None:
            if (src / target.split("/")[0]).is_dir():
                problems.append(
                    f"{path}:{number}: {target}: folder is not in the layer "
                    "table")
            continue  # a header from outside
        rule = may_include(file, target)
        if rule:
            problems.append(f"{path}:{number}: includes {target}: {rule}")


def cmake_lists(text):
    """The values after each keyword of khtrace_folder(), with their lines."""
    text = re.sub(r"#.*", "", text)
    call = re.search(r"khtrace_folder\s*\(([^)]*)\)", text)
    lists, key = {}, None
    for token in re.finditer(r"\S+", call.group(1)) if call else ():
        word = token.group()
        line = text.count("\n", 0, call.start(1) + token.start()) + 1
        if word in ("NAME", "DEPS", "LIBS", "TEST_LIBS"):
            key = word
        else:
            lists.setdefault(key, []).append((word, line))
    return lists


def check_cmake(src, path, problems):
    folder = path.parent.relative_to(src).as_posix()
    lists = cmake_lists(path.read_text(encoding="utf-8"))
    if not lists:
        return
    names = {f.replace("/", "_"): f for f in [*ALLOWED, APP]}
    names |= {f"adapters_{a}": f"adapters/{a}" for a in ADAPTERS}

    def check(kind, name, line):
        wanted = names.get(name)
        if wanted is None:
            problems.append(f"{path}:{line}: {kind} {name}: no such folder")
            return
        file = "x_test.cc" if kind == "TEST_LIBS" else "options.cc"
        rule = may_include(f"{folder}/{file}", f"{wanted}/options.h")
        if rule:
            problems.append(f"{path}:{line}: {kind} {name}: {rule}")

    for name, line in lists.get("DEPS", []):
        check("DEPS", name, line)
    for kind in ("LIBS", "TEST_LIBS"):
        for name, line in lists.get(kind, []):
            if not name.startswith("khtrace_"):
                continue
            if kind == "LIBS":
                problems.append(f"{path}:{line}: {name} belongs under DEPS")
            else:
                check(kind, name.removeprefix("khtrace_"), line)


def check_tree(src):
    problems = []
    for path in sorted(src.rglob("*")):
        if path.suffix in SOURCES:
            check_file(src, path, problems)
        elif path.name == "CMakeLists.txt" and path.parent != src:
            check_cmake(src, path, problems)
    return problems


# File -> its text and what must be said about it ("" = nothing).
SELF_TEST = {
    "base/a.h": ("#include <string>\n", ""),
    "base/b.h": ('#include "telemetry/m.h"\n', "base may include only"),
    "base/c.h": ('#include "a.h"\n', 'write "folder/a.h"'),
    "codec/x.cc": ('#include "wire/v.h"\n#include "base/a.h"\n', ""),
    "codec/otlp/y.cc": ('#include "codec/x.h"\n', ""),
    "codec/otlp/z.cc": ('#include "net/x.h"\n', "codec may include only"),
    "demo/d.cc": ('#include "codec/x.h"\n#include "model/x.h"\n', ""),
    "demo/e.cc": ('\n#include "storage/x.h"\n', "e.cc:2: includes storage/x.h"),
    "wire/w.cc": ('#include "model/x.h"\n', "wire may include only"),
    "query/q.cc": ('#include "storage/memory/m.h"\n', "query may include only"),
    "query/q_test.cc": ('#include "storage/memory/m.h"\n', ""),
    "codec/c_test.cc": ('#include "storage/memory/m.h"\n',
                        "codec may include only"),
    "storage/columnar/p.cc": ('#include "storage/s.h"\n'
                              '#include "traceql/t.h"\n', ""),
    "storage/columnar/r.cc": ('#include "storage/memory/m.h"\n',
                              "storage/columnar may include only"),
    "storage/s.cc": ('#include "storage/columnar/p.h"\n',
                     "storage may include only"),
    "app/main.cc": ('#include "storage/columnar/p.h"\n'
                    '#include "config/c.h"\n', ""),
    "api/a.cc": ('#include "app/main.h"\n', "nobody includes app/"),
    "config/c.cc": ('#include "ingest/otlp_options.h"\n', ""),
    "config/d.cc": ('#include "ingest/receiver.h"\n',
                    "config may include only"),
    "adapters/kafka/k.cc": ("", "not in the layer table"),
    "mystery/m.cc": ("", "not in the layer table"),
    "api/b.cc": ('#include "mystery/m.h"\n#include "google/x.h"\n',
                 "not in the layer table"),
    "model/CMakeLists.txt": ("khtrace_folder(NAME model DEPS wire base\n"
                             "  LIBS fmt::fmt)\n", ""),
    "wire/CMakeLists.txt": ("khtrace_folder(NAME wire\n  DEPS base model)\n",
                            "CMakeLists.txt:2: DEPS model"),
    "query/CMakeLists.txt": ("khtrace_folder(NAME query DEPS storage\n"
                             "TEST_LIBS khtrace_storage_memory)\n", ""),
    "codec/CMakeLists.txt": ("khtrace_folder(NAME codec DEPS model LIBS\n"
                             "khtrace_net)\n", "belongs under DEPS"),
    "net/CMakeLists.txt": ("khtrace_folder(NAME net DEPS bse)\n",
                           "no such folder"),
}


def self_test():
    failures = []
    with tempfile.TemporaryDirectory() as scratch:
        src = pathlib.Path(scratch)
        for name, (text, _) in SELF_TEST.items():
            (src / name).parent.mkdir(parents=True, exist_ok=True)
            (src / name).write_text(text, encoding="utf-8")
        problems = check_tree(src)
        for name, (_, wanted) in SELF_TEST.items():
            said = [p for p in problems if p.startswith(f"{src / name}:")]
            if len(said) != (1 if wanted else 0) or (wanted
                                                     and wanted not in said[0]):
                failures.append(f"{name}: wanted {wanted!r}, got {said}")
    for folder in ALLOWED:
        if folder in closure(folder):
            failures.append(f"the table has a cycle through {folder}")
    return failures


def main(arguments):
    if arguments == ["--self-test"]:
        problems = self_test()
        done = f"self-test: {len(SELF_TEST)} cases pass"
    elif not arguments:
        src = pathlib.Path(__file__).resolve().parent.parent / "src"
        problems = check_tree(src)
        done = "layers: fine"
    else:
        print(__doc__, file=sys.stderr)
        return 2
    print("\n".join(problems) if problems else done)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
