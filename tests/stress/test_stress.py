"""Writers and readers at work while whole migrations go by; then the logs are judged.

REKEY_STRESS_ROUNDS says how many migrations of each strategy (default 1), REKEY_SEED which ones.
"""
import os
import random
import sys
import time
import unittest

import paths  # noqa: F401  (makes the other folders importable)
from rekeytest import DONE, Case
from stage import Stage

ROUNDS = int(os.environ.get("REKEY_STRESS_ROUNDS", "1"))
SEED = int(os.environ.get("REKEY_SEED") or random.SystemRandom().randrange(1 << 32))

WRITERS, READERS = 3, 2
PAUSE_US = 1500
WATCH_SECONDS = 0.3
SHOWN = 30


class Stress(Case):
    def test_dual_write(self):
        self.go("dual-write")

    def test_move(self):
        self.go("move")

    def go(self, strategy):
        for number in range(ROUNDS):
            seed = f"{SEED} {strategy} {number}"
            print(f"REKEY_SEED={SEED}, {strategy}, round {number}", file=sys.stderr)
            with self.subTest(seed=seed):
                self.go_once(strategy, seed)

    def go_once(self, strategy, seed):
        began = time.monotonic()
        self._epoch = 0
        stage = Stage(self, strategy, random.Random(seed))
        stage.crew.start(WRITERS, READERS, PAUSE_US)
        self.migrate(stage)
        stage.crew.stop()
        stage.look()
        moved = time.monotonic()
        violations = stage.judge()
        print(f"{strategy}: {stage.checked}, {stage.killed} kills, {len(stage.changes)} changes "
              f"of phase, {moved - began:.1f} s and {time.monotonic() - moved:.1f} s to judge",
              file=sys.stderr)
        self.on_store("audit", "--verify")
        text = "\n".join(map(str, violations[:SHOWN]))
        self.assertFalse(violations, f"{len(violations)} violations\n{text}")

    def migrate(self, stage):
        """There, back, there again, and past the point of no return."""
        stage.look()
        self.forward(stage)
        stage.insist("rollback", kills=2)
        stage.look()
        stage.watch(WATCH_SECONDS)
        self.forward(stage)
        stage.insist("contract", "--confirm", stage.spec.migration, kills=3)
        stage.look()
        stage.watch(WATCH_SECONDS)
        self.assertEqual({"done"}, set(stage.phases.values()))

    def forward(self, stage):
        plan = stage.plan()
        stage.insist("run", plan, kills=6)
        stage.look({tier: "backfilled" for tier in stage.phases})
        again = self.on_store("run", plan, "--json", code=None)
        if again.code == DONE:
            self.assertEqual(0, again.json()["changes"], "a second run had something to do")
        stage.flip(plan)
        stage.look()
        stage.watch(WATCH_SECONDS)


if __name__ == "__main__":
    unittest.main()
