"""isolation --store: contamination planted by another program is found, by tenant and entity, in
every phase in which it matters; a migrated store is clean; nothing is ever written."""
import json
import os
import re
import signal
import unittest
from xml.etree import ElementTree

from rekeytest import (
    BAD_SPEC, DONE, FAILED, NOT_CLEAN, STOPPED, USAGE, Case, each_strategy, run_rekey,
    start_rekey, wait_until,
)

TABLE = "platform_data"
INDEX = "gsi1"
# Every kind, in the order of the report.
KINDS = ["mixed_tenant", "unresolved_capsule", "old_orphan", "index_shared_by_tenants",
         "index_shared_by_capsules", "value_of_other_tenant", "value_of_other_capsule",
         "unknown_capsule_in_key", "parent_in_other_capsule", "parent_missing",
         "index_entry_out_of_scope", "index_entry_to_nothing", "old_record_left",
         "old_index_entry_left"]
# What every store has before the old keys are gone: that is what a migration is for.
BEFORE = {"mixed_tenant", "index_shared_by_tenants"}


def old(tenant, rest):
    return f"TENANT#{tenant}#{rest}".encode()


def new(tenant, capsule, rest):
    return f"TENANT#{tenant}#CAPSULE#{capsule}#{rest}".encode()


def value(**members):
    return json.dumps(members).encode()


class Search(Case):
    def search(self, spec, code=None):
        """The report by kind; nothing may change."""
        with self.unchanged():
            result = self.rekey("isolation", spec, "--store", self.store, "--json", code=code)
        report = result.json()
        self.assertEqual(KINDS, [case["name"] for case in report["cases"]])
        self.assertEqual(DONE if report["clean"] else NOT_CLEAN, result.code, str(result))
        return report

    def found(self, spec):
        """{kind: {tenant: {entity: number}}} of what was found."""
        report = self.search(spec)
        kinds = {}
        for case in report["cases"]:
            tenants = {tenant["tenant"]: {e["name"]: e["count"] for e in tenant["entities"]}
                       for tenant in case["tenants"]}
            self.assertEqual(case["found"], case["unlisted"] + sum(
                sum(entities.values()) for entities in tenants.values()), case["name"])
            self.assertEqual(case["found"] > 0, bool(case["samples"]), case["name"])
            if tenants:
                kinds[case["name"]] = tenants
        self.assertEqual(report["clean"], not kinds)
        return kinds

    def migrate(self, spec, until):
        self.run_plan(self.plan(spec), "--until", until)

    def plant(self, records=(), entries=()):
        with self.foreign() as store:
            store.put(TABLE, records)
            store.put(INDEX, entries, dupsort=True)


class Clean(Search):
    @each_strategy
    def test_a_migrated_store(self, strategy):
        spec = self.spec(strategy)
        self.seed(spec)
        before = self.found(spec)
        self.assertEqual(BEFORE, set(before))
        for until in ("backfilled", "verified", "flipped"):
            self.migrate(spec, until)
            # A move leaves no old key; copies stay until they are dropped.
            self.assertEqual({} if strategy == "move" else before, self.found(spec), until)
        self.run_plan(self.path("plan.json"), "--until", "done")
        self.assertEqual({}, self.found(spec))
        report = self.search(spec, code=DONE)
        self.assertEqual("done", report["phase"])
        self.assertTrue(report["registered"])
        self.assertEqual((300, 300, 0),
                         (report["records"], report["index_entries"], report["unmatched"]))

    def test_an_empty_store(self):
        spec = self.spec()
        self.plant()
        self.assertEqual({}, self.found(spec))

    def test_the_plan_counts_the_same_tenants(self):
        spec = self.spec()
        self.seed(spec, tenants=9, records=200)
        plan = self.on_store("plan", spec, "--json").json()
        self.assertEqual(plan["contaminated_tenants"], len(self.found(spec)["mixed_tenant"]))


