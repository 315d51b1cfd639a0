"""get, put, delete, list and query through every phase, by somebody who does not know the phase."""
import json
import random
import unittest

from rekeytest import FAILED, MIGRATIONS, USAGE, Case, each_strategy, start_rekey

TENANT = "synthetic-1"
PHASES = ("old", "backfilled", "verified", "flipped", "done")


class Client(Case):
    def scope(self, entity, capsule="PRODUS", tenant=TENANT):
        return ("--tenant", tenant, "--capsule", capsule, "--entity", entity)

    def get(self, entity, name, value, capsule="PRODUS", code=0, tenant=TENANT):
        words = ("--id", f"{name}={value}") if name else ()
        result = self.on_store("get", *self.scope(entity, capsule, tenant), *words, "--json",
                               code=code)
        if code:
            self.assertEqual("", result.out)
            return None
        return result.json()

    def put(self, entity, name, value, record, capsule="PRODUS", **options):
        words = ("--id", f"{name}={value}") if name else ()
        text = record if isinstance(record, str) else json.dumps(record, separators=(",", ":"))
        return self.on_store("put", *self.scope(entity, capsule), *words, text, **options)

    def delete(self, entity, name, value, capsule="PRODUS", **options):
        return self.on_store("delete", *self.scope(entity, capsule), "--id", f"{name}={value}",
                             **options)

    def list(self, entity, capsule="PRODUS", tenant=TENANT):
        return self.on_store("list", *self.scope(entity, capsule, tenant), "--json").lines()

    def query(self, entity, name, value, capsule="PRODUS", tenant=TENANT):
        return self.on_store("query", *self.scope(entity, capsule, tenant), "--index", "gsi1",
                             "--where", f"{name}={value}", "--json").lines()

    def reach(self, spec, phase):
        """A store that clients and the run have worked on up to the phase."""
        self.seed(spec, tenants=3, records=150)
        self.on_store("register", spec)
        if phase != "old":
            self.run_plan(self.plan(spec), "--until", phase)


