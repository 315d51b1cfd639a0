"""verify: each kind of difference, wherever it is in its table, is seen and counted as what it is."""
import json
import os
import unittest

from rekeytest import DONE, NOT_CLEAN, Case, each_strategy

RECORDS = "platform_data"
INDEX = "gsi1"
FIRST = b"\x00"
LAST = b"\xff"


class Sight(Case):
    """A store that verifies clean, of which each test spoils a copy."""

    def migrate(self, strategy):
        spec = self.spec(strategy)
        self.seed(spec)
        self.run_plan(self.plan(spec))
        self.clean = self.on_store("verify", "--json").json()
        self.tables = self.dump()
        self.whole = self.store_folder

    def new_records(self, word):
        """Keys and values of the new shape that hold the word, in key order."""
        found = [(key, value) for key, value in self.tables[RECORDS].entries
                 if b"#CAPSULE#" in key and word in key]
        self.assertGreater(len(found), 2, word)
        return found

    def new_entries(self):
        found = [(key, value) for key, value in self.tables[INDEX].entries
                 if key.startswith(b"TENANT#")]
        self.assertGreater(len(found), 2)
        return found

    def counts(self, report):
        """The report's numbers that tell differences, by name, those that are 0 left out."""
        sums = {}
        for part, names in (("entities", ("missing", "mismatched", "extra")),
                            ("indexes", ("missing", "extra"))):
            for row in report[part]:
                for name in names:
                    where = f"{part}.{name}"
                    sums[where] = sums.get(where, 0) + row[name]
        for name in ("orphans", "isolation_violations", "quarantined"):
            sums[name] = report[name]
        return {name: n for name, n in sums.items() if n}

    def assert_seen(self, name, spoil, **expected):
        """`spoil` changes a copy; `expected` are the counts, with _ for the dot."""
        with self.subTest(spoilt=name):
            self.store_folder = self.whole
            self.copy_store(f"spoilt-{os.path.basename(self.whole)}-{name.replace(' ', '-')}")
            with self.foreign() as env:
                spoil(env)
            report = self.on_store("verify", "--json", code=NOT_CLEAN).json()
            self.assertEqual(False, report["clean"])
            wanted = {where.replace("_", ".", 1) if where.startswith(("entities", "indexes"))
                      else where: n for where, n in expected.items()}
            self.assertEqual(wanted, self.counts(report))
            self.assertTrue(report["samples"])


