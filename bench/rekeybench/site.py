"""Where a benchmark happens: programs of a build, a scratch folder, specs, copies, checks."""
import os
import re
import shutil
import sys

from .process import Failure, run

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MOVE = "202611210900_move_noindex"
MOVE_INDEX = "202611210910_move_gsi1"
DUAL_WRITE = "202611210920_dual_write_noindex"
DUAL_WRITE_INDEX = "202611210930_dual_write_gsi1"
TABLE = "platform_data"
INDEX = "gsi1"


def shipped_spec(name):
    return os.path.join(BENCH, name + ".yaml")


def setting(spec, name):
    """The value of a plain line `name: value` of a spec."""
    with open(spec, encoding="utf-8") as file:
        found = re.search(rf"^ *{name}: *([^ #\n]+)", file.read(), re.MULTILINE)
    if not found:
        raise Failure(f"{spec} names no {name}")
    return found.group(1)


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)


def fresh_copy(base, to):
    """A copy that is on the disk, so that nobody pays for another's writes."""
    remove(to)
    shutil.copytree(base, to)
    for path in (*(os.path.join(to, name) for name in os.listdir(to)), to):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return to


class Site:
    def __init__(self, build, work):
        self.build = os.path.abspath(build)
        self.work = work
        self.rekey = self.program("rekey/cli/rekey")
        self.judge = self.program("bench/bare_check")

    def program(self, name):
        path = os.path.join(self.build, name)
        if not os.access(path, os.X_OK):
            raise Failure(f"{path} is missing; build first, or name the build with --build")
        return path

    def path(self, name):
        return os.path.join(self.work, name)

    def say(self, text=""):
        """Stdout is for results."""
        print(text, file=sys.stderr, flush=True)

    def spec(self, name, hold_ms=None):
        """A shipped spec, or one that differs from it in lock_hold_ms only."""
        if hold_ms is None:
            return shipped_spec(name)
        path = os.path.join(self.path(f"specs-{hold_ms}ms"), name + ".yaml")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(shipped_spec(name), encoding="utf-8") as file:
            text = re.sub(r"lock_hold_ms: \d+", f"lock_hold_ms: {hold_ms}", file.read())
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # --- what a store holds, as a program sees it that has nothing of rekey

    def counts(self, store):
        """Records at old keys, at new ones, and others."""
        return tuple(map(int, run(self.judge, "--count", store, TABLE).split()))

    def digest(self, store):
        return int(run(self.judge, "--digest", store, TABLE))

    def expect_counts(self, who, store, wanted):
        found = self.counts(store)
        if found != wanted:
            raise Failure(f"{who}: wrong result: {store} holds {found} old, new and other "
                          f"records, and {wanted} are right")

    def expect_same(self, who, store, reference, tables):
        try:
            run(self.judge, "--same", reference, store, *tables)
        except Failure as failure:
            raise Failure(f"{who}: wrong result: {store} differs from the bare loop's "
                          f"{reference}: {failure}") from None

    def expect_clean(self, who, store):
        try:
            run(self.rekey, "verify", "--store", "lmdb:" + store)
        except Failure as failure:
            raise Failure(f"{who}: wrong result: {store} does not verify: {failure}") from None
