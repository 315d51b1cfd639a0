"""Everything that an LMDB environment holds, read by another program than ours."""
import json
import os
from dataclasses import dataclass

import lmdb

META = "__rekey"
TABLES_MAX = 128


@dataclass
class Table:
    """One database: its entries in key order, duplicates in value order."""

    dupsort: bool
    entries: list  # of (key, value), bytes

    def records(self):
        """As a dict; only sound where a key stands once."""
        return dict(self.entries)


def read(folder):
    """All tables of the environment by name; "" is the unnamed one."""
    env = lmdb.open(folder, readonly=True, max_dbs=TABLES_MAX, readahead=False)
    try:
        names = _names(env)
        with env.begin() as txn:
            main = _entries(txn, None)
            tables = {"": Table(False, [e for e in main if e[0] not in names])}
        for name in sorted(names):
            tables[name.decode("utf-8", "surrogateescape")] = _named(env, name)
        return tables
    finally:
        env.close()


def _names(env):
    """The keys of the unnamed database that are databases themselves."""
    with env.begin() as txn:
        keys = [key for key, _ in _entries(txn, None)]
    return {key for key in keys if _is_table(env, key)}


def _is_table(env, key):
    try:
        env.open_db(key, create=False)
        return True
    except (lmdb.IncompatibleError, lmdb.NotFoundError, lmdb.InvalidError, lmdb.BadValsizeError):
        return False


def _named(env, name):
    table = env.open_db(name, create=False)
    with env.begin() as txn:
        dupsort = bool(table.flags(txn)["dupsort"])
        return Table(dupsort, _entries(txn, table))


def _entries(txn, table):
    return [(bytes(key), bytes(value)) for key, value in txn.cursor(db=table)]


# --- comparing -----------------------------------------------------------------------------------


def without_meta(tables):
    return {name: table for name, table in tables.items() if name != META}


def differences(before, after, may_be_missing=()):
    """Lines that say how two dumps differ, `__rekey` left out. Empty when they are equal.

    A table of `may_be_missing` that is empty on one side may lack on the other.
    """
    before, after = without_meta(before), without_meta(after)
    lines = []
    for name in sorted(set(before) | set(after)):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            there = one or other
            if name not in may_be_missing or there.entries:
                lines.append(f"table {name!r} is {'new' if one is None else 'gone'}")
        elif one.dupsort != other.dupsort:
            lines.append(f"table {name!r} has another shape")
        else:
            lines += _entry_differences(name, set(one.entries), set(other.entries))
    return lines


def _entry_differences(name, before, after):
    lines = [f"{name!r}: {key!r} -> {value!r} is gone" for key, value in sorted(before - after)]
    lines += [f"{name!r}: {key!r} -> {value!r} is new" for key, value in sorted(after - before)]
    return lines


# --- snapshots in files --------------------------------------------------------------------------


def save(tables, path):
    text = {
        name: {"dupsort": table.dupsort, "entries": [[k.hex(), v.hex()] for k, v in table.entries]}
        for name, table in tables.items()
    }
    temporary = path + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(text, file)
    os.replace(temporary, path)


def load(path):
    with open(path, encoding="utf-8") as file:
        text = json.load(file)
    return {
        name: Table(
            table["dupsort"],
            [(bytes.fromhex(k), bytes.fromhex(v)) for k, v in table["entries"]],
        )
        for name, table in text.items()
    }
