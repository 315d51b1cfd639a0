"""A whole migration, forward, back, and forward again, with the oracle after every step."""
import unittest

from rekeytest import (
    BAD_SPEC, NOT_CLEAN, STALE_PLAN, STRATEGIES, USAGE, Case, each_strategy, MIGRATIONS,
    shipped_spec,
)

import oracle
from model import Spec


class WholeMigration(Case):
    def test_shipped_specs_there_and_back_and_there(self):
        """The specs as they are shipped, without a word changed."""
        for strategy in STRATEGIES:
            with self.subTest(strategy=strategy):
                self.store_folder = self.path("store-" + strategy)
                self._epoch = 0
                self.there_and_back_and_there(shipped_spec(MIGRATIONS[strategy]))

    def there_and_back_and_there(self, spec):
        original = self.seed(spec, tenants=6, records=900)
        self.check(spec, "old", original)
        first = self.forward(spec, original, "first.json")
        self.back(spec, original)
        self.run_plan(first, code=STALE_PLAN)
        self.forward(spec, original, "second.json")
        self.finish(spec, original)

    def forward(self, spec, original, name):
        plan = self.plan(spec, name)
        self.backfill(spec, original, plan)
        self.verify(spec, original, plan)
        self.flip()
        self.assert_phase("flipped")
        self.check(spec, "flipped", original)
        return plan

    def backfill(self, spec, original, plan):
        report = self.run_plan(plan, "--until", "backfilled")
        self.assertEqual("dual_write", report["phase"])
        self.assertGreater(report["changes"], 0)
        self.check(spec, "backfilled", original)
        self.assert_refused(self.flip(code=NOT_CLEAN), "verified")
        self.check(spec, "backfilled", original)

    def verify(self, spec, original, plan):
        self.run_plan(plan)
        report = self.on_store("verify", "--isolation", "--json").json()
        self.assertTrue(report["clean"])
        again = self.run_plan(plan)
        self.assertEqual(0, again["changes"])
        self.assertEqual({"clean": True, "stale": False}, again["last_verify"])
        self.check(spec, "backfilled", original)

    def back(self, spec, original):
        self.rollback()
        self.assert_phase("old")
        self.check(spec, "old", original)
        self.assert_same_records(original, spec)
        self.rollback()  # nothing to do
        self.assert_same_records(original, spec)

    def finish(self, spec, original):
        with self.unchanged():
            wrong = self.on_store("contract", "--confirm", "202601010000_other", code=USAGE)
            self.assert_refused(wrong, "--confirm")
        self.contract(spec)
        self.assert_phase("done")
        self.check(spec, "done", original)
        with self.unchanged():
            self.assert_refused(self.rollback(code=NOT_CLEAN), "rollback boundary")
        self.contract(spec)  # nothing to do
        self.check(spec, "done", original)
        self.on_store("audit", "--verify")
        self.on_store("verify")


