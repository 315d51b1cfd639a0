"""What happened: the workers' logs, the phases that went by, and what was in the store before.

The words of the logs are described in log.h. Times are nanoseconds of one machine's monotonic
clock. Nothing here judges.
"""
import glob
import json
import os
from dataclasses import dataclass, field

NEVER = -1
FOR_EVER = 1 << 62

# What a write's status says about it. After any other, it may have landed or not.
DONE = "ok"
KILLED = "killed"  # the worker did not live to say
REFUSED = ("not_found", "conflict", "invalid", "limit")

TENANT_WIDE = "tenant-wide"
SCOPED = "scoped"

# What reads do, by strategy and phase.
READS = {
    "dual-write": {"old": TENANT_WIDE, "dual_write": TENANT_WIDE, "flipped": SCOPED,
                   "contracted": SCOPED, "done": SCOPED},
    "move": {"old": TENANT_WIDE, "dual_write": SCOPED, "flipped": SCOPED, "contracted": SCOPED,
             "done": SCOPED},
}


@dataclass
class Write:
    worker: str
    sequence: int
    start: int
    end: int
    verb: str
    record: tuple  # entity, tenant, id
    capsule: str
    token: str  # None for a delete
    hashes: frozenset
    index: str
    expected: str  # the token that a compare_and_put asked for
    status: str

    def is_delete(self):
        return self.token is None

    def is_done(self):
        return self.status == DONE

    def may_have_landed(self):
        return self.status not in REFUSED

    def __str__(self):
        what = f"{self.verb} of {self.token}" if self.token else self.verb
        return f"{what} by {self.worker} in {self.capsule} ({self.status})"


@dataclass
class Read:
    worker: str
    sequence: int
    start: int
    end: int
    verb: str
    record: tuple
    capsule: str
    status: str
    token: str = None  # None: not there
    hash: str = None

    def __str__(self):
        return f"{self.verb} by {self.worker} #{self.sequence} in {self.capsule}"


@dataclass
class Walk:
    """A list, or a query."""

    worker: str
    sequence: int
    start: int
    end: int
    entity: str
    tenant: str
    capsule: str
    where: str  # None for a list
    status: str
    rows: list  # of (id, token, hash)

    def is_whole(self):
        return self.status == "not_found"

    def __str__(self):
        what = f"query {self.where}" if self.where else "list"
        return f"{what} of {self.entity} by {self.worker} #{self.sequence} in {self.capsule}"


@dataclass
class Seed:
    """A record that was there before the workers, and that none of them writes."""

    capsule: str
    hashes: frozenset


@dataclass
class Change:
    """Between start and end, each tier went from a phase to a phase; `command` asked for it."""

    start: int
    end: int
    command: str
    before: dict
    after: dict


class Phases:
    """Which phases a tier may have been in, at a time."""

    def __init__(self, strategy, changes, canary=()):
        self.strategy = strategy
        self.changes = changes
        self.canary = canary

    def _tier(self, tenant):
        return "canary" if tenant in self.canary else "production"

    def modes(self, tenant, start, end):
        """What a read in this time may have done. A set; of both, either."""
        tier = self._tier(tenant)
        found = set()
        for phase, begin, until in self._spans(tier):
            if begin <= end and start <= until:
                found.add(READS[self.strategy][phase])
        return found

    def _spans(self, tier):
        """(phase, from, to) of every phase, each as long as it can have been."""
        begin = NEVER
        phase = "old"
        for change in self.changes:
            before, after = change.before[tier], change.after[tier]
            if before != after:
                yield phase, begin, change.end
                for between in self._between(before, after):
                    yield between, change.start, change.end
                phase, begin = after, change.start
        yield phase, begin, FOR_EVER

    def _between(self, before, after):
        """What one command may pass through on its way."""
        order = list(READS[self.strategy])
        if order.index(after) > order.index(before):
            return order[order.index(before) + 1:order.index(after)]
        return ["dual_write"] if self.strategy == "move" else []

    def stretches(self, tenant):
        """(mode, from, to) in which reads surely did the same; a rollback ends one."""
        tier = self._tier(tenant)
        begin, mode, undoing = 0, READS[self.strategy]["old"], False
        for change in self.changes:
            after = READS[self.strategy][change.after[tier]]
            is_rollback = change.command == "rollback"
            if after == mode and not is_rollback:
                continue
            if not undoing:
                yield mode, begin, change.start
            begin, mode = change.end, after
            undoing = is_rollback and change.after[tier] != "old"
        if not undoing:
            yield mode, begin, FOR_EVER


@dataclass
class History:
    phases: Phases
    writes: list = field(default_factory=list)
    reads: list = field(default_factory=list)
    walks: list = field(default_factory=list)
    seeds: dict = field(default_factory=dict)  # by record


# --- reading the logs -----------------------------------------------------------------------------


def _or_none(word):
    return None if word == "-" else word


class _Reader:
    """One worker's log. A killed worker's last line may be half a line."""

    def __init__(self, history, worker, died):
        self.history = history
        self.worker = worker
        self.died = died
        self.open = []

    def read(self, path):
        with open(path, encoding="ascii") as file:
            text = file.read()
        for line in text[:text.rfind("\n") + 1].splitlines():
            words = line.split(" ")
            getattr(self, "_read_" + words[0])(words)

    def _read_W(self, words):
        (_, sequence, start, verb, entity, tenant, capsule, record, token, whole, completed, index,
         expected) = words
        write = Write(self.worker, int(sequence), int(start), self.died, verb,
                      (entity, tenant, record), capsule, _or_none(token),
                      frozenset((whole, completed)), _or_none(index), _or_none(expected), KILLED)
        self.history.writes.append(write)
        self.open.append(write)

    def _read_E(self, words):
        _, sequence, end, status = words
        for write in self.open:
            if write.sequence != int(sequence):
                raise ValueError(f"{self.worker}: an end without a beginning: {words}")
            write.end, write.status = int(end), status
        self.open = []

    def _read_R(self, words):
        (_, sequence, start, end, verb, entity, tenant, capsule, record, status, token,
         whole) = words
        there = status == "ok"
        self.history.reads.append(
            Read(self.worker, int(sequence), int(start), int(end), verb, (entity, tenant, record),
                 capsule, status, token if there else None, whole if there else None))

    def _read_L(self, words):
        _, sequence, start, end, entity, tenant, capsule, index, where, status = words[:10]
        rows = [tuple(row.split("/")) for row in words[10:]]
        self.history.walks.append(
            Walk(self.worker, int(sequence), int(start), int(end), entity, tenant, capsule,
                 where if index != "-" else None, status, rows))


def load(folder, seeds):
    """The logs of a folder: one WORKER.log each, and driver.json from the driver."""
    with open(os.path.join(folder, "driver.json"), encoding="utf-8") as file:
        driver = json.load(file)
    changes = [Change(**change) for change in driver["changes"]]
    history = History(Phases(driver["strategy"], changes, frozenset(driver["canary"])),
                      seeds=seeds)
    for path in sorted(glob.glob(os.path.join(folder, "*.log"))):
        worker = os.path.basename(path).removesuffix(".log")
        _Reader(history, worker, driver["died"].get(worker, FOR_EVER)).read(path)
    return history
