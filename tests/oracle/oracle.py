#!/usr/bin/env python3
"""The invariants of a migration as one checker, written apart from the engine.

Compares a store with what its spec says must be there in a phase, and with a snapshot taken before
the migration if there is one. Violations carry the number of the invariant in the design:

    1  nothing of another tenant or capsule behind a new key or a new index key
    3  key build and match are inverse; no key has two entities
    4  while both copies live: new is what old becomes, old is untouched, nothing is resurrected
    5  a visible child has a visible parent in the same capsule; old ones go in the reverse order
    8  source records = migrated + quarantined, exactly
    10 an old record is gone only where its new one exists with the expected value
    index    entries exactly for what is there, old and new
    foreign  what belongs to no entity is untouched, byte for byte

A phase is `old`, `dual_write` (in the middle of a run or a rollback), `backfilled`, `flipped`,
`contracted` (in the middle of the contract) or `done`; each tier may be in another.

    oracle.py --spec specs/202611210900_capsule_isolation.yaml --store DIR --snapshot before.json
    oracle.py --spec specs/202611210900_capsule_isolation.yaml --store DIR --phase backfilled \\
              --original before.json
"""
import argparse
import os
import sys
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import dump  # noqa: E402
from model import CONFLICT, UNMATCHED, LeftAlone, Spec, Transform  # noqa: E402

OLD = frozenset({"old"})
NEW = frozenset({"new"})
BOTH = OLD | NEW

# In which copies a record that can be migrated may be there, by phase and strategy.
COPIES = {
    "old": {"dual-write": {OLD}, "move": {OLD}},
    "dual_write": {"dual-write": {OLD, BOTH}, "move": {OLD, NEW}},
    "backfilled": {"dual-write": {BOTH}, "move": {NEW}},
    "flipped": {"dual-write": {BOTH}, "move": {NEW}},
    "contracted": {"dual-write": {BOTH, NEW}, "move": {NEW}},
    "done": {"dual-write": {NEW}, "move": {NEW}},
}
PHASES = tuple(COPIES)
NO_ORIGIN = "a new record without an origin"
AFTER_CONTRACT = ("contracted", "done")


@dataclass(frozen=True)
class Violation:
    invariant: object  # a number, "index" or "foreign"
    table: str
    key: bytes
    problem: str

    def __str__(self):
        return f"invariant {self.invariant}: {self.table!r} {self.key!r}: {self.problem}"


class Violated(AssertionError):
    """Carries every violation; the message shows the first few."""

    def __init__(self, violations, shown=20):
        self.violations = violations
        lines = [str(violation) for violation in violations[:shown]]
        if len(violations) > shown:
            lines.append(f"and {len(violations) - shown} more")
        super().__init__("\n".join([f"{len(violations)} violations"] + lines))


