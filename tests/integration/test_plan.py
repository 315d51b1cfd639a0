"""plan: what it reports, what it refuses, and that the plan file holds what was approved."""
import json
import os
import unittest

from rekeytest import (
    CHANGES, DONE, DUAL_WRITE, FAILED, MOVE, NOT_APPROVED, NOT_CLEAN, STALE_PLAN, Case,
    each_strategy,
)

import oracle
from model import Spec

TABLE = "platform_data"
KEYS = {"migration", "plan_hash", "strategy", "changes", "template", "order", "entities",
        "capsules", "unmatched", "quarantine", "contaminated_tenants", "estimate"}
ENTITY_KEYS = {"name", "level", "parent", "records", "bytes", "index_entries", "quarantined",
               "reversible"}
REASONS = {"orphan", "unresolved_capsule", "unknown_capsule", "key_too_long", "conflict",
           "bad_value", "unmatched"}
PARENTS = {
    "FinancialConfig": (0, None), "Contract": (0, None), "AccessEntity": (0, None),
    "ContractLineItem": (1, "Contract"), "ContractAmendment": (2, "ContractLineItem"),
    "RevenueSchedule": (2, "ContractLineItem"),
}


class Summary(Case):
    def summary(self, spec, **options):
        return self.on_store("plan", spec, "--json", **options).json()

    @each_strategy
    def test_keys_to_the_letter(self, strategy):
        spec = self.spec(strategy)
        self.seed(spec)
        summary = self.summary(spec)
        self.assertEqual(KEYS, set(summary))
        self.assertEqual(REASONS, set(summary["quarantine"]))
        self.assertEqual({"seconds", "map_bytes", "disk_bytes"}, set(summary["estimate"]))
        for entity in summary["entities"]:
            self.assertEqual(ENTITY_KEYS, set(entity))
        self.assertEqual(strategy, summary["strategy"])
        self.assertEqual({"dual-write": DUAL_WRITE, "move": MOVE}[strategy], summary["migration"])
        self.assertIs(True, summary["changes"])
        self.assertRegex(summary["plan_hash"], "^[0-9a-f]{64}$")

    def test_levels_and_order(self):
        spec = self.spec()
        self.seed(spec)
        summary = self.summary(spec)
        found = {e["name"]: (e["level"], e["parent"]) for e in summary["entities"]}
        self.assertEqual(PARENTS, found)
        self.assertEqual("FinancialConfig", summary["template"])
        self.assertEqual("FinancialConfig", summary["order"][0][0])
        levels = [sorted(level) for level in summary["order"]]
        self.assertEqual([["AccessEntity", "Contract", "FinancialConfig"], ["ContractLineItem"],
                          ["ContractAmendment", "RevenueSchedule"]], levels)

    def test_reversible(self):
        spec = self.spec()
        self.seed(spec)
        lossy = {e["name"] for e in self.summary(spec)["entities"] if not e["reversible"]}
        self.assertEqual({"FinancialConfig"}, lossy)

    def test_counts_are_the_stores(self):
        spec = self.spec()
        original = self.seed(spec, tenants=4, records=500)
        summary = self.summary(spec)
        checker = oracle.Oracle(Spec(spec), original, "old", original)
        records, capsules = {}, {}
        for image in checker.images.values():
            records.setdefault(image.entity, []).append(image)
            capsules[image.capsule] = capsules.get(image.capsule, 0) + 1
        for entity in summary["entities"]:
            images = records[entity["name"]]
            size = sum(len(image.old_key) + len(image.old_value) for image in images)
            self.assertEqual((len(images), size, 0),
                             (entity["records"], entity["bytes"], entity["quarantined"]))
        counted = {name: n for name, n in summary["capsules"].items() if n}
        self.assertEqual(capsules, counted)
        self.assertEqual(self.contaminated(checker), summary["contaminated_tenants"])
        entries = sum(e["index_entries"] for e in summary["entities"])
        self.assertEqual(sum(len(i.old_entries) for i in checker.images.values()), entries)

    @staticmethod
    def contaminated(checker):
        scopes = {(image.tenant, image.capsule) for image in checker.images.values()}
        tenants = [tenant for tenant, _ in scopes]
        return len({tenant for tenant in tenants if tenants.count(tenant) > 1})

    def test_contaminated_tenants(self):
        with self.foreign() as env:
            env.put(TABLE, [
                (b"TENANT#mixed#CONTRACT#1", b'{"capsule_id":"PRODUS"}'),
                (b"TENANT#mixed#CONTRACT#2", b'{"capsule_id":"DEVUS"}'),
                (b"TENANT#pure#CONTRACT#1", b'{"capsule_id":"DEVUS"}'),
                (b"TENANT#pure#CONTRACT#2", b'{"capsule_id":"DEVUS"}'),
            ])
        summary = self.summary(self.spec())
        self.assertEqual(1, summary["contaminated_tenants"])
        self.assertEqual({"PRODUS": 1, "DEVUS": 3, "PRODEU": 0, "DEVEU": 0}, summary["capsules"])

    @each_strategy
    def test_detailed_exitcode(self, strategy):
        spec = self.spec(strategy)
        self.seed(spec)
        self.on_store("plan", spec, "--detailed-exitcode", code=CHANGES)
        self.on_store("plan", spec, "--detailed-exitcode", "--json", code=CHANGES)
        self.on_store("plan", spec)
        self.run_plan(self.plan(spec), "--until", "done")
        self.on_store("plan", spec, "--detailed-exitcode", code=DONE)
        self.assertIs(False, self.summary(spec)["changes"])

    def test_an_empty_database_has_no_changes(self):
        with self.foreign() as env:
            env.put(TABLE, [])
        self.on_store("plan", self.spec(), "--detailed-exitcode", code=DONE)

    def test_show_is_the_same(self):
        spec = self.spec()
        self.seed(spec)
        path = self.path("plan.json")
        summary = self.on_store("plan", spec, "--json", "-o", path).json()
        self.assertEqual(summary, self.rekey("show", path, "--json").json())


