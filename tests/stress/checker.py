#!/usr/bin/env python3
"""Replays the logs of the workers and says what cannot have happened in a correct store.

    checker.py FOLDER      where the driver left the logs, driver.json and seeds.json

Most ids are used in one capsule only: such a record is one register through all phases. A read of
its id in the other capsule must find nothing once reads are scoped, and finds the register while
they are tenant-wide. The few ids that both capsules use share one old key: they are one register
while reads use the old keys, one for each capsule after that, and each stretch of either kind is
judged by itself, since the change between them may lose one of the two (`--accept-loss`).

Independent of the code that it judges: it knows the interface's promises and the phase table.
"""
import json
import os
import sys
from collections import defaultdict

import history as words
from history import SCOPED, TENANT_WIDE, Seed
from register import Register, Violation

# A read may fail for want of a resource; it may not find the store broken.
READ_FAILURES = ("busy", "out_of_memory", "full")
# After which a put may not have landed although nothing refused it.
WRITE_FAILURES = ("busy", "out_of_memory", "full", "uncertain", "input/output_error",
                  words.KILLED)


class Checker:
    def __init__(self, history):
        self.history = history
        self.phases = history.phases
        self.violations = []
        self.writes = {}  # by token
        self.by_record = defaultdict(list)
        self.by_list = defaultdict(list)  # records of unique ids, by entity, tenant
        self.registers = {}
        self.checked = {"writes": len(history.writes), "reads": 0, "walks": 0}

    def check(self):
        self._sort_writes()
        self._check_statuses()
        shared = [record for record in self.by_record if self._is_shared(record)]
        for record in self.by_record:
            if record not in shared:
                self._make_register(record)
        shared_reads = defaultdict(list)
        for read in self.history.reads:
            self._check_read(read, shared_reads)
        for walk in self.history.walks:
            self._check_walk(walk, shared_reads)
        for register in self.registers.values():
            self.violations += register.check()
        for walk in self.history.walks:
            self._check_moving(walk)
        for record in shared:
            self._check_shared(record, shared_reads[record])
        self._check_pairs()
        return self.violations

    def report(self, kind, record, text):
        self.violations.append(Violation(kind, record, text))

    # --- writes

    def _sort_writes(self):
        for write in self.history.writes:
            self.by_record[write.record].append(write)
            if not write.is_delete():
                self.writes[write.token] = write

    def _is_shared(self, record):
        return len({write.capsule for write in self.by_record[record]}) > 1

    def _check_statuses(self):
        """An unconditional write of these workers is never wrong, so it may not be refused."""
        for write in self.history.writes:
            allowed = ("ok",) + WRITE_FAILURES
            if write.verb in ("put_if_absent", "compare_and_put"):
                allowed += ("conflict",)
            elif write.verb == "delete":
                allowed += ("not_found",)
            if write.status not in allowed:
                self.report("refused", write.record, str(write))

    def _make_register(self, record):
        writes = self.by_record[record]
        self.registers[record] = register = Register(record)
        self.by_list[record[:2]].append(record)
        for write in writes:
            # A delete in a batch is done whether the record was there or not.
            register.add_write(write)

    def _owner(self, record):
        return self.by_record[record][0].capsule

    # --- what a read gave

    def _token(self, operation, record, token, found):
        """The token that the operation saw; False when the bytes are nobody's."""
        write = self.writes.get(token)
        if write is None:
            self.report("torn", record, f"{operation} gave a value that begins with no token")
        elif found not in write.hashes:
            self.report("torn", record, f"{operation} gave half of {token}, or more")
        elif write.record != record:
            self.report("foreign", record, f"{operation} gave {token} of {write.record}")
        else:
            return token
        return False

    def _check_read(self, read, shared):
        if read.status not in ("ok", "not_found"):
            if read.status not in READ_FAILURES:
                self.report("refused", read.record, f"{read}: {read.status}")
            return
        self.checked["reads"] += 1
        token = read.token
        if token is not None:
            token = self._token(read, read.record, token, read.hash)
        if token is not False:
            self._place_read(read, read.record, token, read.capsule, shared)

    def _place_read(self, operation, record, token, capsule, shared):
        """Puts what was seen to the register that it belongs to."""
        if record not in self.registers:
            if record in self.by_record:
                shared[record].append((operation, capsule, token))
            elif token is not None:
                self.report("early", record, f"{operation} gave {token}, which nobody wrote")
            return
        modes = self.phases.modes(record[1], operation.start, operation.end)
        if capsule == self._owner(record) or modes == {TENANT_WIDE}:
            self.registers[record].see(token, operation)
        elif token is not None and TENANT_WIDE not in modes:
            self.report("foreign", record, f"{operation} gave {token} of {self._owner(record)}")
        elif token is not None:
            self.registers[record].see(token, operation)

    # --- lists and queries

    def _check_walk(self, walk, shared):
        if walk.status not in ("not_found", "conflict") + READ_FAILURES:
            self.report("refused", (walk.entity, walk.tenant), f"{walk}: {walk.status}")
        self.checked["walks"] += 1
        given = set()
        for row_id, token, found in walk.rows:
            record = (walk.entity, walk.tenant, row_id)
            if record in given:
                self.report("twice", record, str(walk))
            given.add(record)
            self._check_row(walk, record, token, found, shared)
        if walk.is_whole():
            self._check_not_given(walk, given)

    def _check_row(self, walk, record, token, found, shared):
        seed = self.history.seeds.get(record)
        if seed is not None:
            self._check_seed_row(walk, record, seed, found)
            return
        token = self._token(walk, record, token, found)
        if token is False:
            return
        if walk.where is not None:
            self._check_indexed(walk, record, self.writes[token])
        self._place_read(walk, record, token, walk.capsule, shared)

    def _check_indexed(self, walk, record, write):
        """Index keys hold the capsule from the beginning."""
        if write.index != walk.where:
            self.report("wrong index", record, f"{walk} gave {write.token}")
        if write.capsule != walk.capsule:
            self.report("foreign", record, f"{walk} gave {write.token} of {write.capsule}")

    def _check_seed_row(self, walk, record, seed, found):
        modes = self.phases.modes(walk.tenant, walk.start, walk.end)
        if found not in seed.hashes:
            self.report("torn", record, f"{walk} gave other bytes than were seeded")
        if seed.capsule != walk.capsule and TENANT_WIDE not in modes:
            self.report("foreign", record, f"{walk} gave a record of {seed.capsule}")

    def _check_not_given(self, walk, given):
        """A record that is not given was not there at some time of the walk."""
        wide = self.phases.modes(walk.tenant, walk.start, walk.end) == {TENANT_WIDE}
        for record in self.by_list[(walk.entity, walk.tenant)]:
            owner = self._owner(record)
            if record in given or (owner != walk.capsule and (not wide or walk.where)):
                continue
            if walk.where is None or self._indexes(record) == {walk.where}:
                self.registers[record].see(None, walk)
        for record, seed in self.history.seeds.items():
            if record[:2] != (walk.entity, walk.tenant) or record in given:
                continue
            if walk.where is None and (wide or seed.capsule == walk.capsule):
                self.report("missing", record, f"{walk} did not give this seeded record")

    def _indexes(self, record):
        return {write.index for write in self.by_record[record] if not write.is_delete()}

    def _check_moving(self, walk):
        """A record whose index value changes has to be given when it surely had this one."""
        if walk.where is None or not walk.is_whole():
            return
        given = {(walk.entity, walk.tenant, row[0]) for row in walk.rows}
        for record in self.by_list[(walk.entity, walk.tenant)]:
            if record in given or self._owner(record) != walk.capsule:
                continue
            token = self.registers[record].surely_held(walk.start, walk.end)
            if token is not None and self.writes[token].index == walk.where:
                self.report("missing", record, f"{walk} did not give it, and it was {token}")

    # --- ids of two capsules

    def _check_shared(self, record, reads):
        for mode, begin, until in self.phases.stretches(record[1]):
            capsules = {write.capsule for write in self.by_record[record]}
            for capsule in [None] if mode == TENANT_WIDE else sorted(capsules):
                self._check_stretch(record, reads, capsule, begin, until)
        for operation, capsule, token in reads:
            modes = self.phases.modes(record[1], operation.start, operation.end)
            if token is not None and modes == {SCOPED} and self.writes[token].capsule != capsule:
                self.report("foreign", record,
                            f"{operation} gave {token} of {self.writes[token].capsule}")

    def _check_stretch(self, record, reads, capsule, begin, until):
        """One register between two changes; what it held at first is not known."""
        register = Register(record + (capsule or "both", ))
        for write in self.by_record[record]:
            if capsule not in (None, write.capsule) or write.start > until:
                continue
            if write.end < begin:
                if not write.is_delete() and write.may_have_landed():
                    register.add_before(write.token, begin)
                continue
            inside = begin <= write.start and write.end <= until
            # Whose old copy a delete takes away depends on who wrote it.
            register.add_write(write, inside and not (capsule is None and write.is_delete()))
        for operation, reader, token in reads:
            is_theirs = capsule in (None, reader)
            if is_theirs and begin <= operation.start and operation.end <= until:
                register.see(token, operation)
        self.violations += register.check()

    # --- batches

    def _check_pairs(self):
        """Both records of a pair are of one batch, in every snapshot."""
        pairs = defaultdict(list)
        for read in self.history.reads:
            if read.verb == "batch_get" and read.status in ("ok", "not_found"):
                pairs[(read.worker, read.sequence)].append(read)
        for one, *others in pairs.values():
            for other in others:
                if _batch(one.token) != _batch(other.token):
                    self.report("half", one.record, f"{one} gave {one.token}, and of its twin "
                                                    f"{other.record[2]} {other.token}")


def _batch(token):
    return token and token.rsplit(".", 1)[0]


def check(history):
    """The checker, done; its `violations` say what was found."""
    checker = Checker(history)
    checker.check()
    return checker


# --- files ----------------------------------------------------------------------------------------


def load_seeds(path):
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)
    return {tuple(row["record"]): Seed(row["capsule"], frozenset(row["hashes"]))
            for row in rows}


def load(folder):
    return words.load(folder, load_seeds(os.path.join(folder, "seeds.json")))


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    checker = check(load(sys.argv[1]))
    for violation in checker.violations:
        print(violation)
    counts = ", ".join(f"{count} {what}" for what, count in checker.checked.items())
    print(f"{counts}, {len(checker.violations)} violations")
    return 1 if checker.violations else 0


if __name__ == "__main__":
    sys.exit(main())