class OldShape(Search):
    def test_capsules_in_one_tenant(self):
        spec = self.spec()
        self.plant([(old("acme", "CONTRACT#1"), value(capsule_id="PRODUS")),
                    (old("acme", "CONTRACT#2"), value(capsule_id="DEVUS")),
                    (old("acme", "CONTRACT#3"), value()),
                    (old("acme", "LINEITEM#1"), value(contract_id="2")),
                    (old("beta", "CONTRACT#1"), value(capsule_id="DEVUS"))])
        self.assertEqual({"mixed_tenant": {"acme": {"Contract": 3, "ContractLineItem": 1}}},
                         self.found(spec))
        report = self.search(spec)
        entities = report["cases"][0]["tenants"][0]["entities"]
        self.assertEqual([{"PRODUS": 2, "DEVUS": 1}, {"DEVUS": 1}],
                         [entity["capsules"] for entity in entities])
        self.assertEqual(["TENANT#acme#CONTRACT#1", "TENANT#acme#CONTRACT#2"],
                         report["cases"][0]["samples"])
        self.assertFalse(report["registered"])

    def test_unresolved_and_orphans(self):
        spec = self.spec()
        self.plant([(old("acme", "CONFIG#FINANCIAL"), value()),
                    (old("acme", "CONTRACT#1"), value(capsule_id="STAGING")),
                    (old("acme", "CONTRACT#2"), b"not json"),
                    (old("beta", "LINEITEM#1"), value(contract_id="gone")),
                    (old("beta", "LINEITEM#2"), value(contract_id="gone"))])
        self.assertEqual({"unresolved_capsule": {"acme": {"FinancialConfig": 1, "Contract": 2}},
                          "old_orphan": {"beta": {"ContractLineItem": 2}}}, self.found(spec))

    def test_an_index_key_of_two_tenants(self):
        spec = self.spec()
        self.plant([(old("acme", "CONTRACT#1"), value(account_id="a")),
                    (old("acme", "CONTRACT#2"), value(account_id="a")),
                    (old("acme", "CONTRACT#3"), value(account_id="b")),
                    (old("beta", "CONTRACT#1"), value(account_id="a"))],
                   [(b"CAPSULE#PRODUS#ACCOUNT#a", old("acme", "CONTRACT#1")),
                    (b"CAPSULE#PRODUS#ACCOUNT#a", old("acme", "CONTRACT#2")),
                    (b"CAPSULE#PRODUS#ACCOUNT#a", old("beta", "CONTRACT#1")),
                    (b"CAPSULE#PRODUS#ACCOUNT#b", old("acme", "CONTRACT#3"))])
        self.assertEqual({"index_shared_by_tenants": {"acme": {"Contract": 2},
                                                      "beta": {"Contract": 1}}}, self.found(spec))

    def test_old_entries_astray(self):
        spec = self.spec()
        self.plant([(old("acme", "CONTRACT#1"), value(capsule_id="DEVUS", account_id="a"))],
                   [(b"CAPSULE#PRODUS#ACCOUNT#a", old("acme", "CONTRACT#1")),
                    (b"CAPSULE#DEVUS#ACCOUNT#a", old("acme", "CONTRACT#1")),
                    (b"CAPSULE#DEVUS#ACCOUNT#z", old("beta", "CONTRACT#9"))])
        self.assertEqual({"index_entry_out_of_scope": {"acme": {"Contract": 1}},
                          "index_entry_to_nothing": {"beta": {"Contract": 1}}}, self.found(spec))


# Planted at new keys, in every phase that has them. Contract x is in PRODUS, c in DEVUS.
NEW_RECORDS = [
    (new("acme", "PRODUS", "CONTRACT#x"), value(capsule_id="PRODUS")),
    (new("acme", "DEVUS", "CONTRACT#c"), value(capsule_id="DEVUS")),
    (new("acme", "PRODUS", "CONTRACT#y"), value(capsule_id="DEVUS")),
    (new("acme", "PRODUS", "CONTRACT#z"), value(capsule_id="PRODUS", tenant_id="beta")),
    (new("beta", "STAGING", "CONTRACT#x"), value(capsule_id="STAGING")),
    (new("beta", "PRODUS", "LINEITEM#1"), value(capsule_id="PRODUS", contract_id="gone")),
    (new("acme", "PRODUS", "LINEITEM#1"), value(capsule_id="PRODUS", contract_id="c")),
    (new("acme", "DEVUS", "LINEITEM#2"), value(capsule_id="DEVUS", contract_id="c")),
]
NEW_ENTRIES = [
    (new("acme", "PRODUS", "ACCOUNT#a"), new("acme", "PRODUS", "CONTRACT#x")),
    (new("acme", "PRODUS", "ACCOUNT#a"), new("acme", "DEVUS", "CONTRACT#c")),
    (new("beta", "PRODUS", "ACCOUNT#a"), new("acme", "PRODUS", "CONTRACT#x")),
    (new("beta", "PRODUS", "ACCOUNT#a"), new("beta", "PRODUS", "CONTRACT#none")),
]
NEW_FOUND = {
    "value_of_other_tenant": {"acme": {"Contract": 1}},
    "value_of_other_capsule": {"acme": {"Contract": 1}},
    "unknown_capsule_in_key": {"beta": {"Contract": 1}},
    "parent_in_other_capsule": {"acme": {"ContractLineItem": 1}},
    "parent_missing": {"beta": {"ContractLineItem": 1}},
    "index_entry_out_of_scope": {"acme": {"Contract": 2}},
    "index_entry_to_nothing": {"beta": {"Contract": 1}},
}


