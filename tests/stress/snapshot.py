"""The store itself, read by another program while everybody works: one snapshot of all tables.

Of a snapshot the oracle says whether it keeps the invariants of its phase, and every record in it
is one more read for the checker.
"""
import time

import lmdb

import dump
import oracle
from checkpoint import Checkpoints
from history import READS, TENANT_WIDE
from model import LeftAlone, Transform

SHARED = "x"  # begins the ids that both capsules use, as in traffic.c
FNV_BASIS, FNV_PRIME = 0xcbf29ce484222325, 0x100000001b3


def hash_of(value):
    """As stress_hash."""
    found = FNV_BASIS
    for byte in value:
        found = (found ^ byte) * FNV_PRIME & 0xffffffffffffffff
    return f"{found:016x}"


def token_of(value):
    """As stress_token_of."""
    opening = b'{"t":"'
    if not value.startswith(opening):
        return "-"
    return value[len(opening):value.index(b'"', len(opening))].decode()


class Snapshot:
    """Every table in one read transaction; dump.read takes one transaction a table."""

    def __init__(self, folder, spec):
        self.spec = spec
        self.start = time.monotonic_ns()
        env = lmdb.open(folder, readonly=True, max_dbs=dump.TABLES_MAX, readahead=False)
        try:
            names = [spec.database, *spec.index_names, dump.META]
            handles = {name: _handle(env, name) for name in names}
            with env.begin() as txn:
                self.tables = {
                    name: dump.Table(name in spec.index_names,
                                     [(bytes(k), bytes(v)) for k, v in txn.cursor(db=handle)])
                    for name, handle in handles.items() if handle is not None}
        finally:
            env.close()
        self.end = time.monotonic_ns()
        self.records = self.tables[spec.database].records()
        self.meta = self.tables[dump.META].records()

    def check(self, phases):
        """(invariant, table, key, problem) of all that is wrong."""
        found = [(v.invariant, v.table, v.key, v.problem) for v in self._check_oracle(phases)]
        points = Checkpoints(self.spec, self.records, self.meta, self._is_shared)
        behind = points.problems(Transform(self.spec, self.records))
        return found + [(7, self.spec.database, key, problem) for key, problem in behind]

    def _check_oracle(self, phases):
        """What the oracle finds, but for what live clients may do and a quiet run never does."""
        found = oracle.Oracle(self.spec, self.tables, phases, shadowed_allowed=True).check()
        return [violation for violation in found
                if not self._is_ahead(violation, phases) and not self._is_outlived(violation)]

    def _is_ahead(self, violation, phases):
        """A client puts a child at its new key before the backfill has come to the parent, which
        every reader of that phase finds at its old key."""
        if violation.invariant != 5:
            return False
        image = Transform(self.spec, self.records).new(violation.key, self.records[violation.key])
        return (phases[self.spec.tier(image.tenant)] == "dual_write"
                and image.parent_old_key in self.records)

    def _is_outlived(self, violation):
        """Of an id that two capsules use, one wrote over the other's old copy and then deleted its
        own: the other's new record lives on without an origin."""
        return violation.problem == oracle.NO_ORIGIN and self._is_shared(violation.key)

    def _is_shared(self, key):
        for entity, side, _ in self.spec.matches(key):
            record = self._record(entity.name, side, key)[2]
            return record == "-" or record.startswith(SHARED)
        return False

    def seeds(self):
        """Rows of seeds.json. The one record of a tenant that the workers write too is none."""
        transform = Transform(self.spec, self.records)
        for key in self.records:
            image = transform.old(key)
            record = self._record(image.entity, "old", key)
            if record[2] != "-":
                hashes = [hash_of(image.old_value), hash_of(image.new_value)]
                yield {"record": record, "capsule": image.capsule, "hashes": hashes}

    def _record(self, entity, side, key):
        values = getattr(self.spec.entities[entity], side).match(key)
        own = [values[name].decode() for name in self.spec.entities[entity].old.variables
               if name != self.spec.tenant]
        return entity, values[self.spec.tenant].decode(), own[0] if own else "-"

    # --- as reads

    def lines(self, places, phases):
        """A log line for each (entity, tenant, id, capsule), as a read in its phase finds it."""
        for place in sorted(places):
            value = self._read(*place, phases[self.spec.tier(place[1].encode())])
            what = f"ok {token_of(value)} {hash_of(value)}" if value else "not_found - -"
            entity, tenant, record, capsule = place
            yield (f"R 0 {self.start} {self.end} get {entity} {tenant} {capsule} {record} "
                   f"{what}\n")

    def _read(self, name, tenant, record, capsule, phase):
        entity = self.spec.entities[name]
        values = {self.spec.tenant: tenant.encode(), self.spec.capsule: capsule.encode()}
        for variable in entity.old.variables:
            values.setdefault(variable, record.encode())
        old, new = entity.old.build(values), entity.new.build(values)
        if READS[self.spec.strategy][phase] == TENANT_WIDE:
            return self.records.get(old)
        if new in self.records or phase != "dual_write":
            return self.records.get(new)
        return self._old_in(old, capsule)

    def _old_in(self, key, capsule):
        if key not in self.records:
            return None
        try:
            image = Transform(self.spec, self.records).old(key)
        except LeftAlone:
            return None
        return image.old_value if image.capsule == capsule else None


def inherit_lock(folder):
    """Ends what a killed writer has begun.

    Readers see a transaction only after its meta page is written. A process that is killed between
    the two has committed, and whoever takes over the lock that it died with makes that visible,
    which may be long after. From here on nothing of the dead appears any more.
    """
    env = lmdb.open(folder, max_dbs=dump.TABLES_MAX)
    try:
        env.begin(write=True).abort()
    finally:
        env.close()


def _handle(env, name):
    try:
        return env.open_db(name.encode(), create=False)
    except lmdb.NotFoundError:
        return None