class Planted(Case):
    """Each reason of quarantine, planted and counted."""

    RECORDS = {
        "orphan": [
            (b"TENANT#t#LINEITEM#none", b'{"contract_id":"no-such"}'),
            (b"TENANT#t#LINEITEM#silent", b"{}"),
            (b"TENANT#t#LINEITEM#other-tenant", b'{"contract_id":"elsewhere"}'),
            (b"TENANT#t#AMENDMENT#of-orphan", b'{"line_item_id":"none"}'),
            (b"TENANT#t#LINEITEM#of-quarantined", b'{"contract_id":"odd"}'),
        ],
        "unresolved_capsule": [(b"TENANT#t#CONFIG#FINANCIAL", b'{"industry":"i"}'),
                               (b"TENANT#t#ACCESS#1", b"{}")],
        "unknown_capsule": [(b"TENANT#t#CONTRACT#odd", b'{"capsule_id":"PRODUCTION"}'),
                            (b"TENANT#t#CONTRACT#none", b'{"capsule_id":""}'),
                            (b"TENANT#t#ACCESS#case", b'{"capsule_id":"produs"}')],
        "key_too_long": [(b"TENANT#t#CONTRACT#" + b"x" * 480, b"{}"),
                         (b"TENANT#t#CONTRACT#account", b'{"account_id":"' + b"y" * 500 + b'"}')],
        "conflict": [(b"TENANT#t#CONTRACT#twice", b'{"a":1}')],
        "bad_value": [(b"TENANT#t#CONTRACT#bad", b"{"),
                      (b"TENANT#t#LINEITEM#says-otherwise",
                       b'{"contract_id":"good","capsule_id":"DEVUS"}')],
        "unmatched": [(b"NO#shape#of#ours", b""), (b"TENANT#t#CONTRACT", b"{}")],
    }
    BESIDE = [
        (b"TENANT#t#CONTRACT#good", b"{}"),
        (b"TENANT#u#CONTRACT#elsewhere", b"{}"),
        (b"TENANT#t#CAPSULE#PRODUS#CONTRACT#twice", b'{"a":2,"capsule_id":"PRODUS"}'),
    ]

    def plant(self, without=()):
        planted = [r for reason, some in self.RECORDS.items() if reason not in without
                   for r in some]
        with self.foreign() as env:
            env.put(TABLE, self.BESIDE + planted)
            env.put("gsi1", [(b"CAPSULE#PRODUS#ACCOUNT#" + b"y" * 488,
                              b"TENANT#t#CONTRACT#account")], dupsort=True)
        return self.dump()

    @each_strategy
    def test_counts(self, strategy):
        spec = self.spec(strategy, quarantine_max=100)
        original = self.plant()
        summary = self.on_store("plan", spec, "--json").json()
        expected = {reason: len(some) for reason, some in self.RECORDS.items()}
        checker = oracle.Oracle(Spec(spec), original, "old", original)
        self.assertEqual(expected, checker.reasons(), "the oracle and this test disagree")
        self.assertEqual(expected, summary["quarantine"])
        self.assertEqual(expected["unmatched"], summary["unmatched"])
        inside = sum(n for reason, n in expected.items() if reason != "unmatched")
        self.assertEqual(inside, sum(e["quarantined"] for e in summary["entities"]))

    @each_strategy
    def test_left_alone_all_the_way(self, strategy):
        spec = self.spec(strategy, quarantine_max=100)
        original = self.plant_all_but_the_conflict()
        self.run_plan(self.plan(spec), "--until", "flipped")
        self.check(spec, "flipped", original)
        self.assert_quarantine_says_why("conflict")
        self.contract(spec)
        self.check(spec, "done", original)

    def plant_all_but_the_conflict(self):
        """The record at its new key alone would be one without an origin."""
        self.plant(without=["conflict"])
        with self.foreign() as env:
            env.delete(TABLE, [self.BESIDE[2][0]])
        return self.dump()

    def assert_quarantine_says_why(self, *without):
        entries = self.on_store("quarantine", "--json").json()["entries"]
        found = {reason: 0 for reason in self.RECORDS if reason not in without}
        for entry in entries:
            found[entry["reason"]] += 1
            self.assertTrue(entry["detail"], entry)
        self.assertEqual({reason: len(self.RECORDS[reason]) for reason in found}, found)

    @each_strategy
    def test_rollback_restores_all_of_it(self, strategy):
        spec = self.spec(strategy, quarantine_max=100)
        original = self.plant_all_but_the_conflict()
        self.run_plan(self.plan(spec), "--until", "flipped")
        self.rollback()
        self.assert_same_records(original, spec)

    @each_strategy
    def test_a_conflict_is_never_overwritten(self, strategy):
        """Neither record is touched, the verification is not clean, and the way back is open."""
        spec = self.spec(strategy, quarantine_max=100)
        original = self.plant()
        result = self.run_plan(self.plan(spec), code=NOT_CLEAN)
        self.assertIn("CONTRACT#twice", result.err)
        self.check(spec, "backfilled", original)
        self.assert_quarantine_says_why()
        self.rollback()
        self.assert_same_records(original, spec)