class NewShape(Search):
    def test_in_a_store_that_knows_nothing(self):
        spec = self.spec()
        self.plant(NEW_RECORDS, NEW_ENTRIES)
        self.assertEqual(NEW_FOUND, self.found(spec))

    @each_strategy
    def test_in_every_phase(self, strategy):
        spec = self.spec(strategy)
        self.seed(spec)
        self.plan(spec)
        for until in ("backfilled", "flipped", "done"):
            self.run_plan(self.path("plan.json"), "--until", until)
            clean, clean_folder = self.found(spec), self.store_folder
            self.copy_store(f"{strategy}-{until}")
            self.plant(NEW_RECORDS, NEW_ENTRIES)
            self.assertEqual({**clean, **NEW_FOUND}, self.found(spec), until)
            self.store_folder = clean_folder


class Leftovers(Search):
    @each_strategy
    def test_after_the_end(self, strategy):
        spec = self.spec(strategy)
        self.seed(spec)
        self.migrate(spec, "done")
        self.plant([(old("acme", "CONTRACT#1"), value(capsule_id="DEVUS", account_id="a"))],
                   [(b"CAPSULE#DEVUS#ACCOUNT#a", old("acme", "CONTRACT#1"))])
        self.assertEqual({"old_record_left": {"acme": {"Contract": 1}},
                          "old_index_entry_left": {"acme": {"Contract": 1}}}, self.found(spec))

    def test_only_in_the_tier_that_is_done(self):
        spec = self.spec()
        self.seed(spec)
        self.run_plan(self.plan(spec), "--until", "done", "--tier", "canary")
        self.plant([(old("synthetic-1", "CONTRACT#left"), value()),
                    (old("acme", "CONTRACT#waits"), value())])
        self.assertEqual({"synthetic-1": {"Contract": 1}}, self.found(spec)["old_record_left"])