class ThroughThePhases(Client):
    @each_strategy
    def test_one_record(self, strategy):
        """Written, read, changed and deleted in each phase, and what was written stays."""
        spec = self.spec(strategy)
        self.reach(spec, "old")
        plan = self.plan(spec)
        kept = {}
        for phase in PHASES:
            if phase != "old":
                self.run_plan(plan, "--until", phase)
            self.one_record(phase)
            self.put("Contract", "contract_id", f"kept-{phase}", {"account_id": phase})
            kept[f"kept-{phase}"] = phase
            for name, account in kept.items():
                found = self.get("Contract", "contract_id", name)
                self.assertEqual(account, found["account_id"], f"{name} in {phase}")
            self.on_store("verify", code=None if phase in ("old", "backfilled") else 0)
            self.check(spec, "dual_write" if phase == "old" else self.oracles_phase(phase))

    @staticmethod
    def oracles_phase(phase):
        return "backfilled" if phase == "verified" else phase

    def one_record(self, phase):
        self.get("Contract", "contract_id", "x", code=FAILED)
        self.put("Contract", "contract_id", "x", {"account_id": "a-1", "amount": 1})
        self.assertEqual({"account_id": "a-1", "amount": 1, "capsule_id": "PRODUS"},
                         self.get("Contract", "contract_id", "x"))
        self.put("Contract", "contract_id", "x", {"account_id": "a-2"})
        self.assertEqual("a-2", self.get("Contract", "contract_id", "x")["account_id"])
        self.assertEqual([], self.named(self.query("Contract", "account_id", "a-1"), "x"), phase)
        self.assertEqual(["x"], self.named(self.query("Contract", "account_id", "a-2"), "x"), phase)
        self.assertEqual(["x"], self.named(self.list("Contract"), "x"))
        self.delete("Contract", "contract_id", "x")
        self.get("Contract", "contract_id", "x", code=FAILED)
        self.delete("Contract", "contract_id", "x", code=FAILED)
        self.assertEqual([], self.named(self.list("Contract"), "x"))
        self.assertEqual([], self.named(self.query("Contract", "account_id", "a-2"), "x"), phase)

    @staticmethod
    def named(rows, name):
        return [row["id"]["contract_id"] for row in rows if row["id"].get("contract_id") == name]

    @each_strategy
    def test_a_family(self, strategy):
        """A child needs its parent in the same capsule, in every phase."""
        spec = self.spec(strategy)
        self.reach(spec, "old")
        plan = self.plan(spec)
        for phase in PHASES:
            if phase != "old":
                self.run_plan(plan, "--until", phase)
            with self.subTest(strategy=strategy, phase=phase):
                self.family(phase)
                self.check(spec, "dual_write" if phase == "old" else self.oracles_phase(phase))

    def family(self, phase):
        contract, item = f"c-{phase}", f"l-{phase}"
        refused = self.put("ContractLineItem", "line_item_id", item, {"contract_id": contract},
                           code=None)
        self.assertNotEqual(0, refused.code, str(refused))
        self.put("Contract", "contract_id", contract, {})
        self.put("ContractLineItem", "line_item_id", item, {"contract_id": contract})
        refused = self.put("ContractLineItem", "line_item_id", item + "-other",
                           {"contract_id": contract}, capsule="DEVUS", code=None)
        self.assertNotEqual(0, refused.code, str(refused))
        self.put("RevenueSchedule", "schedule_id", f"s-{phase}", {"line_item_id": item,
                                                                   "period": "2026-01"})
        rows = self.query("RevenueSchedule", "period", "2026-01")
        self.assertIn(f"s-{phase}", [row["id"]["schedule_id"] for row in rows])

    @each_strategy
    def test_rollback_keeps_what_clients_wrote(self, strategy):
        spec = self.spec(strategy)
        self.reach(spec, "flipped")
        self.put("Contract", "contract_id", "late", {"account_id": "a"})
        self.put("AccessEntity", "access_id", "late", {"user_id": "u"}, capsule="DEVUS")
        gone = self.list("AccessEntity")[0]["id"]["access_id"]
        self.delete("AccessEntity", "access_id", gone)
        self.rollback()
        self.check(spec, "old")
        self.assertEqual("a", self.get("Contract", "contract_id", "late")["account_id"])
        self.assertEqual("u", self.get("AccessEntity", "access_id", "late", "DEVUS")["user_id"])
        self.get("AccessEntity", "access_id", gone, code=FAILED)


class Isolation(Client):
    @each_strategy
    def test_scopes_after_the_flip(self, strategy):
        """Every record is seen from its own scope and from no other."""
        spec = self.spec(strategy)
        self.reach(spec, "flipped")
        seen = set()
        for tenant in (TENANT, "synthetic-2", "tenant-0001"):
            for capsule in ("PRODUS", "DEVUS", "PRODEU", "DEVEU"):
                for row in self.list("Contract", capsule, tenant):
                    self.assertEqual(capsule, row["value"]["capsule_id"])
                    seen.add((tenant, capsule, row["id"]["contract_id"]))
        total = sum(1 for key in self.dump()["platform_data"].records()
                    if b"#CAPSULE#" in key and b"#CONTRACT#" in key)
        self.assertEqual(total, len(seen))
        tenant, capsule, name = sorted(seen)[0]
        other = "DEVUS" if capsule != "DEVUS" else "PRODUS"
        self.get("Contract", "contract_id", name, other, FAILED, tenant)
        self.get("Contract", "contract_id", name, capsule, FAILED, "nobody")

    @each_strategy
    def test_query_after_the_flip(self, strategy):
        """The index's defect is mended: no record of another tenant."""
        spec = self.spec(strategy)
        self.reach(spec, "old")
        for tenant in (TENANT, "synthetic-2"):
            self.on_store("put", *self.scope("Contract", tenant=tenant), "--id",
                          f"contract_id=of-{tenant}", '{"account_id":"shared"}')
        self.run_plan(self.plan(spec), "--until", "flipped")
        for tenant in (TENANT, "synthetic-2"):
            rows = self.query("Contract", "account_id", "shared", tenant=tenant)
            self.assertEqual([f"of-{tenant}"], [row["id"]["contract_id"] for row in rows])

    @each_strategy
    def test_the_same_id_in_two_capsules(self, strategy):
        """After the flip one id may be in two capsules; a rollback would lose one and says so."""
        spec = self.spec(strategy)
        self.reach(spec, "flipped")
        self.put("Contract", "contract_id", "same", {"account_id": "p"})
        self.put("Contract", "contract_id", "same", {"account_id": "d"}, capsule="DEVUS")
        for capsule, account in (("PRODUS", "p"), ("DEVUS", "d")):
            self.assertEqual(account,
                             self.get("Contract", "contract_id", "same", capsule)["account_id"])
        self.check(spec, "flipped", shadowed_allowed=True)
        with self.unchanged():
            refused = self.rollback(code=5)
        self.assertIn("same", refused.err)
        self.rollback("--accept-loss")
        self.check(spec, "old")
        keys = self.dump()["platform_data"].records()
        self.assertIn(f"TENANT#{TENANT}#CONTRACT#same".encode(), keys)

    def test_config_of_two_capsules(self):
        """One old key a tenant: the second capsule's write shadows the first's, and is counted."""
        spec = self.spec("dual-write")
        self.reach(spec, "flipped")
        for capsule in ("PRODUS", "DEVUS"):
            self.put("FinancialConfig", None, None, {"industry": capsule.lower()}, capsule=capsule)
        for capsule in ("PRODUS", "DEVUS"):
            found = self.get("FinancialConfig", None, None, capsule)
            self.assertEqual(capsule.lower(), found["industry"])
        report = self.on_store("verify", "--json").json()
        config = next(e for e in report["entities"] if e["name"] == "FinancialConfig")
        self.assertEqual(1, config["shadowed"])
        self.check(spec, "flipped", shadowed_allowed=True)
        self.assertIn("CONFIG", self.rollback(code=5).err)


