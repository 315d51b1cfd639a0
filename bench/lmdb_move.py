#!/usr/bin/python3
"""The move of bench/, as a script of python3-lmdb would do it: ten thousand records a transaction.

    bench/lmdb_move.py DIR TABLE      prints changes and seconds
"""
import json
import sys
import time

import lmdb

BATCH_RECORDS = 10000
MAP_BYTES = 64 << 30


def read_batch(env, table, start):
    batch = []
    with env.begin(db=table) as txn:
        cursor = txn.cursor()
        if not cursor.set_range(start):
            return batch
        for key, value in cursor:
            if key.split(b"#", 3)[2] == b"CONTRACT":
                batch.append((key, value))
                if len(batch) == BATCH_RECORDS:
                    break
    return batch


def write_batch(env, table, batch):
    with env.begin(db=table, write=True) as txn:
        for key, value in batch:
            word, tenant, rest = key.split(b"#", 2)
            capsule = json.loads(value)["capsule_id"].encode()
            txn.put(b"#".join((word, tenant, b"CAPSULE", capsule, rest)), value)
            txn.delete(key)


def main(folder, name):
    env = lmdb.open(folder, map_size=MAP_BYTES, max_dbs=16)
    table = env.open_db(name.encode(), create=False)
    changes = 0
    start = b"\0"
    began = time.monotonic()
    while batch := read_batch(env, table, start):
        write_batch(env, table, batch)
        changes += len(batch)
        start = batch[-1][0]
    seconds = time.monotonic() - began
    env.close()
    print(json.dumps({"changes": changes, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