class Printed(Search):
    def text(self, spec, code):
        with self.unchanged():
            return self.rekey("isolation", spec, "--store", self.store, code=code)

    def test_clean(self):
        spec = self.spec()
        self.seed(spec)
        self.migrate(spec, "done")
        result = self.text(spec, DONE)
        lines = result.out.splitlines()
        cases = [line for line in lines if re.match(r"ok \d+ - ", line)]
        self.assertEqual(len(KINDS), len(cases), str(result))
        self.assertEqual(f"{len(KINDS)} passed, 0 failed", lines[-1])
        self.assertEqual("", result.err)

    def test_found(self):
        spec = self.spec()
        secret = "do-not-show-me"
        self.plant([(new("acme", "PRODUS", "CONTRACT#1"), value(capsule_id="DEVUS", note=secret)),
                    (new("acme", "PRODUS", "CONTRACT#2"), value(capsule_id="DEVUS", note=secret)),
                    (new("beta", "PRODUS", "LINEITEM#1"), value(capsule_id="DEVUS"))])
        result = self.text(spec, NOT_CLEAN)
        lines = result.out.splitlines()
        at = lines.index("not ok 7 - no value names another capsule than its key # 3 in 2 tenants")
        self.assertEqual(
            ["# tenant acme: Contract 2; e.g. TENANT#acme#CAPSULE#PRODUS#CONTRACT#1, "
             "TENANT#acme#CAPSULE#PRODUS#CONTRACT#2",
             "# tenant beta: ContractLineItem 1; e.g. TENANT#beta#CAPSULE#PRODUS#LINEITEM#1"],
            lines[at + 1:at + 3])
        self.assertEqual("13 passed, 1 failed", lines[-1])
        self.assertNotIn(secret, result.out + result.err)
        self.assertIn("3 findings of 1 kind", result.err)

    def test_many_tenants(self):
        spec = self.spec()
        self.plant([(new(f"t-{i:03}", "PRODUS", "CONTRACT#1"), value(capsule_id="DEVUS"))
                    for i in range(57)])
        lines = self.text(spec, NOT_CLEAN).out.splitlines()
        self.assertEqual(20, sum(line.startswith("# tenant ") for line in lines))
        self.assertIn("# and 37 more tenants, with 37", lines)
        case = self.search(spec)["cases"][KINDS.index("value_of_other_capsule")]
        self.assertEqual((57, 57, 0), (case["found"], len(case["tenants"]), case["unlisted"]))

    def test_control_characters(self):
        spec = self.spec()
        self.plant([(b"TENANT#a\x1b[2J\xff#CAPSULE#PRODUS#CONTRACT#\n1",
                     value(capsule_id="DEVUS"))])
        result = self.text(spec, NOT_CLEAN)
        self.assertNotIn("\x1b", result.out + result.err)
        self.assertIn(r"tenant a\x1b[2J\xff: Contract 1", result.out)
        tenant = self.search(spec)["cases"][KINDS.index("value_of_other_capsule")]["tenants"][0]
        self.assertEqual(r"a\x1b[2J\xff", tenant["tenant"])

    def test_junit(self):
        spec = self.spec()
        self.plant([(new("a&b", "PRODUS", "CONTRACT#\x1b<1"), value(capsule_id="DEVUS"))])
        path = self.path("report.xml")
        with self.unchanged():
            self.rekey("isolation", spec, "--store", self.store, "--junit", path, code=NOT_CLEAN)
        suite = ElementTree.parse(path).getroot()
        cases = list(suite.iter("testcase"))
        self.assertEqual(KINDS, [case.get("name") for case in cases])
        self.assertEqual("1", suite.get("failures"))
        failures = [case for case in cases if case.find("failure") is not None]
        self.assertEqual(["value_of_other_capsule"], [case.get("name") for case in failures])
        failure = failures[0].find("failure")
        self.assertEqual("1 in 1 tenant", failure.get("message"))
        self.assertIn("tenant a&b: Contract 1", failure.text)
        self.rekey("isolation", spec, "--store", self.store, "--junit",
                   self.path("none", "report.xml"), code=FAILED)

    def test_another_text_of_the_spec(self):
        spec = self.spec()
        self.seed(spec)
        self.on_store("register", spec)
        with open(spec, "a", encoding="utf-8") as file:
            file.write("# a remark\n")
        self.assertIn("another text", self.text(spec, NOT_CLEAN).err)


class Refused(Search):
    def test_bad_spec(self):
        self.seed(self.spec())
        bad = self.write_spec("202601010000_bad", "migration: other\n")
        with self.unchanged():
            result = self.rekey("isolation", bad, "--store", self.store, code=BAD_SPEC)
        self.assertEqual("", result.out)

    def test_bad_store(self):
        spec = self.spec()
        self.rekey("isolation", spec, "--store", "lmdb:" + self.path("none"), code=FAILED)
        self.rekey("isolation", spec, "--store", self.path("none"), code=USAGE)
        os.makedirs(self.path("damaged"))
        with open(self.path("damaged", "data.mdb"), "wb") as file:
            file.write(b"\0" * 65536)
        result = run_rekey("isolation", spec, "--store", "lmdb:" + self.path("damaged"))
        self.assert_refused(result, "damaged")
        self.assertIn(result.code, (FAILED, BAD_SPEC))

    def test_another_database(self):
        spec = self.spec()
        with self.foreign() as store:
            store.put("something_else", [(b"k", b"v")])
        with self.unchanged():
            result = self.rekey("isolation", spec, "--store", self.store, code=BAD_SPEC)
        self.assert_refused(result, "isolation", TABLE)

    def interrupt(self, spec):
        """Starts a search and sends SIGINT as soon as it has the store open."""
        process = start_rekey("isolation", spec, "--store", self.store)
        lock = os.path.join(self.store_folder, "lock.mdb")

        def has_opened():
            try:
                with open(f"/proc/{process.pid}/maps", encoding="utf-8") as maps:
                    return lock in maps.read() or process.poll() is not None
            except OSError:
                return True
        wait_until(has_opened, "the store is open")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def test_interrupted(self):
        spec = self.spec()
        self.seed(spec, tenants=50, records=60000)
        with self.unchanged():
            for _ in range(5):  # a quick search may be over before the signal
                code, out, err = self.interrupt(spec)
                if code == STOPPED:
                    break
        self.assertEqual(STOPPED, code, (out, err))
        self.assertIn(b"interrupted", err)
        self.assertEqual(b"", out)


if __name__ == "__main__":
    unittest.main()