class Concurrent(Client):
    """An application that goes on writing while the migration is under way."""

    RECORDS = 5000
    NAMES = [f"live-{number}" for number in range(6)]

    def setUp(self):
        super().setUp()
        self.random = random.Random(self.id())
        self.written = {}  # what was acknowledged last, by name
        self.operations = 0

    def write_something(self):
        """One put or delete. Only what the command says has happened counts."""
        name = self.random.choice(self.NAMES)
        self.operations += 1
        if name in self.written and self.random.random() < 0.3:
            self.delete("AccessEntity", "access_id", name)
            del self.written[name]
        else:
            user = f"u-{self.operations}"
            self.put("AccessEntity", "access_id", name, {"user_id": user})
            self.written[name] = user

    def write_during(self, *words):
        process = start_rekey(*words, "--store", self.store)
        before = self.operations
        while process.poll() is None:
            self.write_something()
            self.assert_written(self.random.choice(self.NAMES))
        _, err = process.communicate()
        self.assertEqual(0, process.returncode, err.decode())
        self.assertGreater(self.operations, before)
        for name in self.NAMES:
            self.assert_written(name)

    def assert_written(self, name):
        """A write that was acknowledged stays readable; a deleted record stays away."""
        if name in self.written:
            found = self.get("AccessEntity", "access_id", name)
            self.assertEqual(self.written[name], found["user_id"])
        else:
            self.get("AccessEntity", "access_id", name, code=FAILED)

    @each_strategy
    def test_during_every_step(self, strategy):
        self.written.clear()
        spec = self.spec(strategy, lock_hold_ms=1)
        self.seed(spec, tenants=3, records=self.RECORDS)
        self.on_store("register", spec)
        self.write_something()
        plan = self.plan(spec)
        self.write_something()
        self.write_during("run", plan)
        self.check(spec, "backfilled")
        self.write_during("rollback")
        self.check(spec, "old")
        plan = self.plan(spec)
        self.write_during("run", plan, "--until", "flipped")
        self.check(spec, "flipped")
        self.write_during("contract", "--confirm", MIGRATIONS[strategy])
        self.check(spec, "done")
        self.on_store("verify")