class Oracle:
    """One store in one moment. `phase` is a phase, or a dict with one for each tier.

    Without `original` the old records that are there stand for it, and what an engine could have
    lost altogether cannot be seen.
    """

    def __init__(self, spec, tables, phase, original=None, shadowed_allowed=False):
        self.spec = spec
        self.tables = tables
        self.phases = phase if isinstance(phase, dict) else dict.fromkeys(
            ("canary", "production"), phase)
        self.original = original
        self.shadowed_allowed = shadowed_allowed
        self.violations = []
        self.records = _records(tables, spec)
        self.entries = _entries(tables, spec)
        self.base_records = self._base_records()
        self.base_entries = _entries(original or tables, spec)
        self.transform = Transform(spec, self.base_records)
        self.images = {}  # by old key
        self.left = {}  # reason by key of what must not be touched
        self.already_new = set()  # keys of the new shape that stood there before
        self._sort_base()

    def check(self):
        """Every violation, in the order of the checks."""
        self._check_matches()
        self._check_left_alone()
        self._check_images()
        self._check_leftovers()
        self._check_entries()
        self._check_new_records()
        self._check_index_scopes()
        self._check_order_of_deletes()
        if self.original is not None:
            self._check_foreign_tables()
        return self.violations

    def reasons(self):
        """How many records are left alone, by reason."""
        counts = {}
        for reason in self.left.values():
            counts[reason] = counts.get(reason, 0) + 1
        return counts

    # --- getting ready

    def _base_records(self):
        """What the migration started from: the snapshot, or else the old side of the store."""
        if self.original is not None:
            return _records(self.original, self.spec)
        if self.spec.strategy == "move":
            return self.records
        return {k: v for k, v in self.records.items() if self.spec.side(k) != "new"}

    def _sort_base(self):
        for key in self.base_records:
            side = self.spec.side(key)
            if side is None:
                self.left[key] = UNMATCHED
            elif side == "new" and self.original is not None:
                self.already_new.add(key)
            elif side == "old":
                self._sort_old(key)

    def _sort_old(self, key):
        try:
            self.images[key] = self.transform.old(key)
        except LeftAlone as left:
            self.left[key] = left.reason
            if left.reason == CONFLICT and self.original is None:
                self._report(4, key, "is there beside a different record at its new key")

    def _report(self, invariant, key, problem, table=None):
        table = self.spec.database if table is None else table
        self.violations.append(Violation(invariant, table, key, problem))

    def _phase_of(self, tenant):
        return self.phases[self.spec.tier(tenant)]

    def _copies(self, image):
        keys = {"old": image.old_key, "new": image.new_key}
        return frozenset(side for side, key in keys.items() if key in self.records)

    # --- records

    def _check_matches(self):
        for key in self.records:
            found = self.spec.matches(key)
            if len(found) > 1:
                names = ", ".join(f"{entity.name} {side}" for entity, side, _ in found)
                self._report(3, key, f"matches {names}")
            for entity, side, values in found:
                if getattr(entity, side).build(values) != key:
                    self._report(3, key, f"build(match(key)) is another key for {entity.name}")

    def _check_left_alone(self):
        for key, reason in self.left.items():
            invariant = "foreign" if reason == UNMATCHED else 8
            if key not in self.records:
                self._report(invariant, key, f"was to be left alone ({reason}) and is gone")
            elif self.records[key] != self.base_records[key]:
                self._report(invariant, key, f"was to be left alone ({reason}) and was changed")
        for key in self.already_new:
            if self.records.get(key) != self.base_records[key]:
                self._report("foreign", key, "stood at its new key before and was changed")

    def _check_images(self):
        for image in self.images.values():
            self._check_inverse(image)
            self._check_copies(image)
            self._check_values(image)

    def _check_inverse(self, image):
        entity = self.spec.entities[image.entity]
        values = entity.new.match(image.new_key)
        if values is None or entity.new.build(values) != image.new_key:
            self._report(3, image.old_key, "match(build(x)) is not x")
        elif values[self.spec.capsule] != image.capsule.encode():
            self._report(3, image.old_key, "the built key names another capsule")

    def _check_copies(self, image):
        phase = self._phase_of(image.tenant)
        copies = self._copies(image)
        if copies in COPIES[phase][self.spec.strategy]:
            return
        if not copies:
            self._report(10 if phase in AFTER_CONTRACT else 8, image.old_key, "the record is lost")
        elif copies == OLD:
            self._report(8, image.old_key, f"is not migrated, phase {phase}")
        elif copies == BOTH:
            self._report(4, image.old_key, f"is there in both shapes, phase {phase}")
        elif self.spec.strategy == "dual-write" and phase not in AFTER_CONTRACT:
            self._report(4, image.old_key, f"the old record is gone, phase {phase}")
        else:
            self._report(4, image.new_key, f"the new record is there, phase {phase}")

    def _check_values(self, image):
        copies = self._copies(image)
        if "old" in copies and self.records[image.old_key] != image.old_value:
            self._report(4, image.old_key, "the old bytes were touched")
        if "new" in copies and self.records[image.new_key] != image.new_value:
            self._report(4 if "old" in copies else 10, image.new_key,
                         "the new value is not what the old one becomes")

    # --- what is there and came from nothing

    def _check_leftovers(self):
        known = {image.new_key for image in self.images.values()} | set(self.images)
        known |= set(self.left) | self.already_new
        for key in self.records:
            if key not in known:
                self._check_leftover(key)

    def _check_leftover(self, key):
        side = self.spec.side(key)
        if side is None or side == "old":
            self._report("foreign" if side is None else 4, key, "came from nowhere")
        elif self.original is not None:
            self._report(4, key, NO_ORIGIN)
        else:
            self._check_origin(key)

    def _check_origin(self, key):
        """Without a snapshot: while old copies live, each new record must have one."""
        try:
            image = Transform(self.spec, self.records).new(key, self.records[key])
        except LeftAlone:
            return  # reported with the new records
        phase = self._phase_of(image.tenant)
        if self.spec.strategy == "move" or phase in AFTER_CONTRACT:
            return
        there = self.images.get(image.old_key)
        if there is not None and there.capsule != image.capsule and self.shadowed_allowed:
            return
        self._report(4, key, NO_ORIGIN)

    # --- index entries

    def _check_entries(self):
        expected = self._expected_entries()
        optional = self._sweepable_entries()
        for entry in sorted(expected - self.entries - optional):
            self._report("index", entry[1], f"no entry for {entry[2]!r}", entry[0])
        for entry in sorted(self.entries - expected):
            self._report("index", entry[1], f"an entry too many, for {entry[2]!r}", entry[0])

    def _expected_entries(self):
        owned = set()
        there = set()
        for image in self.images.values():
            copies = self._copies(image)
            owned |= image.old_entries | image.new_entries
            if "old" in copies:
                there |= self._old_entries(image)
            if "new" in copies:
                there |= image.new_entries
        if self.original is not None:
            return (self.base_entries - owned) | there
        strangers = {e for e in self.base_entries - owned if self._is_stranger(e)}
        return strangers | there | self._entries_of_new()

    def _old_entries(self, image):
        """What the old application forgot to write is not asked for."""
        if self.original is not None:
            return image.old_entries & self.base_entries
        return image.old_entries

    def _is_stranger(self, entry):
        """An entry that belongs to no record of ours, or to one that is left alone."""
        return self.spec.side(entry[2]) is None or entry[2] in self.left

    def _entries_of_new(self):
        transform = Transform(self.spec, self.records)
        found = set()
        for key, value in self.records.items():
            if self.spec.side(key) == "new":
                try:
                    found |= transform.new(key, value).new_entries
                except LeftAlone:
                    pass  # reported with the new records
        return found

    def _sweepable_entries(self):
        """Entries that had outlived their records before we came: the contract may take them."""
        if not set(self.phases.values()) & set(AFTER_CONTRACT):
            return set()
        return {
            entry for entry in self.base_entries
            if self.spec.side(entry[2]) == "old" and entry[2] not in self.base_records
        }

    # --- the new side by itself

    def _check_new_records(self):
        transform = Transform(self.spec, self.records)
        for key, value in self.records.items():
            if self.spec.side(key) != "new" or key in self.already_new:
                continue
            try:
                image = transform.new(key, value)
            except LeftAlone as left:
                self._report(1, key, f"key and value do not agree: {left.reason}")
                continue
            if image.parent_new_key and image.parent_new_key not in self.records:
                self._report(5, key, f"its parent {image.parent_new_key!r} is not there")

    def _check_index_scopes(self):
        for entry in sorted(self.entries):
            name, key, primary = entry
            if self.spec.side(primary) == "new":
                self._check_new_entry(name, key, primary)
            elif self._index_scopes(name, key, "new") and not self._was_there(entry):
                self._report(1, key, f"a new index key leads to {primary!r}", name)

    def _check_new_entry(self, name, key, primary):
        values = self.spec.matches(primary)[0][2]
        scope = (values[self.spec.tenant], values[self.spec.capsule])
        if scope not in self._index_scopes(name, key, "new"):
            self._report(1, key, f"leads out of its scope, to {primary!r}", name)
        if primary not in self.records:
            self._report("index", key, f"leads to {primary!r}, which is not there", name)

    def _index_scopes(self, name, key, side):
        found = []
        for entity in self.spec.entities.values():
            for index in entity.indexes:
                values = getattr(index, side).match(key) if index.name == name else None
                if values is not None:
                    found.append((values[self.spec.tenant], values[self.spec.capsule]))
        return found

    def _was_there(self, entry):
        return self.original is not None and entry in self.base_entries

    def _check_order_of_deletes(self):
        """While the contract goes on, an old child that is left still has its old parent."""
        for image in self.images.values():
            if self._phase_of(image.tenant) != "contracted" or image.parent_old_key is None:
                continue
            parent = self.images.get(image.parent_old_key)
            if image.old_key in self.records and parent and parent.old_key not in self.records:
                self._report(5, image.old_key, "its old parent was deleted before it")

    # --- what is not ours

    def _check_foreign_tables(self):
        ours = {self.spec.database, dump.META, *self.spec.index_names}
        before = {n: t for n, t in self.original.items() if n not in ours}
        after = {n: t for n, t in self.tables.items() if n not in ours}
        for line in dump.differences(before, after):
            self.violations.append(Violation("foreign", "", b"", line))


