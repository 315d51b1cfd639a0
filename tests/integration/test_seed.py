"""seed: the same arguments, the same bytes; six entities; a store that migrates without a word."""
import os
import unittest

from rekeytest import (
    FAILED, MIGRATIONS, USAGE, Case, data_digest, each_strategy, shipped_spec,
)

import oracle
from model import Spec

ENTITIES = {"FinancialConfig", "Contract", "ContractLineItem", "ContractAmendment",
            "RevenueSchedule", "AccessEntity"}


class Seed(Case):
    def seed_into(self, name, *words, **options):
        self.store_folder = self.path(name)
        spec = options.pop("spec", shipped_spec(MIGRATIONS["dual-write"]))
        return self.on_store("seed", spec, *words, **options)

    def test_the_same_bytes(self):
        digests = []
        for name in ("one", "two"):
            self.seed_into(name, "--tenants", 7, "--records", 1500, "--seed", 42)
            digests.append(data_digest(self.store_folder))
        self.assertEqual(digests[0], digests[1])

    def test_another_seed_other_bytes(self):
        dumps = []
        for seed in (1, 2):
            self.seed_into(f"seed-{seed}", "--tenants", 3, "--records", 300, "--seed", seed)
            dumps.append(self.dump()["platform_data"].entries)
        self.assertNotEqual(dumps[0], dumps[1])
        self.assertEqual(len(dumps[0]), len(dumps[1]))

    def test_all_six_entities_and_every_record_asked_for(self):
        for tenants, records in ((1, 100), (5, 777), (20, 1000)):
            with self.subTest(tenants=tenants, records=records):
                self.seed_into(f"{tenants}-{records}", "--tenants", tenants, "--records", records)
                spec = Spec(shipped_spec(MIGRATIONS["dual-write"]))
                tables = self.dump()
                checker = oracle.Oracle(spec, tables, "old")
                self.assertEqual([], checker.check())
                self.assertEqual({}, checker.reasons())
                self.assertEqual(ENTITIES, {i.entity for i in checker.images.values()})
                self.assertEqual(records, len(checker.images))
                self.assertEqual(tenants, len({i.tenant for i in checker.images.values()}))
                self.assert_as_in_life(checker)

    def assert_as_in_life(self, checker):
        """More than one capsule, a default somewhere, children without the field."""
        images = list(checker.images.values())
        self.assertGreater(len({image.capsule for image in images}), 1)
        children = [i for i in images if checker.spec.entities[i.entity].parent]
        self.assertTrue(children)
        for image in children:
            self.assertNotIn(b"capsule_id", image.old_value)

    @each_strategy
    def test_both_strategies_start_alike(self, strategy):
        spec = shipped_spec(MIGRATIONS[strategy])
        self.seed_into("alike-" + strategy, "--tenants", 3, "--records", 200, spec=spec)
        first = self.dump()
        self.seed_into("again-" + strategy, "--tenants", 3, "--records", 200)
        oracle.check_equal(first, self.dump())

    def test_seeding_twice_is_seeding_once(self):
        words = ("--tenants", 3, "--records", 500)
        self.seed_into("twice", *words)
        before = self.dump()
        self.seed_into("twice", *words)
        oracle.check_equal(before, self.dump())

    def test_another_record_in_the_way(self):
        words = ("--tenants", 3, "--records", 500)
        self.seed_into("conflict", *words)
        key = next(iter(self.dump()["platform_data"].records()))
        with self.foreign() as env:
            env.put("platform_data", [(key, b'{"mine":1}')])
        before = self.dump()
        result = self.seed_into("conflict", *words, code=FAILED)
        self.assert_refused(result, "platform_data")
        oracle.check_equal(before, self.dump())

    def test_other_specs(self):
        """Any spec can be seeded: another tenant word, a lookup file, no parent."""
        with open(self.path("capsules.csv"), "w", encoding="utf-8") as file:
            file.write("# tenant,capsule\nacme,LIVE\nzeta,TEST\n")
        name = "202601010000_other"
        path = self.path(name + ".yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(OTHER_SPEC.format(name=name))
        self.seed_into("other", "--tenants", 2, "--records", 60, spec=path)
        original = self.dump()
        self.check(path, "old", original)
        self.run_plan(self.plan(path), "--until", "done")
        self.check(path, "done", original)
        keys = self.dump()["things"].records()
        self.assertTrue(all(k.startswith((b"ORG#acme#ENV#LIVE#", b"ORG#zeta#ENV#TEST#"))
                            for k in keys), list(keys)[:3])

    def test_refused(self):
        for words in (("--tenants", 0, "--records", 1), ("--tenants", 1, "--records", "many"),
                      ("--tenants", 1)):
            with self.subTest(words=words):
                self.seed_into("never", *words, code=USAGE)
                self.assertFalse(os.path.exists(self.store_folder))


OTHER_SPEC = """
migration: {name}
strategy: move
value: json
database: things
tenant: org
capsule: {{variable: env, allowed: [LIVE, TEST]}}
entities:
  Thing:
    old: "ORG#{{org}}#THING#{{thing_id}}"
    new: "ORG#{{org}}#ENV#{{env}}#THING#{{thing_id}}"
    capsule: {{lookup: "capsules.csv"}}
    indexes:
      by_kind: {{old: "KIND#{{kind}}", new: "ORG#{{org}}#ENV#{{env}}#KIND#{{kind}}"}}
      by_owner:
        old: "ORG#{{org}}#OWNER#{{owner}}"
        new: "ORG#{{org}}#ENV#{{env}}#OWNER#{{owner}}"
"""


if __name__ == "__main__":
    unittest.main()
