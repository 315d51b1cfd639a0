"""The oracle against stores written down by hand: good ones pass, each planted defect is found."""
import os
import subprocess
import sys
import tempfile
import unittest

import lmdb

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import dump  # noqa: E402
import oracle  # noqa: E402
from model import Pattern, Spec, insert_member  # noqa: E402

SPEC = """
migration: 202601010000_small
strategy: {strategy}
value: json
database: data
tenant: tenant_id
capsule: {{variable: capsule_id, allowed: [P, D]}}
tiers: {{canary: [t1]}}
entities:
  Config:
    old: "T#{{tenant_id}}#CONFIG"
    new: "T#{{tenant_id}}#C#{{capsule_id}}#CONFIG"
    capsule: {{field: capsule_id}}
  Order:
    old: "T#{{tenant_id}}#ORDER#{{order_id}}"
    new: "T#{{tenant_id}}#C#{{capsule_id}}#ORDER#{{order_id}}"
    capsule: {{field: capsule_id, default: P}}
    indexes:
      by_user:
        old: "C#{{capsule_id}}#U#{{user}}"
        new: "T#{{tenant_id}}#C#{{capsule_id}}#U#{{user}}"
  Line:
    parent: {{entity: Order, id: {{order_id: order}}}}
    old: "T#{{tenant_id}}#LINE#{{line_id}}"
    new: "T#{{tenant_id}}#C#{{capsule_id}}#LINE#{{line_id}}"
    capsule: {{parent: true}}
    indexes:
      by_user:
        old: "C#{{capsule_id}}#P#{{product}}"
        new: "T#{{tenant_id}}#C#{{capsule_id}}#P#{{product}}"
"""

# Old key, old value, new key, new value: in one place, by hand.
MIGRATED = [
    (b"T#t1#CONFIG", b'{"capsule_id":"D"}', b"T#t1#C#D#CONFIG", b'{"capsule_id":"D"}'),
    (b"T#t1#ORDER#1", b'{"user":"u1" }\n', b"T#t1#C#P#ORDER#1",
     b'{"user":"u1","capsule_id":"P" }\n'),
    (b"T#t1#ORDER#2", b'{"user":7,"capsule_id":"D"}', b"T#t1#C#D#ORDER#2",
     b'{"user":7,"capsule_id":"D"}'),
    (b"T#t2#ORDER#1", b"{}", b"T#t2#C#P#ORDER#1", b'{"capsule_id":"P"}'),
    (b"T#t1#LINE#a", b'{"order":2,"product":"p"}', b"T#t1#C#D#LINE#a",
     b'{"order":2,"product":"p","capsule_id":"D"}'),
    (b"T#t2#LINE#b", b'{"order":"1"}', b"T#t2#C#P#LINE#b", b'{"order":"1","capsule_id":"P"}'),
]
LEFT = {
    "bad_value": (b"T#t1#ORDER#bad", b'{"user":'),
    "unknown_capsule": (b"T#t1#ORDER#odd", b'{"capsule_id":"X"}'),
    "unresolved_capsule": (b"T#t3#CONFIG", b"{}"),
    "orphan": (b"T#t1#LINE#alone", b'{"order":"99"}'),
    "key_too_long": (b"T#t1#ORDER#" + b"x" * 498, b"{}"),
    "conflict": (b"T#t1#ORDER#twice", b'{"a":1}'),
    "unmatched": (b"SOMETHING#else", b"\x00\xff"),
}
THERE_BEFORE = (b"T#t1#C#P#ORDER#twice", b'{"a":2,"capsule_id":"P"}')
OLD_ENTRIES = [
    (b"C#P#U#u1", b"T#t1#ORDER#1"),
    (b"C#D#U#7", b"T#t1#ORDER#2"),
    (b"C#D#P#p", b"T#t1#LINE#a"),
]
NEW_ENTRIES = [
    (b"T#t1#C#P#U#u1", b"T#t1#C#P#ORDER#1"),
    (b"T#t1#C#D#U#7", b"T#t1#C#D#ORDER#2"),
    (b"T#t1#C#D#P#p", b"T#t1#C#D#LINE#a"),
]
FOREIGN_ENTRY = (b"another", b"program's")


