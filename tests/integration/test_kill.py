"""SIGKILL at random moments; the same command resumes; the end state is that of a quiet run.

REKEY_KILLS says how many kills of `run` in all (default 50), REKEY_SEED which moments.
"""
import os
import random
import subprocess
import sys
import time
import unittest

from rekeytest import STRATEGIES, Case, start_rekey

import oracle
from model import Spec

KILLS = int(os.environ.get("REKEY_KILLS", "50"))
SEED = int(os.environ.get("REKEY_SEED") or random.SystemRandom().randrange(1 << 32))

RECORDS = 4000
CHECK_EVERY = 4  # the oracle reads the whole store: after each fourth kill, and at every end


class Killer(Case):
    def setUp(self):
        super().setUp()
        print(f"REKEY_SEED={SEED} REKEY_KILLS={KILLS}", file=sys.stderr)
        self.random = random.Random(f"{SEED} {self.id()}")
        self.seeded = 0
        self.copies = 0
        self.killed = 0

    def prepare(self, strategy):
        """A seeded store and its plan; many small batches, so that there is much to hit."""
        self.spec_path = self.spec(strategy, lock_hold_ms=1)
        self.parsed = Spec(self.spec_path)
        self.seeded += 1
        self.store_folder = self.path(f"seeded-{self.seeded}")
        self.original = self.seed(self.spec_path, tenants=5, records=RECORDS)
        self.plan_path = self.plan(self.spec_path, f"plan-{strategy}.json")

    def fresh_copy(self, folder):
        self.copies += 1
        self.store_folder = folder
        self.copy_store(f"copy-{self.copies}")

    def quiet(self, words):
        """The seconds that the command takes when nobody kills it."""
        began = time.monotonic()
        self.rekey(*words())
        return time.monotonic() - began

    def kill_once(self, words, seconds):
        """True when it was killed, False when it was faster and done."""
        process = start_rekey(*words())
        try:
            _, err = process.communicate(timeout=self.random.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            _, err = process.communicate()
            # It may have ended by itself between the timeout and the kill.
            if process.returncode == -9:
                self.killed += 1
                return True
        self.assertEqual(0, process.returncode, err.decode())
        return False

    def kill_until(self, kills, base, words, seconds, phase, expected):
        """Kills the command `kills` times, beginning anew from `base` whenever it got through."""
        target = self.killed + kills
        while self.killed < target:
            self.fresh_copy(base)
            self.kill_one_copy(target, words, seconds, phase)
            self.rekey(*words())
            oracle.check_equal(expected, self.dump(), self.parsed)
            self.on_store("audit", "--verify")

    def kill_one_copy(self, target, words, seconds, phase):
        while self.killed < target and self.kill_once(words, seconds):
            if self.killed % CHECK_EVERY == 0:
                self.check(self.parsed, phase, self.original)

    def run_words(self):
        return ["run", self.plan_path, "--store", self.store]

    def rollback_words(self):
        return ["rollback", "--store", self.store]

    def contract_words(self):
        return ["contract", "--store", self.store, "--confirm", self.parsed.migration]


class KillRun(Killer):
    def setUp(self):
        super().setUp()
        self.halfway = 0

    def kill_once(self, words, seconds):
        killed = super().kill_once(words, seconds)
        status = self.on_store("status", "--json", code=None)
        if killed and status.code == 0:
            entities = status.json()["entities"]
            done = sum(entity["done"] for entity in entities)
            self.halfway += 0 < done < sum(entity["total"] for entity in entities)
        return killed

    def test_kill_run(self):
        for number, strategy in enumerate(STRATEGIES):
            with self.subTest(strategy=strategy):
                self.prepare(strategy)
                base = self.store_folder
                self.fresh_copy(base)
                seconds = self.quiet(self.run_words)
                self.check(self.parsed, "backfilled", self.original)
                kills = KILLS // 2 + (KILLS % 2 if number == 0 else 0)
                self.kill_until(kills, base, self.run_words, seconds, "dual_write", self.dump())
        self.assertEqual(KILLS, self.killed)
        if KILLS >= 20:
            self.assertGreater(self.halfway, KILLS // 10, "too few kills hit the backfill")


class KillTheRest(Killer):
    """Rollback and contract, a few kills each."""

    def migrated(self, strategy, until):
        self.prepare(strategy)
        self.rekey(*self.run_words(), "--until", until)
        return self.store_folder

    def share(self):
        return max(2, KILLS // 8)

    def test_kill_rollback(self):
        for strategy in STRATEGIES:
            for until in ("backfilled", "flipped"):
                with self.subTest(strategy=strategy, until=until):
                    self.kill_rollback(strategy, until)

    def kill_rollback(self, strategy, until):
        base = self.migrated(strategy, until)
        self.fresh_copy(base)
        seconds = self.quiet(self.rollback_words)
        oracle.check_equal(self.original, self.dump(), self.parsed)
        self.kill_until(self.share(), base, self.rollback_words, seconds, "dual_write",
                        self.original)

    def test_kill_contract(self):
        for strategy in STRATEGIES:
            with self.subTest(strategy=strategy):
                base = self.migrated(strategy, "flipped")
                self.fresh_copy(base)
                seconds = self.quiet(self.contract_words)
                self.check(self.parsed, "done", self.original)
                self.kill_until(self.share(), base, self.contract_words, seconds, "contracted",
                                self.dump())


class KillSeed(Killer):
    def test_kill_seed(self):
        """A seed that was cut off and started again ends in the same records."""
        spec = self.spec("dual-write")
        self.parsed = Spec(spec)

        def words():
            return ["seed", spec, "--store", self.store, "--tenants", 3, "--records", 15000]

        seconds = self.quiet(words)
        expected = self.dump()
        for number in range(3):
            self.store_folder = self.path(f"killed-{number}")
            while self.kill_once(words, seconds):
                pass
            self.rekey(*words())
            oracle.check_equal(expected, self.dump(), self.parsed)


if __name__ == "__main__":
    unittest.main()
