"""What every integration test stands on: the program, a scratch folder, specs, stores, the oracle.

The program is $REKEY_BIN. A test case gets a folder of its own, with copies of the shipped specs in
which only the limits differ, so that a slow machine does not fire a stop signal.
"""
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "oracle"))

import lmdb  # noqa: E402

import dump  # noqa: E402
import oracle  # noqa: E402
from model import Spec  # noqa: E402

DUAL_WRITE = "202611210900_capsule_isolation"
MOVE = "202611210901_capsule_isolation_move"
MIGRATIONS = {"dual-write": DUAL_WRITE, "move": MOVE}
STRATEGIES = tuple(MIGRATIONS)

# Exit codes, as in the command line's reference.
DONE = 0
FAILED = 1
CHANGES = 2
STALE_PLAN = 3
NOT_APPROVED = 4
NOT_CLEAN = 5
STOPPED = 6
USAGE = 64
TRY_AGAIN = 75
BAD_SPEC = 78

SECONDS_MAX = 120  # for any one command
RELAXED = {"write_latency_ms_max": 600000, "free_space_min": "1MiB"}


def program():
    path = os.environ.get("REKEY_BIN", "")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"REKEY_BIN is no program: {path!r}")
    return path


def shipped_spec(migration):
    return os.path.join(ROOT, "specs", migration + ".yaml")


@dataclass
class Result:
    command: list
    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)

    def lines(self):
        """One JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __str__(self):
        return (f"rekey {' '.join(self.command)}\nexit code {self.code}\n"
                f"--- stdout\n{self.out}--- stderr\n{self.err}")


def environment(**more):
    names = ("PATH", "HOME", "TMPDIR", "LANG", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
             "LSAN_OPTIONS", "LLVM_PROFILE_FILE", "GCOV_PREFIX")
    return {name: os.environ[name] for name in names if name in os.environ} | more


def run_rekey(*words, stdin="", env=None, **options):
    """Runs to its end. `options` are those of subprocess."""
    done = subprocess.run(
        [program(), *map(str, words)], input=stdin.encode(), env=env or environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS_MAX, check=False, **options)
    return Result([str(word) for word in words], done.returncode,
                  done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def start_rekey(*words, env=None, **options):
    """Starts it, stderr in a pipe."""
    return subprocess.Popen(
        [program(), *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=env or environment(), **options)


def wait_until(condition, what, seconds=SECONDS_MAX):
    """Polls; there is no other way to see another process's progress."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain until {what}")
        time.sleep(0.001)