class World:
    """The tables of one store, changed in memory and read as a dump."""

    def __init__(self, copies):
        self.records = dict(LEFT.values()) | dict([THERE_BEFORE])
        self.entries = {FOREIGN_ENTRY}
        self.other = {b"k": b"v"}
        for old_key, old_value, new_key, new_value in MIGRATED:
            if "old" in copies:
                self.records[old_key] = old_value
            if "new" in copies:
                self.records[new_key] = new_value
        if "old" in copies:
            self.entries |= set(OLD_ENTRIES)
        if "new" in copies:
            self.entries |= set(NEW_ENTRIES)

    def tables(self):
        return {
            "": dump.Table(False, []),
            "data": dump.Table(False, sorted(self.records.items())),
            "by_user": dump.Table(True, sorted(self.entries)),
            "other": dump.Table(False, sorted(self.other.items())),
            "__rekey": dump.Table(False, [(b"state", b"?")]),
        }


class WithSpec(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.specs = {}
        for strategy in ("dual-write", "move"):
            path = os.path.join(self.folder, strategy + ".yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(SPEC.format(strategy=strategy))
            self.specs[strategy] = Spec(path)
        self.original = World({"old"}).tables()

    def violations(self, strategy, phase, world, original=True, **options):
        before = self.original if original else None
        checker = oracle.Oracle(self.specs[strategy], world.tables(), phase, before, **options)
        return checker.check()

    def assert_found(self, invariant, strategy, phase, world, original=True):
        found = self.violations(strategy, phase, world, original)
        self.assertIn(invariant, {violation.invariant for violation in found},
                      f"found only {[str(violation) for violation in found]}")

    def assert_good(self, strategy, phase, world, original=True):
        found = self.violations(strategy, phase, world, original)
        self.assertEqual([], [str(violation) for violation in found])


class GoodStores(WithSpec):
    def test_every_stable_state(self):
        cases = [
            ("dual-write", "old", {"old"}),
            ("dual-write", "dual_write", {"old"}),
            ("dual-write", "dual_write", {"old", "new"}),
            ("dual-write", "backfilled", {"old", "new"}),
            ("dual-write", "flipped", {"old", "new"}),
            ("dual-write", "contracted", {"old", "new"}),
            ("dual-write", "contracted", {"new"}),
            ("dual-write", "done", {"new"}),
            ("move", "old", {"old"}),
            ("move", "dual_write", {"old"}),
            ("move", "dual_write", {"new"}),
            ("move", "backfilled", {"new"}),
            ("move", "done", {"new"}),
        ]
        for strategy, phase, copies in cases:
            with self.subTest(strategy=strategy, phase=phase, copies=copies):
                self.assert_good(strategy, phase, World(copies))

    def test_without_a_snapshot(self):
        """A conflict cannot be told from a defect then, so it is left out."""
        for strategy, phase, copies in [
            ("dual-write", "backfilled", {"old", "new"}), ("dual-write", "done", {"new"}),
            ("move", "backfilled", {"new"}), ("move", "dual_write", {"old"}),
        ]:
            world = World(copies)
            del world.records[LEFT["conflict"][0]]
            del world.records[THERE_BEFORE[0]]
            with self.subTest(strategy=strategy, phase=phase):
                self.assert_good(strategy, phase, world, original=False)

    def test_tiers_in_different_phases(self):
        world = World({"old"})
        for old_key, _, new_key, new_value in MIGRATED:
            if b"#t1#" in old_key:
                world.records[new_key] = new_value
        world.entries |= {e for e in NEW_ENTRIES if e[0].startswith(b"T#t1#")}
        phases = {"canary": "flipped", "production": "old"}
        self.assert_good("dual-write", phases, world)
        self.assert_found(8, "dual-write", "flipped", world)

    def test_reasons(self):
        checker = oracle.Oracle(self.specs["dual-write"], self.original, "old", self.original)
        self.assertEqual({reason: 1 for reason in LEFT}, checker.reasons())
        for reason, (key, _) in LEFT.items():
            self.assertEqual(reason, checker.left[key])

    def test_half_a_run_is_no_full_one(self):
        for strategy in ("dual-write", "move"):
            self.assert_found(8, strategy, "backfilled", World({"old"}))

    def test_a_move_in_the_middle(self):
        world = World({"old"})
        old_key, _, new_key, new_value = MIGRATED[1]
        del world.records[old_key]
        world.records[new_key] = new_value
        world.entries -= {OLD_ENTRIES[0]}
        world.entries |= {NEW_ENTRIES[0]}
        self.assert_good("move", "dual_write", world)
        self.assert_found(4, "dual-write", "dual_write", world)




class PlantedDefects(WithSpec):
    """Each defect, planted alone in a good store, and the invariant that must name it."""

    # Strategy, phase, invariant, and what to do to a world where both copies are there.
    CASES = {
        "a changed old value": ("dual-write", "backfilled", 4, "change T#t1#ORDER#1"),
        "a lost old record": ("dual-write", "flipped", 4, "drop T#t1#ORDER#1"),
        "a new value without its capsule": (
            "dual-write", "backfilled", 4, "set T#t1#C#P#ORDER#1 {\"user\":\"u1\" }\n"),
        "a reformatted new value": (
            "dual-write", "backfilled", 4, 'set T#t1#C#P#ORDER#1 {"user":"u1","capsule_id":"P"}\n'),
        "a resurrected record": (
            "dual-write", "backfilled", 4, 'set T#t1#C#P#ORDER#gone {"capsule_id":"P"}'),
        "an old record from nowhere": ("dual-write", "backfilled", 4, "set T#t1#ORDER#new {}"),
        "a record that was not migrated": (
            "dual-write", "backfilled", 8, "drop T#t2#C#P#LINE#b"),
        "a parent that is not visible": ("dual-write", "dual_write", 5, "drop T#t2#C#P#ORDER#1"),
        "a record in another capsule": (
            "dual-write", "backfilled", 1, 'set T#t1#C#D#ORDER#1 {"capsule_id":"P"}'),
        "a capsule that is not allowed": (
            "dual-write", "backfilled", 1, 'set T#t1#C#X#ORDER#1 {"capsule_id":"X"}'),
        "a quarantined record that was changed": (
            "dual-write", "backfilled", 8, "change T#t1#ORDER#odd"),
        "a quarantined record that is gone": ("dual-write", "done", 8, "drop T#t3#CONFIG"),
        "a conflict that was overwritten": (
            "dual-write", "backfilled", "foreign",
            'set T#t1#C#P#ORDER#twice {"a":1,"capsule_id":"P"}'),
        "a foreign key that was changed": (
            "dual-write", "backfilled", "foreign", "change SOMETHING#else"),
        "a foreign key that is gone": (
            "dual-write", "backfilled", "foreign", "drop SOMETHING#else"),
        "a foreign key from nowhere": ("dual-write", "backfilled", "foreign", "set NOBODY#s x"),
        "a copy too many": ("move", "backfilled", 4, "nothing"),
        "an old record that outlived the end": ("dual-write", "done", 4, "nothing"),
    }

    def test_records(self):
        for name, (strategy, phase, invariant, change) in self.CASES.items():
            with self.subTest(name):
                world = World({"old", "new"})
                self.spoil(world, change)
                self.assert_found(invariant, strategy, phase, world)

    @staticmethod
    def spoil(world, change):
        verb, _, rest = change.partition(" ")
        key, _, value = rest.partition(" ")
        key = key.encode()
        if verb == "set":
            world.records[key] = value.encode()
        elif verb == "change":
            world.records[key] += b" "
        elif verb == "drop":
            del world.records[key]

    def test_a_lost_record(self):
        for strategy, phase, invariant in [
            ("dual-write", "done", 10), ("dual-write", "contracted", 10),
            ("dual-write", "backfilled", 8), ("move", "dual_write", 8), ("move", "done", 10),
        ]:
            world = World({"new"})
            if strategy == "dual-write" and phase == "backfilled":
                world = World({"old", "new"})
                del world.records[b"T#t2#LINE#b"]
            del world.records[b"T#t2#C#P#LINE#b"]
            with self.subTest(strategy=strategy, phase=phase):
                self.assert_found(invariant, strategy, phase, world)

    def test_contract_with_another_value(self):
        world = World({"new"})
        world.records[b"T#t2#C#P#LINE#b"] = b'{"order":"1","capsule_id":"P","x":1}'
        self.assert_found(10, "dual-write", "done", world)

    def test_deletes_in_the_wrong_order(self):
        world = World({"old", "new"})
        del world.records[b"T#t1#ORDER#2"]
        world.entries -= {OLD_ENTRIES[1]}
        self.assert_found(5, "dual-write", "contracted", world)

    def test_a_child_moved_before_its_parent(self):
        world = World({"old"})
        old_key, _, new_key, new_value = MIGRATED[4]
        del world.records[old_key]
        world.records[new_key] = new_value
        self.assert_found(5, "move", "dual_write", world)

    def test_rolled_back_too_little(self):
        self.assert_found(4, "dual-write", "old", World({"old", "new"}))

    def test_resurrected_without_a_snapshot(self):
        world = World({"old", "new"})
        del world.records[b"T#t1#ORDER#1"]
        self.assert_found(4, "dual-write", "backfilled", world, original=False)

    def test_both_copies_of_a_move_without_a_snapshot(self):
        world = World({"new"})
        del world.records[LEFT["conflict"][0]]
        world.records[MIGRATED[3][0]] = MIGRATED[3][1]
        self.assert_found(4, "move", "backfilled", world, original=False)

    def test_a_shadowed_record(self):
        """Two capsules' writes on one old key: the one that is hidden is no resurrection."""
        world = World({"old", "new"})
        world.records[b"T#t1#C#P#CONFIG"] = b'{"capsule_id":"P"}'
        del world.records[LEFT["conflict"][0]]
        del world.records[THERE_BEFORE[0]]
        self.assert_found(4, "dual-write", "flipped", world, original=False)
        found = self.violations("dual-write", "flipped", world, False, shadowed_allowed=True)
        self.assertEqual([], found)


class PlantedIndexDefects(WithSpec):
    def spoiled(self, add=(), drop=(), copies=("old", "new")):
        world = World(set(copies))
        world.entries |= set(add)
        world.entries -= set(drop)
        return world

    def test_a_missing_new_entry(self):
        world = self.spoiled(drop=[NEW_ENTRIES[0]])
        self.assert_found("index", "dual-write", "backfilled", world)
        self.assert_found("index", "dual-write", "backfilled", world, original=False)

    def test_a_missing_old_entry(self):
        world = self.spoiled(drop=[OLD_ENTRIES[2]])
        self.assert_found("index", "dual-write", "flipped", world)
        self.assert_found("index", "dual-write", "flipped", world, original=False)

    def test_an_old_entry_after_the_end(self):
        world = self.spoiled(add=[OLD_ENTRIES[0]], copies=["new"])
        self.assert_found("index", "dual-write", "done", world)
        self.assert_found("index", "move", "backfilled", world)

    def test_an_entry_for_an_absent_field(self):
        entry = (b"T#t2#C#P#U#", b"T#t2#C#P#ORDER#1")
        self.assert_found("index", "dual-write", "backfilled", self.spoiled(add=[entry]))

    def test_an_entry_that_leads_to_another_capsule(self):
        entry = (b"T#t1#C#P#U#u9", b"T#t1#C#D#ORDER#2")
        self.assert_found(1, "dual-write", "backfilled", self.spoiled(add=[entry]))

    def test_an_entry_that_leads_to_another_tenant(self):
        entry = (b"T#t2#C#P#U#u1", b"T#t1#C#P#ORDER#1")
        self.assert_found(1, "dual-write", "backfilled", self.spoiled(add=[entry]))

    def test_a_new_index_key_that_leads_to_an_old_record(self):
        entry = (b"T#t1#C#P#U#u1", b"T#t1#ORDER#1")
        self.assert_found(1, "dual-write", "backfilled", self.spoiled(add=[entry]))

    def test_a_dangling_entry(self):
        entry = (b"T#t1#C#P#U#u1", b"T#t1#C#P#ORDER#none")
        self.assert_found("index", "dual-write", "backfilled", self.spoiled(add=[entry]))

    def test_a_foreign_entry_that_is_gone(self):
        world = self.spoiled(drop=[FOREIGN_ENTRY])
        self.assert_found("index", "dual-write", "backfilled", world)


class PlantedForeignDefects(WithSpec):
    def test_tables(self):
        for name, change in {
            "changed": lambda world: world.other.update({b"k": b"w"}),
            "more": lambda world: world.other.update({b"l": b"w"}),
            "fewer": lambda world: world.other.clear(),
        }.items():
            with self.subTest(name):
                world = World({"old", "new"})
                change(world)
                self.assert_found("foreign", "dual-write", "backfilled", world)


class Ambiguity(WithSpec):
    def test_a_key_of_two_entities(self):
        spec = self.specs["dual-write"]
        spec.entities["Config"].old = Pattern("T#{tenant_id}#ORDER#{x}")
        self.assert_found(3, "dual-write", "old", World({"old"}))


class Equality(WithSpec):
    def test_equal_but_for_the_metadata(self):
        other = World({"old"}).tables()
        other["__rekey"] = dump.Table(False, [])
        oracle.check_equal(self.original, other)

    def test_every_kind_of_difference(self):
        changes = {
            "value": lambda tables: tables["data"].entries.__setitem__(0, (b"k", b"v")),
            "fewer": lambda tables: tables["data"].entries.pop(),
            "index": lambda tables: tables["by_user"].entries.append((b"a", b"b")),
            "table": lambda tables: tables.pop("other"),
            "shape": lambda tables: setattr(tables["other"], "dupsort", True),
        }
        for name, change in changes.items():
            with self.subTest(name):
                tables = World({"old"}).tables()
                change(tables)
                with self.assertRaises(oracle.Violated):
                    oracle.check_equal(self.original, tables)


class Inserting(unittest.TestCase):
    CASES = {
        b"{}": b'{"c":"X"}',
        b"{ }": b'{"c":"X" }',
        b'{"a":1}': b'{"a":1,"c":"X"}',
        b'{"a":{}}\n': b'{"a":{},"c":"X"}\n',
        b' {"a":"}" \t\r\n}  ': b' {"a":"}","c":"X" \t\r\n}  ',
    }

    def test_bytes(self):
        for before, after in self.CASES.items():
            self.assertEqual(after, insert_member(before, "c", "X"))


class OnDisk(WithSpec):
    """The command line, and an environment that LMDB wrote."""

    def write(self, world):
        folder = os.path.join(self.folder, "store")
        env = lmdb.open(folder, max_dbs=8, map_size=1 << 24)
        for name, entries, dupsort in [
            (b"data", world.records.items(), False), (b"by_user", world.entries, True),
            (b"other", world.other.items(), False),
        ]:
            table = env.open_db(name, dupsort=dupsort)
            with env.begin(write=True, db=table) as txn:
                for key, value in entries:
                    txn.put(key, value)
        with env.begin(write=True) as txn:
            txn.put(b"in the unnamed one", b"too")
        env.close()
        return folder

    def command(self, *words):
        script = os.path.join(HERE, "oracle.py")
        spec = self.specs["dual-write"].path
        return subprocess.run(
            [sys.executable, script, "--spec", spec, *words], capture_output=True, text=True)

    def test_reads_what_lmdb_wrote(self):
        world = World({"old", "new"})
        tables = dump.read(self.write(world))
        self.assertEqual([(b"in the unnamed one", b"too")], tables[""].entries)
        self.assertEqual(world.tables()["data"], tables["data"])
        self.assertEqual(world.tables()["by_user"], tables["by_user"])

    def test_command(self):
        before = os.path.join(self.folder, "before.json")
        folder = self.write(World({"old"}))
        self.assertEqual(0, self.command("--store", folder, "--snapshot", before).returncode)
        good = self.command("--store", folder, "--phase", "old", "--original", before)
        self.assertEqual(0, good.returncode, good.stdout)
        bad = self.command("--store", "lmdb:" + folder, "--phase", "done", "--original", before)
        self.assertEqual(1, bad.returncode)
        self.assertIn("invariant 8", bad.stdout)


if __name__ == "__main__":
    unittest.main()
