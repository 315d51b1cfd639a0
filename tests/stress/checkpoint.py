"""Invariant 7, from a snapshot: up to the checkpoint every record was processed.

Reads `state` and `task/TIER` of the table __rekey by their documented layout (rekey/state), and
walks the records in the order of a job (rekey/engine/walk.h): stage, tenant, rank, key.
"""
import struct

from model import LeftAlone

BACKFILL, DROP_NEW, RETURN, CONTRACT = 1, 2, 3, 4
OLD_SIDE = (BACKFILL, CONTRACT)
TIERS = ("canary", "production")  # in the order of `state`
TEMPLATE = "FinancialConfig"  # the spec's entity with the fewest records: a stage of its own


class _Bytes:
    """Little-endian integers of fixed width; a byte string is a length and the bytes."""

    def __init__(self, data):
        self.data = data
        self.at = 1  # behind the layout's version
        if data[0] != 1:
            raise ValueError(f"layout {data[0]} is not known here")

    def number(self, form):
        found = struct.unpack_from("<" + form, self.data, self.at)[0]
        self.at += struct.calcsize("<" + form)
        return found

    def text(self):
        length = self.number("I")
        self.at += length
        return self.data[self.at - length:self.at]


def _tier_epochs(data):
    state = _Bytes(data)
    state.number("Q")
    state.text()
    state.text()
    state.number("B")
    epochs = {}
    for tier in TIERS:
        state.number("B")
        state.number("B")
        epochs[tier] = state.number("Q")
    return epochs


def _task(data):
    task = _Bytes(data)
    job, epoch, stage = task.number("B"), task.number("Q"), task.number("I")
    finished, rank = task.number("B"), task.number("I")
    return job, epoch, finished, (stage, task.text(), rank, task.text())


def _level(spec, entity):
    return _level(spec, spec.entities[entity.parent]) + 1 if entity.parent else 0


class Checkpoints:
    """`problems` of one snapshot, as (key, text); without the records of `is_shared`."""

    def __init__(self, spec, records, meta, is_shared):
        self.spec = spec
        self.records = records
        self.is_shared = is_shared
        self.levels = {name: _level(spec, entity) for name, entity in spec.entities.items()}
        self.tasks = {}
        epochs = _tier_epochs(meta[b"state"])
        for tier in TIERS:
            data = meta.get(b"task/" + tier.encode())
            if data is not None:
                job, epoch, finished, point = _task(data)
                if epoch == epochs[tier] and job:  # of another epoch it is void
                    self.tasks[tier] = job, finished, point

    def problems(self, transform):
        for key in self.records:
            found = self.spec.matches(key)
            if not found or self.is_shared(key):
                continue
            entity, side, values = found[0]
            task = self.tasks.get(self.spec.tier(values[self.spec.tenant]))
            if task is None or (side == "old") != (task[0] in OLD_SIDE):
                continue
            if self._is_behind(task, entity, values, key):
                problem = self._judge(task[0], key, transform)
                if problem:
                    yield key, problem

    def _is_behind(self, task, entity, values, key):
        job, finished, point = task
        level = self.levels[entity.name]
        rank = level if job == BACKFILL else max(self.levels.values()) - level
        stage = 1 if job == BACKFILL and entity.name != TEMPLATE else 0
        return finished or (stage, values[self.spec.tenant], rank, key) <= point

    def _judge(self, job, key, transform):
        """What a job has left behind its checkpoint, and should not have."""
        if job == BACKFILL and self.spec.strategy == "dual-write":
            try:
                new_key = transform.old(key).new_key
            except LeftAlone as left:
                return f"is behind the checkpoint and cannot be migrated: {left.reason}"
            return None if new_key in self.records else "is behind the checkpoint, not migrated"
        return "is behind the checkpoint and still there"
