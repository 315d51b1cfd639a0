"""The stress test has to fail when a classic bug is in the code that it tests.

Each of five bugs of tests/faults/README.md is planted in the engine or in the workers' client, and
a migration goes by, there and back, until the checker or a snapshot says that something is wrong.
The engine's own verification, and its refusal to go on, do not count. With REKEY_STRESS_BOTH=1 each
is planted in both strategies, else in the one that is named with it.
"""
import os
import random
import sys
import unittest

import paths  # noqa: F401  (makes the other folders importable)
import stage
from rekeytest import STRATEGIES, Case

SEED = int(os.environ.get("REKEY_SEED") or random.SystemRandom().randrange(1 << 32))
WORKER = os.environ.get("REKEY_STRESS_WORKER_FAULTY", "")
BOTH = os.environ.get("REKEY_STRESS_BOTH", "") == "1"

ATTEMPTS_MAX = 6
WRITERS, READERS = 4, 1
PAUSE_US = 300
WATCH_SECONDS = 0.1
KILLS = 5
RECORDS = 600


class Faults(Case):
    def test_unconditional_put(self):
        self.plant("dual-write", engine="unconditional_put")

    def test_absent_without_old(self):
        self.plant("move", engine="absent_without_old")

    def test_seen_is_true(self):
        self.plant("dual-write", engine="seen_is_true")

    def test_checkpoint_ahead(self):
        self.plant("dual-write", engine="checkpoint_ahead")

    def test_phase_outside(self):
        self.plant("move", client="phase_outside")

    def test_none(self):
        """Whatever finds the others finds nothing here."""
        for strategy in STRATEGIES if BOTH else ("move",):
            with self.subTest(strategy=strategy):
                violations, _ = self.go(strategy, f"{SEED} none {strategy}")
                self.assertEqual([], [str(violation) for violation in violations])

    def plant(self, usual, engine=None, client=None):
        for strategy in STRATEGIES if BOTH else (usual,):
            with self.subTest(strategy=strategy):
                self.plant_in(strategy, engine, client)

    def plant_in(self, strategy, engine, client):
        name = engine or client
        for attempt in range(ATTEMPTS_MAX):
            seed = f"{SEED} {name} {strategy} {attempt}"
            violations, halted = self.go(strategy, seed, fault=engine, worker_fault=client)
            if violations:
                kinds = ", ".join(sorted({violation.kind for violation in violations}))
                print(f"{name}, {strategy}, attempt {attempt + 1}: {len(violations)} violations "
                      f"({kinds}), such as\n  {violations[0]}\n  {violations[-1]}\n  "
                      f"{halted or 'it was taken to its end'}", file=sys.stderr)
                return
        self.fail(f"{name} was planted in {strategy}, and nothing found it; REKEY_SEED={SEED}")

    def go(self, strategy, seed, **faults):
        self._epoch = 0
        yard = stage.Stage(self, strategy, random.Random(seed), shared=False, records=RECORDS,
                           worker=WORKER, impatient=True, **faults)
        halted = self.migrate(yard)
        return yard.judge(), halted

    @staticmethod
    def migrate(yard):
        """There and back. What stops it is no failure of this test."""
        yard.crew.start(WRITERS, READERS, PAUSE_US)
        try:
            plan = yard.plan()
            yard.insist("run", plan, kills=KILLS)
            yard.look(dict.fromkeys(yard.phases, "backfilled"))
            yard.flip(plan)
            yard.watch(WATCH_SECONDS)
            yard.look()
            yard.insist("rollback")
            yard.look()
            return None
        except stage.Stuck as stopped:
            return str(stopped).splitlines()[0]
        finally:
            yard.crew.stop()


if __name__ == "__main__":
    unittest.main()
