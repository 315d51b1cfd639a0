"""Commands that only read change no byte of data.mdb, in any phase."""
import os
import unittest

from rekeytest import DONE, NOT_CLEAN, Case, each_strategy

SCOPE = ("--tenant", "synthetic-1", "--capsule", "PRODUS")


class ReadOnly(Case):
    def read_only(self, spec):
        record = (*SCOPE, "--entity", "Contract")
        draft = f"2026010100{len(os.listdir(self.folder)):02}_d.yaml"  # never there yet
        return [
            ("inspect",), ("inspect", "--json"),
            ("inspect", "--draft", self.path(draft)),
            ("plan", spec), ("plan", spec, "--json", "-o", self.path("again.json")),
            ("verify",), ("verify", "--isolation", "--json"),
            ("status",), ("status", "--json"), ("quarantine",), ("quarantine", "--json"),
            ("audit",), ("audit", "--verify", "--json"),
            ("get", *record, "--id", "contract_id=none"), ("list", *record),
            ("query", *record, "--index", "gsi1", "--where", "account_id=none"),
        ]

    def assert_nothing_changes(self, spec, phase):
        for words in self.read_only(spec):
            with self.subTest(phase=phase, words=words[:2]), self.unchanged():
                result = self.on_store(*words, code=None)
                # Not there, and (while nothing is migrated) not clean, are answers too.
                self.assertIn(result.code, (DONE, 1, NOT_CLEAN), str(result))
                may_find_nothing = words[0] == "get" or "--draft" in words
                self.assertTrue(result.code != 1 or may_find_nothing, str(result))
        with self.unchanged():
            self.rekey("lint", spec)
            self.rekey("show", self.path("again.json"))

    @each_strategy
    def test_every_phase(self, strategy):
        spec = self.spec(strategy)
        self.seed(spec)
        self.on_store("register", spec)
        self.assert_nothing_changes(spec, "old")
        plan = self.plan(spec)
        for until in ("backfilled", "verified", "flipped", "done"):
            self.run_plan(plan, "--until", until)
            self.assert_nothing_changes(spec, until)

    def test_unregistered(self):
        spec = self.spec()
        self.seed(spec)
        for words in (("inspect",), ("plan", spec), ("status",), ("verify",), ("get", *SCOPE,
                      "--entity", "Contract", "--id", "contract_id=c")):
            with self.subTest(words[0]), self.unchanged():
                self.on_store(*words, code=None)

    def test_looking_does_not_alter_a_verdict(self):
        """A verification that stands still stands after everybody has looked."""
        spec = self.spec()
        self.seed(spec)
        self.run_plan(self.plan(spec))
        for words in self.read_only(spec):
            self.on_store(*words, code=None)
        self.assertEqual({"clean": True, "stale": False}, self.status()["last_verify"])
        self.flip()


if __name__ == "__main__":
    unittest.main()
