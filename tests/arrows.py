#!/usr/bin/env python3
"""The house rules that a compiler does not check: arrows, adapters, sizes, words not to use.

Arrows point down only: a folder may include itself, the public headers, and what stands before it
in ORDER. Foreign headers appear in their adapter only. Exits with 1 and prints FILE:LINE: for each
breach.

    tests/arrows.py [ROOT]
"""
import os
import re
import sys

# Each folder may include those of its own line's right side and nothing else of ours.
ORDER = [
    "base", "crypto", "store", "transport", "pattern", "record", "spec", "access", "cluster",
    "protocol", "remote", "phase", "state", "transform", "audit", "plan", "seed", "client",
    "engine", "isolation", "report", "message", "node", "cli",
]
# What stands before them in ORDER and is still out of reach.
OUT_OF_REACH = {
    "store": set(),
    "transport": {"store"},
    "pattern": {"store", "crypto"},
    "record": {"store", "crypto"},
    "spec": {"store", "crypto"},
    "access": {"store", "pattern", "record"},
    "cluster": {"store", "pattern", "record", "access"},
    "protocol": {"store", "crypto", "pattern", "record", "spec", "access", "cluster"},
    "remote": {"store", "pattern", "record"},
    "phase": {"store", "crypto", "record"},
    "engine": {"client", "remote", "protocol"},
}

# All else takes events and gives actions; these carry the messages.
CARRIERS = {"transport", "remote", "message", "node", "cli"}

# Who may include which foreign header, as prefixes of paths.
ADAPTERS = {
    "lmdb.h": ["store/lmdb", "bench/bare_"],
    "sodium.h": ["rekey/crypto/", "transport/secure", "bench/bare_scan.c"],
    "libfyaml.h": ["rekey/spec/yaml.c"],
    "jansson.h": ["rekey/plan/", "rekey/report/", "rekey/message/", "rekey/cli/", "rekey/node/"],
    "pthread.h": ["store/lmdb", "rekey/engine/pipeline.c", "rekey/client/client_private.h",
                  "transport/", "rekey/remote/", "rekey/node/", "bench/"],
    "nng/": ["transport/nng.c", "bench/nng_echo.c"],
    "systemd/": ["rekey/node/node.c", "rekey/node/worker.c"],
    "curl/": ["store/dynamodb"],
    "microhttpd.h": ["rekey/node/"],
}
# Calls that have one home.
HOMES = {
    "pthread_create": ["rekey/engine/pipeline.c", "transport/", "bench/"],
    "printf": ["rekey/cli/", "rekey/node/", "bench/"],
    "puts": ["rekey/cli/", "rekey/node/", "bench/"],
    "perror": ["bench/"],
    "exit": ["bench/"],
}
FORBIDDEN_CALLS = ["strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi", "atol", "alloca",
                   "gets"]

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100
TREES = ("rekey", "store", "transport", "bench", "tests")
PUBLIC = "rekey/include/"

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")


class Checker:
    def __init__(self, root):
        self.root = root
        self.breaches = []

    def check(self):
        for path in self._sources():
            with open(os.path.join(self.root, path), encoding="utf-8") as file:
                lines = file.read().splitlines()
            self._check_file(path, lines)
        return self.breaches

    def _sources(self):
        for tree in TREES:
            for folder, folders, names in os.walk(os.path.join(self.root, tree)):
                folders.sort()
                for name in sorted(names):
                    if name.endswith((".c", ".h")):
                        yield os.path.relpath(os.path.join(folder, name), self.root)

    def _report(self, path, number, problem):
        self.breaches.append(f"{path}:{number}: {problem}")

    def _check_file(self, path, lines):
        is_test = path.startswith("tests/")
        self._check_sizes(path, lines)
        for number, line in enumerate(lines, 1):
            found = INCLUDE.match(line)
            if found:
                self._check_include(path, number, found.group(1) == "<", found.group(2))
        if not is_test:
            self._check_calls(path, code_of(lines))

    # --- sizes

    def _check_sizes(self, path, lines):
        if len(lines) >= FILE_LINES_MAX:
            self._report(path, 1, f"{len(lines)} lines; stay under {FILE_LINES_MAX}")
        for number, length in functions(lines):
            if length >= FUNCTION_LINES_MAX:
                self._report(path, number,
                             f"a function of {length} lines; stay under {FUNCTION_LINES_MAX}")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                self._report(path, number, f"{len(line)} columns; at most {COLUMNS_MAX}")

    # --- includes

    def _check_include(self, path, number, angle, target):
        if target.endswith(".c"):
            self._report(path, number, f"includes {target}")
        if path.startswith("tests/"):
            return
        if angle and not target.startswith("rekey/"):
            self._check_foreign(path, number, target)
        elif path.startswith(PUBLIC):
            if not os.path.exists(os.path.join(self.root, PUBLIC, target)):
                self._report(path, number, f"a public header includes {target}, which is not")
        else:
            self._check_arrow(path, number, target)

    def _check_foreign(self, path, number, target):
        for header, homes in ADAPTERS.items():
            at_home = any(path.startswith(home) for home in homes)
            if target.startswith(header) and not at_home:
                self._report(path, number, f"<{target}> belongs in {' or '.join(homes)} only")

    def _check_arrow(self, path, number, target):
        if os.path.exists(os.path.join(self.root, PUBLIC, target)):
            return
        source, destination = folder_of(path), folder_of(target)
        if destination is None and not os.path.exists(os.path.join(self.root, target)):
            self._report(path, number, f'"{target}" is no path from the root')
        elif source != destination:
            self._check_folders(path, number, source, destination, target)

    def _check_folders(self, path, number, source, destination, target):
        if destination == "tests":
            self._report(path, number, f"{source} includes {target}, a test")
            return
        if source in (None, "bench"):
            return
        for folder in (source, destination):
            if folder not in ORDER:
                self._report(path, number, f"folder {folder} has no place in the order")
                return
        if destination not in allowed(source):
            self._report(path, number, f"{source} must not include {destination} ({target})")
        elif is_private(target):
            self._report(path, number, f"{target} is private to {destination}")

    # --- calls

    def _check_calls(self, path, lines):
        for number, line in enumerate(lines, 1):
            for word in CALL.findall(line):
                homes = HOMES.get(word)
                if word in FORBIDDEN_CALLS:
                    self._report(path, number, f"{word}() is not used here")
                elif homes and not any(path.startswith(home) for home in homes):
                    self._report(path, number, f"{word}() belongs in {' or '.join(homes)}")


def allowed(folder):
    """The folders that a folder may include besides itself."""
    before = set(ORDER[:ORDER.index(folder)])
    if folder not in CARRIERS:
        before.discard("transport")
    return before - OUT_OF_REACH.get(folder, set())


def folder_of(path):
    """rekey/engine/run.c is of `engine`, store/lmdb.c of `store`."""
    parts = path.split("/")
    if parts[0] == "rekey" and len(parts) > 2:
        return parts[1]
    return parts[0] if parts[0] in TREES and len(parts) > 1 else None


def is_private(target):
    name = os.path.basename(target)
    return name.endswith("_private.h") or name in ("internal.h", "private.h")


def code_of(lines):
    """The lines without comments and without what stands between quotes."""
    text = "\n".join(lines)
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    blank = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)
    return blank.split("\n")


def functions(lines):
    """Where each function's body begins, and its lines. House style puts both braces in column 1."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield start, number - start + 1
            start = None


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(
        os.path.dirname(os.path.abspath(__file__)))
    breaches = Checker(root).check()
    for breach in breaches:
        print(breach)
    print(f"{len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