class Refusals(Case):
    def setUp(self):
        super().setUp()
        self.spec_path = self.spec()
        self.seed(self.spec_path)
        self.plan_path = self.plan(self.spec_path)

    def refused(self, *fragments, plan=None):
        with self.unchanged():
            result = self.run_plan(plan or self.plan_path, code=STALE_PLAN)
        self.assert_refused(result, *fragments)

    def test_stale_by_a_foreign_write(self):
        with self.foreign() as env:
            env.put(TABLE, [(b"TENANT#t#CONTRACT#late", b"{}")])
        self.refused("stale")

    def test_stale_by_a_foreign_delete_of_an_index_entry(self):
        key, value = self.dump()["gsi1"].entries[0]
        with self.foreign() as env:
            env.delete_entry("gsi1", key, value)
        self.refused("stale")

    def test_not_stale_by_a_client(self):
        """Applications go on writing between plan and run."""
        self.on_store("register", self.spec_path)
        self.on_store("put", "--tenant", "t", "--capsule", "DEVUS", "--entity", "Contract",
                      "--id", "contract_id=late", "{}")
        self.run_plan(self.plan_path, "--until", "flipped")
        self.check(self.spec_path, "flipped")

    def test_stale_by_a_changed_spec(self):
        with open(self.spec_path, "a", encoding="utf-8") as file:
            file.write("# a word more\n")
        self.refused("spec")

    def test_the_spec_may_move_away(self):
        """The plan carries its own copy."""
        os.remove(self.spec_path)
        self.run_plan(self.plan_path)

    def test_stale_by_another_epoch(self):
        other = self.plan(self.spec_path, "other.json")
        self.run_plan(other, "--until", "backfilled")
        with open(self.plan_path, "rb") as mine, open(other, "rb") as theirs:
            if mine.read() == theirs.read():
                self.skipTest("both plans are one")
        self.refused()

    def test_used(self):
        self.run_plan(self.plan_path)
        self.rollback()
        self.refused("used")

    def test_altered(self):
        with open(self.plan_path, encoding="utf-8") as file:
            document = json.load(file)
        document["made_ms"] += 1
        altered = self.path("altered.json")
        with open(altered, "w", encoding="utf-8") as file:
            json.dump(document, file)
        self.refused(plan=altered)

    def test_the_same_plan_resumes(self):
        self.run_plan(self.plan_path, "--until", "backfilled")
        self.run_plan(self.plan_path, "--until", "verified")
        self.run_plan(self.plan_path, "--until", "flipped")

    def test_where_the_plan_cannot_be_written(self):
        result = self.on_store("plan", self.spec_path, "-o", self.path("no", "such", "folder"),
                               code=FAILED)
        self.assert_refused(result, "no/such/folder")