def data_digest(folder):
    with open(os.path.join(folder, "data.mdb"), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


# --- writing a store without us -----------------------------------------------------------------


class ForeignEnv:
    """An LMDB environment as another program would write it. A context; commits at its end."""

    def __init__(self, folder, map_size=1 << 26, max_dbs=32):
        os.makedirs(folder, exist_ok=True)
        self.env = lmdb.open(folder, map_size=map_size, max_dbs=max_dbs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.env.close()

    def put(self, table, entries, dupsort=False):
        handle = self.env.open_db(_table_name(table), dupsort=dupsort)
        with self.env.begin(write=True, db=handle) as txn:
            for key, value in entries:
                txn.put(key, value)

    def delete(self, table, keys):
        handle = self.env.open_db(_table_name(table), create=False)
        with self.env.begin(write=True, db=handle) as txn:
            for key in keys:
                if not txn.delete(key):
                    raise AssertionError(f"{table}: {key!r} is not there")

    def delete_entry(self, table, key, value):
        handle = self.env.open_db(_table_name(table), create=False, dupsort=True)
        with self.env.begin(write=True, db=handle) as txn:
            if not txn.delete(key, value):
                raise AssertionError(f"{table}: {key!r} -> {value!r} is not there")


def _table_name(name):
    return name.encode() if name else None


# --- the test case ------------------------------------------------------------------------------


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        program()
        folder = tempfile.TemporaryDirectory(prefix="rekey-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.store_folder = self.path("store")
        self._epoch = 0

    def path(self, *names):
        return os.path.join(self.folder, *names)

    @property
    def store(self):
        return "lmdb:" + self.store_folder

    # --- running

    def rekey(self, *words, code=DONE, **options):
        """Runs a command and asserts its exit code. `code` None takes any."""
        result = run_rekey(*words, **options)
        if code is not None:
            self.assertEqual(code, result.code, str(result))
        return result

    def on_store(self, command, *words, **options):
        return self.rekey(command, *words, "--store", self.store, **options)

    def assert_refused(self, result, *fragments):
        """One line that says what and why, perhaps a hint, and nothing on stdout."""
        self.assertEqual("", result.out, str(result))
        lines = [line for line in result.err.splitlines() if line.startswith("rekey: ")]
        self.assertEqual(1, len(lines), str(result))
        rest = [line for line in result.err.splitlines() if line not in lines]
        self.assertTrue(all(line.startswith("hint: ") for line in rest), str(result))
        self.assertLessEqual(len(rest), 1, str(result))
        self.assertGreaterEqual(lines[0].count(": "), 2, f"no object and reason: {result}")
        for fragment in fragments:
            self.assertIn(fragment.lower(), result.err.lower(), str(result))

    # --- specs

    def spec(self, strategy="dual-write", **limits):
        """A shipped spec in a folder of its own, some of its numbers changed."""
        migration = MIGRATIONS.get(strategy, strategy)
        with open(shipped_spec(migration), encoding="utf-8") as file:
            text = file.read()
        for key, value in {**RELAXED, **limits}.items():
            text, count = re.subn(rf"(?m)^( *{key}:).*$", rf"\1 {value}", text)
            self.assertEqual(1, count, f"{key} in {migration}")
        return self.write_spec(migration, text)

    def write_spec(self, migration, text):
        os.makedirs(self.path("specs"), exist_ok=True)
        path = self.path("specs", migration + ".yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # --- stores

    def seed(self, spec, tenants=5, records=300, seed=1):
        self.on_store("seed", spec, "--tenants", tenants, "--records", records, "--seed", seed)
        return self.dump()

    def dump(self):
        return dump.read(self.store_folder)

    def foreign(self, **options):
        return ForeignEnv(self.store_folder, **options)

    def copy_store(self, name):
        """From now on the case's store is a copy of what it was."""
        target = self.path(name)
        os.makedirs(target)
        shutil.copyfile(os.path.join(self.store_folder, "data.mdb"),
                        os.path.join(target, "data.mdb"))
        self.store_folder = target

    @contextlib.contextmanager
    def unchanged(self):
        """No byte of data.mdb may change inside."""
        before = data_digest(self.store_folder)
        yield
        self.assertEqual(before, data_digest(self.store_folder), "data.mdb was changed")

    # --- the steps of a migration

    def plan(self, spec, name="plan.json", **options):
        path = self.path(name)
        self.on_store("plan", spec, "-o", path, **options)
        return path

    def run_plan(self, plan, *words, **options):
        """`run --json`'s object when it is done; else the result."""
        result = self.on_store("run", plan, "--json", *words, **options)
        return result.json() if result.code == DONE else result

    def flip(self, *words, **options):
        return self.on_store("flip", *words, **options)

    def rollback(self, *words, **options):
        return self.on_store("rollback", *words, **options)

    def contract(self, spec, **options):
        migration = os.path.basename(spec).removesuffix(".yaml")
        return self.on_store("contract", "--confirm", migration, **options)

    def status(self):
        """The status object; its epoch never decreases."""
        status = self.on_store("status", "--json").json()
        self.assertGreaterEqual(status["epoch"], self._epoch, "the epoch decreased")
        self._epoch = status["epoch"]
        return status

    def assert_phase(self, phase):
        self.assertEqual(phase, self.status()["phase"])

    def check(self, spec, phase, original=None, **options):
        return oracle.check(spec, self.store_folder, phase, original, **options)

    def assert_same_records(self, before, spec):
        """Byte for byte, all tables but `__rekey`."""
        oracle.check_equal(before, self.dump(), Spec(spec))


def each_strategy(test):
    """Runs a test once a strategy, each time in a new folder."""
    def both(self):
        for strategy in STRATEGIES:
            with self.subTest(strategy=strategy):
                self.store_folder = self.path("store-" + strategy)
                self._epoch = 0
                test(self, strategy)
    both.__name__ = test.__name__
    both.__doc__ = test.__doc__
    return both