def _records(tables, spec):
    table = tables.get(spec.database)
    return table.records() if table else {}


def _entries(tables, spec):
    """Every entry of every index table, as (index, key, primary key)."""
    return {
        (name, key, primary)
        for name in spec.index_names if name in tables
        for key, primary in tables[name].entries
    }


# --- for tests ------------------------------------------------------------------------------------


def check(spec, store, phase, original=None, shadowed_allowed=False):
    """Raises Violated. `spec` and `store` are paths or what was read from them."""
    spec = Spec(spec) if isinstance(spec, (str, os.PathLike)) else spec
    tables = dump.read(store) if isinstance(store, (str, os.PathLike)) else store
    oracle = Oracle(spec, tables, phase, original, shadowed_allowed)
    violations = oracle.check()
    if violations:
        raise Violated(violations)
    return oracle


def check_equal(before, after, spec=None):
    """Raises Violated unless all tables but `__rekey` are equal, byte for byte."""
    may_be_missing = spec.index_names if spec else ()
    lines = dump.differences(before, after, may_be_missing)
    if lines:
        raise Violated([Violation(11, "", b"", line) for line in lines])


# --- for people -----------------------------------------------------------------------------------


def _arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True)
    parser.add_argument("--store", required=True, help="an LMDB environment folder")
    parser.add_argument("--phase", choices=PHASES)
    parser.add_argument("--original", metavar="FILE", help="a snapshot from before the migration")
    parser.add_argument("--snapshot", metavar="FILE", help="only write one, and stop")
    parser.add_argument("--shadowed-allowed", action="store_true",
                        help="clients wrote records of two capsules to one old key")
    arguments = parser.parse_args()
    if bool(arguments.phase) == bool(arguments.snapshot):
        parser.error("give --phase or --snapshot")
    return arguments


def main():
    arguments = _arguments()
    tables = dump.read(arguments.store.removeprefix("lmdb:"))
    if arguments.snapshot:
        dump.save(tables, arguments.snapshot)
        return 0
    original = dump.load(arguments.original) if arguments.original else None
    oracle = Oracle(Spec(arguments.spec), tables, arguments.phase, original,
                    arguments.shadowed_allowed)
    violations = oracle.check()
    for violation in violations:
        print(violation)
    left = ", ".join(f"{count} {reason}" for reason, count in sorted(oracle.reasons().items()))
    print(f"{len(oracle.records)} records, {len(oracle.entries)} index entries, "
          f"left alone: {left or 'none'}; {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