class Bytes(Case):
    """Values that another program wrote in its own manner come back to the byte."""

    VALUES = [
        b"{}", b"{ }", b"{\n}\n", b' {"a": 1} ', b'{"a":1,\n  "b": [1, 2, {"c": null}]\n}\n',
        b'{"account_id":"a","capsule_id":"PRODUS"}', b'{"capsule_id":"PRODUS","account_id":"a"}',
        b'{"account_id":"a" , "capsule_id" : "PRODUS" }', b'{"x":{"capsule_id":"NONE"}}',
        b'{"capsule\\u005fid":"PRODUS"}', b'{"capsule_id":"\\u0050RODUS"}',
        b'{"account_id":"\\u0061b\\/\\"c"}', '{"account_id":"é€😀"}'.encode(),
        b'{"account_id":12345678901234567890}', b'{"account_id":-1}', b'{"amount":1.50e+10}',
        b'{"}":"}","{":"{"}', b'{"capsule_id":"DEVUS"}', b'{"a":"' + b"z" * 9000 + b'"}',
        b'{"capsule_id":"PRODUS","capsule_id ":"X"}', b'{"a":1,"capsule_id":"PRODUS"}\r\n',
    ]

    @each_strategy
    def test_there_and_back(self, strategy):
        spec = self.spec(strategy)
        with self.foreign() as env:
            env.put("platform_data", [(b"TENANT#synthetic-1#CONTRACT#%d" % i, value)
                                      for i, value in enumerate(self.VALUES)])
        self.write_index_entries(spec)
        original = self.dump()
        self.run_plan(self.plan(spec), "--until", "flipped")
        self.assertEqual({}, self.check(spec, "flipped", original).reasons())
        self.rollback()
        self.assert_same_records(original, spec)
        self.run_plan(self.plan(spec), "--until", "done")
        self.check(spec, "done", original)

    def write_index_entries(self, spec):
        """As the old application would have: those that the oracle expects."""
        tables = self.dump()
        images = oracle.Oracle(Spec(spec), tables, "old").images.values()
        entries = [(key, primary) for i in images for _, key, primary in i.old_entries]
        with self.foreign() as env:
            env.put("gsi1", entries, dupsort=True)

    @each_strategy
    def test_index_entries_that_outlived_their_records(self, strategy):
        """Leftovers of the old application: a rollback keeps them, the contract sweeps them."""
        spec = self.spec(strategy)
        self.seed(spec)
        with self.foreign() as env:
            env.put("gsi1", [(b"CAPSULE#PRODUS#ACCOUNT#gone", b"TENANT#t#CONTRACT#gone")],
                    dupsort=True)
        original = self.dump()
        self.run_plan(self.plan(spec), "--until", "flipped")
        self.check(spec, "flipped", original)
        self.rollback()
        self.assert_same_records(original, spec)
        self.run_plan(self.plan(spec), "--until", "done")
        self.check(spec, "done", original)


class Goals(Case):
    @each_strategy
    def test_until_flipped_then_done(self, strategy):
        spec = self.spec(strategy)
        original = self.seed(spec)
        plan = self.plan(spec)
        self.assertEqual("flipped", self.run_plan(plan, "--until", "flipped")["phase"])
        self.check(spec, "flipped", original)
        self.assertEqual("done", self.run_plan(plan, "--until", "done")["phase"])
        self.check(spec, "done", original)

    @each_strategy
    def test_straight_to_done(self, strategy):
        spec = self.spec(strategy)
        original = self.seed(spec)
        report = self.run_plan(self.plan(spec), "--until", "done", "--workers", 3)
        self.assertEqual("done", report["phase"])
        self.assertFalse(report["running"])
        self.check(spec, "done", original)

    @each_strategy
    def test_rollback_from_dual_write(self, strategy):
        spec = self.spec(strategy)
        original = self.seed(spec)
        self.run_plan(self.plan(spec), "--until", "backfilled")
        self.rollback()
        self.assert_same_records(original, spec)

    @each_strategy
    def test_counts_agree(self, strategy):
        """Source records = migrated + quarantined, in the tool's own words."""
        spec = self.spec(strategy)
        self.seed(spec, records=400)
        plan = self.on_store("plan", spec, "--json", "-o", self.path("plan.json")).json()
        report = self.run_plan(self.path("plan.json"))
        totals = {e["name"]: e["records"] for e in plan["entities"]}
        self.assertEqual(400, sum(totals.values()))
        for entity in report["entities"]:
            self.assertEqual(totals[entity["name"]], entity["total"])
            self.assertEqual(entity["total"], entity["done"])
        verified = self.on_store("verify", "--json").json()
        for entity in verified["entities"]:
            self.assertEqual(totals[entity["name"]], entity["matched"])

    @each_strategy
    def test_migrating_what_came_after_the_backfill(self, strategy):
        """Records that a client writes between two runs are in the end state."""
        spec = self.spec(strategy)
        self.seed(spec)
        plan = self.plan(spec)
        self.run_plan(plan, "--until", "backfilled")
        self.on_store("put", "--tenant", "synthetic-1", "--capsule", "DEVUS", "--entity",
                      "AccessEntity", "--id", "access_id=late", '{"user_id":"u-late"}')
        self.run_plan(plan, "--until", "flipped")
        self.check(spec, "flipped")