class Refused(Client):
    IDS = [("", "empty"), ("a#b", "delimiter"), ("x" * 600, "long")]

    @each_strategy
    def test_ids(self, strategy):
        """By name, in every phase that keys change in."""
        spec = self.spec(strategy)
        for phase in ("old", "backfilled", "flipped"):
            self.store_folder = self.path(f"{strategy}-{phase}")
            self._epoch = 0
            self.reach(spec, phase)
            for name, _ in self.IDS:
                with self.subTest(strategy=strategy, phase=phase, id=name[:5]), self.unchanged():
                    self.refused_everywhere(name)

    def refused_everywhere(self, name):
        results = [
            self.put("Contract", "contract_id", name, {}, code=None),
            self.delete("Contract", "contract_id", name, code=None),
            self.on_store("get", *self.scope("Contract"), "--id", f"contract_id={name}", code=None),
        ]
        for result in results:
            self.assertIn(result.code, (FAILED, USAGE), str(result))
            self.assertEqual("", result.out)
        self.assertIn("contract_id" if len(name) < 512 else "key", results[0].err, str(results[0]))

    def test_scopes(self):
        spec = self.spec()
        self.reach(spec, "old")
        cases = [
            (self.scope("Contract", tenant="a#b"), "tenant"),
            (self.scope("Contract", capsule="PROD"), "capsule"),
            (self.scope("Contract", capsule="PRODUS#CONTRACT"), "capsule"),
            (self.scope("Contrct"), "contrct"),
        ]
        for scope, fragment in cases:
            with self.subTest(scope=scope), self.unchanged():
                result = self.on_store("put", *scope, "--id", "contract_id=c", "{}", code=None)
                self.assertIn(result.code, (FAILED, USAGE), str(result))
                self.assertIn(fragment, result.err.lower())

    def test_variables(self):
        spec = self.spec()
        self.reach(spec, "old")
        cases = [
            (("--id", "contract=c"), "contract"),
            ((), "contract_id"),
            (("--id", "contract_id=c", "--id", "contract_id=d"), "contract_id"),
            (("--id", "contract_id=c", "--id", "more=d"), "more"),
            (("--id", "contract_id"), "--id"),
        ]
        for words, fragment in cases:
            with self.subTest(words=words), self.unchanged():
                result = self.on_store("put", *self.scope("Contract"), *words, "{}", code=None)
                self.assertIn(result.code, (FAILED, USAGE), str(result))
                self.assertIn(fragment, result.err)

    @each_strategy
    def test_values(self, strategy):
        spec = self.spec(strategy)
        self.reach(spec, "backfilled")
        for value in ("", "[]", "{", '{"capsule_id":"DEVUS"}', '{"account_id":"a#b"}',
                      '{"capsule_id":null}', '{"account_id":{}}'):
            with self.subTest(value=value), self.unchanged():
                result = self.put("Contract", "contract_id", "c", value, code=None)
                self.assertIn(result.code, (FAILED, USAGE), str(result))
                self.assertNotIn("a#b", result.err, "a value in a message")


class Input(Client):
    def test_value_on_stdin(self):
        spec = self.spec()
        self.reach(spec, "old")
        self.on_store("put", *self.scope("Contract"), "--id", "contract_id=c", "-",
                      stdin='{"account_id":"from stdin"}')
        self.assertEqual("from stdin", self.get("Contract", "contract_id", "c")["account_id"])

    def test_awkward_but_allowed_ids(self):
        spec = self.spec()
        self.reach(spec, "backfilled")
        for name in ("a=b", "-x", " ", "CAPSULE", "é", '"quoted"', "a/b\\c"):
            with self.subTest(name):
                self.put("Contract", "contract_id", name, {"account_id": "a"})
                self.assertEqual("a", self.get("Contract", "contract_id", name)["account_id"])
                self.assertIn(name, [r["id"]["contract_id"] for r in self.list("Contract")])
        self.check(spec, "backfilled")

    def test_list_is_in_key_order(self):
        spec = self.spec()
        self.reach(spec, "flipped")
        names = [row["id"]["contract_id"] for row in self.list("Contract")]
        self.assertEqual(sorted(names), names)

    def test_unregistered(self):
        self.seed(self.spec())
        result = self.on_store("get", *self.scope("Contract"), "--id", "contract_id=c", code=None)
        self.assertIn("registered", result.err)
        self.assertNotEqual(0, result.code)


if __name__ == "__main__":
    unittest.main()
