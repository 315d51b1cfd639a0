"""isolation: clean specs pass, and each bug of tests/faults that it guards against is found."""
import os
import re
import unittest
import xml.etree.ElementTree as ElementTree

import isolation_specs
from rekeytest import (
    BAD_SPEC, DONE, MIGRATIONS, NOT_CLEAN, STRATEGIES, USAGE, Case, environment, shipped_spec,
)

CASE = re.compile(r"^(ok|not ok) (\d+) - ([^/\s]+)/([^/\s]+)/(\S+)$")
STAGES = ["old", "dual_write", "backfilled", "flipped", "undoing", "rolled_back",
          "dual_write_again", "flipped_again", "contracted", "done"]
SECRET = "isolation-mark"  # the member that every value of the attack has


class Isolation(Case):
    def setUp(self):
        super().setUp()
        self.scratch = self.path("tmp")
        os.mkdir(self.scratch)

    def attack(self, spec, *words, code=DONE, **variables):
        """The cases by name, as (passed, diagnostics); the report's shape is asserted."""
        env = dict(environment(), TMPDIR=self.scratch, **variables)
        result = self.rekey("isolation", spec, *words, code=code, env=env)
        self.assertEqual("", result.err)
        self.assertEqual([], os.listdir(self.scratch), "the scratch folder is left behind")
        return self.read_tap(result.out)

    def read_tap(self, text):
        self.assertNotIn(SECRET, text)
        lines = text.splitlines()
        cases, last = {}, None
        for line in lines[:-2]:
            if line.startswith("#"):
                cases[last][1].append(line)
                continue
            found = CASE.match(line)
            self.assertTrue(found, line)
            self.assertEqual(len(cases) + 1, int(found[2]), line)
            last = "/".join(found.group(3, 4, 5))
            self.assertNotIn(last, cases, "a name is used twice")
            cases[last] = (found[1] == "ok", [])
        self.assertEqual(f"1..{len(cases)}", lines[-2])
        passed = sum(ok for ok, _ in cases.values())
        self.assertEqual(f"{passed} passed, {len(cases) - passed} failed", lines[-1])
        for name, (ok, notes) in cases.items():
            words = [note.split(":")[0] for note in notes]
            self.assertEqual([] if ok else ["#   tried", "#   on", "#   why"], words, name)
        return cases

    def assert_clean(self, spec):
        cases = self.attack(spec)
        self.assertTrue(all(ok for ok, _ in cases.values()))
        stages = list(dict.fromkeys(name.split("/")[0] for name in cases))
        self.assertEqual(STAGES, stages)
        return cases

    def odd_spec(self, name, text, **values):
        with open(self.path("capsules.csv"), "w", encoding="utf-8") as file:
            file.write("acme,LIVE\nzeta,TEST\n")
        path = self.path(name + ".yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.format(name=name, **values))
        return path


class Clean(Isolation):
    def test_shipped_specs(self):
        for strategy in STRATEGIES:
            with self.subTest(strategy=strategy):
                cases = self.assert_clean(shipped_spec(MIGRATIONS[strategy]))
                for entity in ("Contract", "ContractAmendment", "AccessEntity"):
                    self.assertIn(f"flipped/{entity}/get_foreign_id", cases)
                    self.assertIn(f"done/{entity}.gsi1/query_foreign", cases)

    def test_other_words(self):
        for name, text in (("lookup", isolation_specs.LOOKUP), ("opaque", isolation_specs.OPAQUE),
                           ("alone", isolation_specs.ALONE)):
            with self.subTest(spec=name):
                self.assert_clean(self.odd_spec("202601010000_" + name, text))

    def test_chains(self):
        for strategy in STRATEGIES:
            with self.subTest(strategy=strategy):
                name = "202601010000_chain_" + strategy.replace("-", "_")
                spec = self.odd_spec(name, isolation_specs.CHAIN, strategy=strategy)
                cases = self.assert_clean(spec)
                self.assertIn("flipped/Low/child_of_foreign_parent", cases)

    def test_capsules_are_kept_apart_from_the_flip_on(self):
        """From its start in a move; before, a dual-write migration reads as it always did."""
        for strategy, stages in (("dual-write", ["flipped", "contracted", "done"]),
                                 ("move", ["dual_write", "backfilled", "flipped", "undoing",
                                           "contracted", "done"])):
            with self.subTest(strategy=strategy):
                name = "202601010000_small_" + strategy.replace("-", "_")
                spec = self.odd_spec(name, isolation_specs.SMALL, strategy=strategy)
                cases = self.assert_clean(spec)
                found = [case.split("/")[0] for case in cases
                         if case.endswith("/Order/get_foreign_id")]
                self.assertEqual(stages, found)

    def test_the_same_cases_every_time(self):
        spec = self.odd_spec("202601010000_small", isolation_specs.SMALL, strategy="dual-write")
        self.assertEqual(list(self.attack(spec)), list(self.attack(spec)))


class Report(Isolation):
    def small(self):
        return self.odd_spec("202601010000_small", isolation_specs.SMALL, strategy="dual-write")

    def read_junit(self, path):
        root = ElementTree.parse(path).getroot()
        self.assertEqual("testsuites", root.tag)
        suite = root.find("testsuite")
        self.assertEqual("rekey isolation 202601010000_small", suite.get("name"))
        return suite, suite.findall("testcase")

    def test_junit(self):
        report = self.path("report.xml")
        cases = self.attack(self.small(), "--junit", report)
        suite, found = self.read_junit(report)
        self.assertEqual((str(len(cases)), "0"), (suite.get("tests"), suite.get("failures")))
        self.assertEqual(["/".join(name.split("/")) for name in cases],
                         [case.get("classname").replace(".", "/", 1) + "/" + case.get("name")
                          for case in found])
        self.assertEqual(["report.xml"], [n for n in os.listdir(self.folder) if "report" in n])

    def test_junit_that_cannot_be_written(self):
        env = dict(environment(), TMPDIR=self.scratch)
        result = self.rekey("isolation", self.small(), "--junit", self.path("no", "report.xml"),
                            code=1, env=env)
        self.assertIn("report.xml", result.err)
        self.assertEqual([], os.listdir(self.scratch))

    def test_no_scratch_folder(self):
        env = dict(environment(), TMPDIR=self.path("nowhere"))
        result = self.rekey("isolation", self.small(), code=1, env=env)
        self.assert_refused(result, "nowhere")

    def test_bad_spec(self):
        spec = self.write_spec("202601010000_bad", "migration: 202601010000_bad\n")
        result = self.rekey("isolation", spec, code=BAD_SPEC)
        self.assertEqual("", result.out)
        self.assertIn("202601010000_bad.yaml:", result.err)

    def test_usage(self):
        self.rekey("isolation", code=USAGE)
        self.rekey("isolation", self.small(), "--attack", code=USAGE)
        result = self.rekey("isolation", self.small(), "--json", code=USAGE)
        self.assert_refused(result, "--json")


# The bug; the strategy in which it is planted; the cases of which one must fail, where the stage is
# left out when it may be any.
FAULTS = [
    ("old_shape_read", "dual-write", ["flipped/Order/get_foreign_id",
                                      "flipped/Order/old_shape_is_not_read",
                                      "contracted/Order/get_tells",
                                      "flipped/Order/command_get"]),
    ("get_ignores_capsule", "move", ["dual_write/Order/get_foreign_id",
                                     "dual_write/Line/batch_foreign_id"]),
    ("list_ignores_capsule", "move", ["dual_write/Order/list_foreign",
                                      "undoing/Line/command_list"]),
    ("prefix_without_delimiter", "dual-write", ["old/Order/list_other_tenant",
                                                "flipped/Order/list_next_tenants",
                                                "flipped/Order.by_buyer/query_other_tenant"]),
    ("position_unbound", "dual-write", ["flipped/Order/list_cursor_elsewhere",
                                        "flipped/Order.by_buyer/query_cursor_elsewhere",
                                        "flipped/Order.by_buyer/cursor_of_other_question"]),
    ("position_leaks", "move", ["dual_write/Order/list_cursor_tells"]),
    ("parent_unchecked", "dual-write", ["flipped/Line/child_of_foreign_parent"]),
    ("refusal_tells", "dual-write", ["old/Line/child_of_foreign_parent"]),
    ("entry_unchecked", "dual-write", ["flipped/Order.by_buyer/entry_under_other_value"]),
    ("entry_scope_unchecked", "dual-write", ["flipped/Order.by_buyer/entry_at_foreign_record",
                                             "flipped/Order.by_buyer/entry_at_other_tenant",
                                             "old/Order.by_buyer/query_other_tenant"]),
    ("value_unchecked", "dual-write", ["flipped/Order/forged_value_in_key_of_home",
                                       "done/Order/forged_value_in_key_of_stranger",
                                       "done/Order/verify_sees_value"]),
    ("claim_accepted", "dual-write", ["flipped/Order/put_value_of_other_capsule"]),
    ("delete_across", "dual-write", ["old/Order/delete_foreign"]),
    ("update_across", "dual-write", ["flipped/Order/update_foreign"]),
    ("delimiter_accepted", "dual-write", ["flipped/Order/delimiter_in_id",
                                          "flipped/Order/delimiter_in_scope"]),
    ("member_delimiter_accepted", "dual-write", ["flipped/Order.by_buyer/delimiter_in_member"]),
    ("empty_accepted", "dual-write", ["flipped/Order/empty_words", "flipped/Order/wrong_words",
                                      "flipped/Order.by_buyer/delimiter_in_where"]),
    ("old_copy_read", "dual-write", ["flipped/Order/old_copy_is_not_read"]),
    ("capsule_unchecked", "dual-write", ["flipped/Order/case_of_capsule",
                                         "flipped/Order/get_tells"]),
    ("last_digit_cut", "dual-write", ["old/Order/get_other_tenant",
                                      "flipped/Order/delete_other_tenant",
                                      "flipped/Order/update_other_tenant"]),
    ("ends_cut", "dual-write", ["old/Order/list_ends", "flipped/Line/list_ends"]),
    ("query_prefix_loose", "dual-write", ["flipped/Order.by_buyer/query_ends"]),
    ("dangling_entry_fails", "dual-write", ["flipped/Order.by_buyer/entry_at_nothing"]),
    ("heirs_tell", "dual-write", ["flipped/Line/put_over_parent_tells"]),
    ("key_truncated", "dual-write", ["flipped/Order/key_over_limit"]),
    ("case_folded", "dual-write", ["flipped/Order/unicode_and_case", "old/Order/odd_tenants"]),
    ("unicode_composed", "dual-write", ["flipped/Order/unicode_and_case"]),
    ("cut_at_nul", "dual-write", ["flipped/Order/odd_bytes", "flipped/Order/odd_tenants"]),
    ("checkpoint_epoch", "dual-write", ["dual_write_again/store/restored_checkpoint",
                                        "undoing/store/restored_checkpoint",
                                        "contracted/store/restored_checkpoint"]),
    ("checkpoint_epoch", "move", ["dual_write_again/store/restored_checkpoint",
                                  "undoing/store/restored_checkpoint"]),
    ("orphan_unverified", "dual-write", ["done/Line/verify_sees_orphan"]),
    ("entry_unverified", "dual-write", ["flipped/Order.by_buyer/verify_sees_entry"]),
    ("command_scope", "dual-write", ["flipped/Order/command_get", "flipped/Order/command_list",
                                     "flipped/Order/command_delete",
                                     "flipped/Order.by_buyer/command_query"]),
]


class Faults(Isolation):
    def setUp(self):
        super().setUp()
        self.faulty = os.environ.get("REKEY_FAULTY", "")
        if not self.faulty:
            self.skipTest("REKEY_FAULTY names no program")

    def faulty_attack(self, strategy, fault, code):
        name = "202601010000_small_" + strategy.replace("-", "_")
        spec = self.odd_spec(name, isolation_specs.SMALL, strategy=strategy)
        plain = os.environ["REKEY_BIN"]
        os.environ["REKEY_BIN"] = self.faulty
        try:
            return self.attack(spec, code=code, REKEY_FAULT=fault, REKEY_FAULT_WORD="live")
        finally:
            os.environ["REKEY_BIN"] = plain

    def test_without_a_bug(self):
        for strategy in STRATEGIES:
            with self.subTest(strategy=strategy):
                self.faulty_attack(strategy, "none", DONE)

    def test_each_bug_is_found(self):
        for fault, strategy, expected in FAULTS:
            with self.subTest(fault=fault, strategy=strategy):
                cases = self.faulty_attack(strategy, fault, NOT_CLEAN)
                failed = {name for name, (ok, _) in cases.items() if not ok}
                self.assertEqual([], [name for name in expected if name not in failed],
                                 f"not found; these were: {sorted(failed)[:20]}")

    def test_every_bug_is_described(self):
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "..", "faults", "README.md"), encoding="utf-8") as file:
            table = file.read()
        for fault, _, _ in FAULTS:
            self.assertIn(f"`{fault}`", table)


if __name__ == "__main__":
    unittest.main()