class Tiers(Case):
    @each_strategy
    def test_canary_first(self, strategy):
        spec = self.spec(strategy)
        original = self.seed(spec, tenants=5, records=400)
        plan = self.plan(spec)
        report = self.run_plan(plan, "--tier", "canary", "--until", "flipped")
        self.assertEqual({"canary": "flipped", "production": "old"}, report["tiers"])
        self.assertEqual("old", report["phase"])
        self.check(spec, {"canary": "flipped", "production": "old"}, original)
        self.run_plan(plan)
        self.check(spec, {"canary": "flipped", "production": "backfilled"}, original)
        self.flip("--tier", "production")
        self.check(spec, "flipped", original)
        self.contract(spec)
        self.check(spec, "done", original)

    @each_strategy
    def test_canary_back(self, strategy):
        spec = self.spec(strategy)
        original = self.seed(spec, tenants=5, records=400)
        plan = self.plan(spec)
        self.run_plan(plan, "--tier", "canary", "--until", "flipped")
        self.rollback()
        self.assert_same_records(original, spec)

    def test_no_canary_tenants(self):
        spec = self.spec("dual-write")
        with open(spec, encoding="utf-8") as file:
            text = file.read().replace("  canary: [synthetic-1, synthetic-2]", "  canary: []")
        spec = self.write_spec(MIGRATIONS["dual-write"], text)
        self.seed(spec)
        plan = self.plan(spec)
        result = self.run_plan(plan, "--tier", "canary", code=USAGE)
        self.assert_refused(result, "canary")


class Gates(Case):
    @each_strategy
    def test_flip_before_anything(self, strategy):
        spec = self.spec(strategy)
        self.seed(spec)
        with self.unchanged():
            self.assert_refused(self.flip(code=BAD_SPEC), "registered")
        self.on_store("register", spec)
        with self.unchanged():
            self.assert_refused(self.flip(code=NOT_CLEAN), "phase old")
            self.assert_refused(self.contract(spec, code=NOT_CLEAN), "flip")

    @each_strategy
    def test_contract_before_the_flip(self, strategy):
        spec = self.spec(strategy)
        original = self.seed(spec)
        self.run_plan(self.plan(spec))
        self.assert_refused(self.contract(spec, code=NOT_CLEAN), "flip")
        self.check(spec, "backfilled", original)

    @each_strategy
    def test_quarantine_blocks_the_flip(self, strategy):
        spec = self.spec(strategy)
        self.seed(spec)
        with self.foreign() as env:
            env.put("platform_data", [(b"TENANT#synthetic-1#CONTRACT#bad", b"{not json")])
        original = self.dump()
        plan = self.plan(spec)
        self.run_plan(plan)
        self.assert_refused(self.flip(code=NOT_CLEAN), "quarantine")
        entries = self.on_store("quarantine", "--json").json()
        self.assertEqual(1, entries["quarantined"])
        self.assertEqual("bad_value", entries["entries"][0]["reason"])
        self.check(spec, "backfilled", original)

    @each_strategy
    def test_quarantine_within_the_limit(self, strategy):
        """Left alone to the end, and never touched."""
        spec = self.spec(strategy, quarantine_max=2)
        self.seed(spec)
        with self.foreign() as env:
            env.put("platform_data", [(b"TENANT#synthetic-1#CONTRACT#bad", b"{not json"),
                                      (b"UNKNOWN#shape", b"\x00\x01")])
        original = self.dump()
        plan = self.plan(spec)
        self.run_plan(plan, "--until", "flipped")
        self.check(spec, "flipped", original)
        self.assertEqual(2, self.status()["quarantined"])
        self.contract(spec)
        self.check(spec, "done", original)

    def test_divergence_after_verification(self):
        """A write by no phase-aware client makes the verification stale, and the flip says no."""
        spec = self.spec("dual-write")
        self.seed(spec)
        self.run_plan(self.plan(spec))
        key = self.a_new_key()
        with self.foreign() as env:
            env.put("platform_data", [(key, b'{"capsule_id":"PRODUS","forged":true}')])
        self.assertTrue(self.status()["last_verify"]["stale"])
        self.flip(code=NOT_CLEAN)
        self.on_store("verify", code=NOT_CLEAN)
        self.assert_phase("dual_write")

    def a_new_key(self):
        keys = self.dump()["platform_data"].records()
        return next(k for k in keys if b"#CAPSULE#PRODUS#CONTRACT#" in k)


if __name__ == "__main__":
    unittest.main()