class Verify(Sight):
    @each_strategy
    def test_clean(self, strategy):
        self.migrate(strategy)
        self.assertEqual({}, self.counts(self.clean))
        self.assertTrue(self.clean["clean"])
        self.on_store("verify", code=DONE)

    @each_strategy
    def test_index_entries(self, strategy):
        """Those that are missing, and those that nobody asks for: first, last, in between."""
        self.migrate(strategy)
        entries = self.new_entries()
        primary = entries[0][1]
        for name, (key, value) in (("first", entries[0]), ("last", entries[-1]),
                                   ("middle", entries[len(entries) // 2])):
            self.assert_seen(f"{name} entry gone",
                             lambda env, k=key, v=value: env.delete_entry(INDEX, k, v),
                             indexes_missing=1)
        scope = b"#".join(primary.split(b"#")[:4]) + b"#"
        for name, word in (("first", FIRST), ("last", LAST), ("middle", b"M")):
            self.assert_seen(f"{name} entry too many",
                             lambda env, k=scope + word: env.put(INDEX, [(k, primary)],
                                                                 dupsort=True),
                             indexes_extra=1)
        for name, word in (("before all", FIRST), ("behind all", LAST)):
            self.assert_seen(f"entry {name}, out of its scope",
                             lambda env, k=word: env.put(INDEX, [(k, primary)], dupsort=True),
                             indexes_extra=1, isolation_violations=1)
        self.assert_seen("entry at nothing",
                         lambda env: env.put(INDEX, [(entries[0][0], scope + b"CONTRACT#none")],
                                             dupsort=True), indexes_extra=1)

    @each_strategy
    def test_another_capsules_record(self, strategy):
        """Its index entry in our scope; its capsule in our value."""
        self.migrate(strategy)
        key, value = self.new_records(b"#CAPSULE#PRODUS#ACCESS#")[0]
        theirs = key.replace(b"#PRODUS#", b"#DEVUS#").split(b"#ACCESS#")[0] + b"#USER#u-1"
        self.assert_seen("entry in another capsule",
                         lambda env: env.put(INDEX, [(theirs, key)], dupsort=True),
                         indexes_extra=1, isolation_violations=1)
        forged = value.replace(b'"PRODUS"', b'"DEVUS"')
        self.assertNotEqual(value, forged)
        counts = {"entities_mismatched": 1, "isolation_violations": 1, "indexes_extra": 1}
        if strategy == "dual-write":
            counts["entities_mismatched"] = 2  # also seen from its old copy
        self.assert_seen("capsule in the value", lambda env: env.put(RECORDS, [(key, forged)]),
                         **counts)

    @each_strategy
    def test_orphans(self, strategy):
        """A child whose parent is gone, or is in another capsule."""
        self.migrate(strategy)
        key, value = self.new_records(b"#SCHEDULE#")[0]
        stray = json.loads(value)
        stray["line_item_id"] = "nobody"
        counts = {"orphans": 1}
        if strategy == "dual-write":
            counts["entities_mismatched"] = 1
        self.assert_seen("no such parent",
                         lambda env: env.put(RECORDS, [(key, json.dumps(stray).encode())]),
                         **counts)

    def test_records_against_their_old_ones(self):
        self.migrate("dual-write")
        for name, place in (("first", 0), ("last", -1)):
            key, value = self.new_records(b"#ACCESS#")[place]
            changed = json.dumps(json.loads(value) | {"and": 1}).encode()
            entries = [entry for entry in self.new_entries() if entry[1] == key]
            self.assertEqual(1, len(entries))
            self.assert_seen(f"{name} record gone", lambda env, k=key: env.delete(RECORDS, [k]),
                             entities_missing=1, indexes_extra=1)
            self.assert_seen(f"{name} record changed",
                             lambda env, k=key, v=changed: env.put(RECORDS, [(k, v)]),
                             entities_mismatched=1)
            old = key.split(b"#")
            old = b"#".join(old[:2] + old[4:])
            self.assert_seen(f"{name} old record gone", lambda env, k=old: env.delete(RECORDS, [k]),
                             entities_extra=1)

    def test_differences_that_make_up_for_each_other(self):
        """As many too many as are missing, on the same side: no sum shows it."""
        self.migrate("dual-write")
        records = self.new_records(b"#ACCESS#")
        (key, value), (other, _) = records[0], records[1]
        stray = key + b"-stray"

        def swap(env):
            env.delete(RECORDS, [other])
            env.put(RECORDS, [(stray, value)])
        self.assert_seen("another record in its place", swap, entities_missing=1,
                         entities_extra=1, indexes_missing=1, indexes_extra=1)
        entries = self.new_entries()
        (entry, primary), (_, last) = entries[0], entries[-1]

        def swap_entries(env):
            env.delete_entry(INDEX, entry, primary)
            env.put(INDEX, [(entry, last)], dupsort=True)
        self.assert_seen("another entry in its place", swap_entries, indexes_missing=1,
                         indexes_extra=1, isolation_violations=1)

    def test_an_old_record_after_a_move(self):
        self.migrate("move")
        key, value = self.new_records(b"#ACCESS#")[-1]
        parts = key.split(b"#")
        left = b"#".join(parts[:2] + parts[4:])
        self.assert_seen("old record left", lambda env: env.put(RECORDS, [(left, value)]),
                         entities_missing=1)

    def test_the_end(self):
        """In phase done, what is left at old keys is extra."""
        spec = self.spec("dual-write")
        self.seed(spec)
        before = self.dump()
        self.run_plan(self.plan(spec), "--until", "done")
        self.assert_phase("done")
        self.whole = self.store_folder
        self.tables = self.dump()
        old_key, old_value = before[RECORDS].entries[-1]
        self.assert_seen("old record at the end",
                         lambda env: env.put(RECORDS, [(old_key, old_value)]), entities_extra=1)
        entry = before[INDEX].entries[0]
        self.assert_seen("old entry at the end",
                         lambda env: env.put(INDEX, [entry], dupsort=True), indexes_extra=1)


if __name__ == "__main__":
    unittest.main()