class Approvals(Case):
    def setUp(self):
        super().setUp()
        self.spec_path = self.spec(approvals=2)
        self.seed(self.spec_path)
        self.plan_path = self.plan(self.spec_path)

    def key(self, name):
        path = self.path(name)
        public = self.rekey("keygen", "-o", path).out.strip()
        self.assertRegex(public, "^[0-9a-f]{64}$")
        return path, public

    def approve(self, key, **options):
        return self.rekey("approve", self.plan_path, "--key", key, **options)

    def refused(self, *fragments):
        with self.unchanged():
            self.assert_refused(self.run_plan(self.plan_path, code=NOT_APPROVED), *fragments)

    def test_two_are_needed(self):
        alice, _ = self.key("alice.key")
        bob, _ = self.key("bob.key")
        self.refused("0 of the 2")
        self.approve(alice)
        self.refused("1 of the 2")
        self.approve(alice)  # the same one again does not count
        self.refused("1 of the 2")
        self.approve(bob)
        self.run_plan(self.plan_path)

    def test_a_signature_over_another_plan(self):
        alice, _ = self.key("alice.key")
        bob, _ = self.key("bob.key")
        self.approve(alice)
        self.approve(bob)
        signed = self.plan_path + ".approvals"
        with self.foreign() as env:
            env.put(TABLE, [(b"TENANT#t#CONTRACT#late", b"{}")])
        self.plan_path = self.plan(self.spec_path, "second.json")
        os.rename(signed, self.plan_path + ".approvals")
        self.refused("second.json.approvals")

    def test_a_forged_signature(self):
        alice, _ = self.key("alice.key")
        bob, _ = self.key("bob.key")
        self.approve(alice)
        self.approve(bob)
        path = self.plan_path + ".approvals"
        with open(path, encoding="utf-8") as file:
            approvals = json.load(file)
        first = approvals[0]["signature"]
        approvals[0]["signature"] = ("0" if first[0] != "0" else "1") + first[1:]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(approvals, file)
        self.refused()

    def test_a_truncated_approvals_file(self):
        alice, _ = self.key("alice.key")
        self.approve(alice)
        with open(self.plan_path + ".approvals", "r+", encoding="utf-8") as file:
            file.truncate(20)
        self.refused("approvals")

    def test_only_listed_approvers(self):
        keys = [self.key(f"{name}.key") for name in ("alice", "bob", "mallory")]
        listed = ", ".join(public for _, public in keys[:2])
        with open(self.spec_path, encoding="utf-8") as file:
            text = file.read()
        text = text.replace("\napprovals: 2\n", f"\napprovals: 2\napprovers: [{listed}]\n")
        self.spec_path = self.write_spec(DUAL_WRITE, text)
        self.plan_path = self.plan(self.spec_path)
        self.assert_refused(self.approve(keys[2][0], code=NOT_APPROVED), "approvers")
        self.approve(keys[0][0])
        self.refused("1 of the 2")
        self.approve(keys[1][0])
        self.run_plan(self.plan_path)

    def test_key_files(self):
        alice, _ = self.key("alice.key")
        self.assertEqual(0o600, os.stat(alice).st_mode & 0o777)
        self.rekey("keygen", "-o", alice, code=FAILED)
        os.chmod(alice, 0o644)
        result = self.approve(alice, code=None)
        self.assertIn(result.code, (FAILED, NOT_APPROVED))
        self.assert_refused(result, "alice.key")


if __name__ == "__main__":
    unittest.main()
