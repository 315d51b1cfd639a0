#!/usr/bin/python3
"""Measures a cluster on one machine: a run over one node and over two beside a run in one process,
control traffic, and an application's operations beside what nng alone takes.

    bench/cluster.py BUILD_DIR [--records N] [--tenants N] [--rounds N] [--seconds N]
                               [--only PART]... [--dir SCRATCH] [--json]

PART is run, traffic or client. bench/README.md says what is measured, and how to read it.
"""
import argparse
import contextlib
import itertools
import json
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time

from cluster_nodes import Cluster, Failure, Process, run

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = os.path.join(HERE, "202611210900_move_noindex.yaml")
TABLE = "platform_data"
VALUE_BYTES = 200
THREADS = (1, 4, 16)
OVER = ("nng", "cluster", "local")
PARTS = ("run", "traffic", "client")
NNG_HEADERS = 8 + 4  # the length of a message, the number of a request
SIZES_COUNT = 500  # operations from which sizes are taken
MASK = (1 << 64) - 1


class Bench:
    def __init__(self, options, work):
        self.options = options
        self.work = work
        self.closing = contextlib.ExitStack()
        self.rekey = self.program("rekey/cli/rekey")
        self.bare = self.program("bench/bare_move")
        self.ops = self.program("bench/client_ops")
        self.echo = self.program("bench/nng_echo")

    def program(self, name):
        path = os.path.join(os.path.abspath(self.options.build), name)
        if not os.access(path, os.X_OK):
            raise Failure(f"{path} is missing; build first")
        return path

    def path(self, name):
        return os.path.join(self.work, name)

    def say(self, text=""):
        print(text, file=sys.stderr if self.options.json else sys.stdout, flush=True)

    def cluster(self, name, count, scheme="ipc"):
        cluster = Cluster(self.rekey, self.path(name), count, scheme)
        self.closing.callback(cluster.close)
        return cluster

    def seeded(self, name, count, scheme="ipc"):
        """A cluster with the benchmark's data and a plan, its nodes at rest."""
        cluster = self.cluster(name, count, scheme)
        cluster.seed(SPEC, "--tenants", self.options.tenants, "--records", self.options.records,
                     "--seed", 1)
        cluster.start()
        run(self.rekey, "plan", SPEC, "--cluster", cluster.file, "-o", self.path(name + ".plan"))
        cluster.stop()
        cluster.keep()
        return cluster

    def expect_moved(self, *stores):
        """All records at new keys, and, over all stores, the bytes of the run in one process."""
        counts = [run(self.bare, "--count", store, TABLE).split() for store in stores]
        if [sum(map(int, shape)) for shape in zip(*counts)] != [0, self.options.records, 0]:
            raise Failure(f"old, new and other records: {counts}")
        return sum(int(run(self.bare, "--digest", store, TABLE)) for store in stores) & MASK


# --- a run --------------------------------------------------------------------------------------


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Runs:
    """Contestants, in turns. A result counts only after it was checked."""

    def __init__(self, bench):
        self.bench = bench
        self.rates = {}
        self.digest = None
        self.one = bench.seeded("one", 1)
        self.two = bench.seeded("two", 2)
        run(bench.rekey, "plan", SPEC, "--store", "lmdb:" + self.one.stores()[0] + ".base",
            "-o", bench.path("store.plan"))
        self.share = self.largest_share()
        bench.say(f"placement  of two nodes, the larger has {self.share:.0%} of the records")

    def largest_share(self):
        """Two nodes are at most one divided by this faster than one node."""
        counts = [int(run(self.bench.bare, "--count", store + ".base", TABLE).split()[0])
                  for store in self.two.stores()]
        return max(counts) / sum(counts)

    def timed(self, name, command, nodes=None):
        """The whole command, from its start to its end."""
        busy = children_seconds() + (nodes.processor_seconds() if nodes else 0)
        began = time.monotonic()
        result = json.loads(run(*command))
        wall = time.monotonic() - began
        busy = children_seconds() + (nodes.processor_seconds() if nodes else 0) - busy
        if result["changes"] != self.bench.options.records:
            raise Failure(f"{name}: other changes than {self.bench.options.records}: "
                          f"{result['changes']}")
        return wall, busy, result["seconds"]

    def keep(self, name, wall, busy, own, digest):
        if self.digest is None:
            self.digest = digest
        if digest != self.digest:
            raise Failure(f"{name}: not the bytes that the run in one process makes")
        rate = self.bench.options.records / wall
        self.rates.setdefault(name, []).append(rate)
        self.bench.say(f"  {name:10} {wall:7.3f} s {rate:9.0f} records/s   the run itself "
                       f"{own:6.3f} s   processors {busy:6.3f} s")

    def store(self):
        bench = self.bench
        self.one.renew()
        store = self.one.stores()[0]
        timed = self.timed("store", (bench.rekey, "run", bench.path("store.plan"), "--store",
                                     "lmdb:" + store, "--until", "backfilled", "--json"))
        run(bench.rekey, "verify", "--store", "lmdb:" + store)
        self.keep("store", *timed, bench.expect_moved(store))

    def nodes(self, name, cluster, bound=False):
        bench = self.bench
        cluster.renew()
        cluster.start(bound)
        timed = self.timed(name, (bench.rekey, "run", cluster.folder + ".plan", "--cluster",
                                  cluster.file, "--until", "backfilled", "--json"), cluster)
        run(bench.rekey, "verify", "--cluster", cluster.file)
        cluster.stop()
        self.keep(name, *timed, bench.expect_moved(*cluster.stores()))

    def apart(self):
        """What the machine has for two: the two halves' stores at once, without a cluster."""
        bench = self.bench
        self.two.renew()
        stores = self.two.stores()
        for store in stores:
            run(bench.rekey, "plan", SPEC, "--store", "lmdb:" + store, "-o", store + ".plan")
        busy, began, processes = children_seconds(), time.monotonic(), []
        for store in stores:
            processes.append(Process(store + ".log", bench.rekey, "run", store + ".plan", "--store",
                                     "lmdb:" + store, "--until", "backfilled", "--json"))
        codes = [process.child.wait() for process in processes]
        wall = time.monotonic() - began
        if any(codes):
            raise Failure(f"apart: ended with {codes}")
        self.keep("apart", wall, children_seconds() - busy, wall, bench.expect_moved(*stores))

    def measure(self):
        for number in range(self.bench.options.rounds):
            self.bench.say(f"round {number + 1}")
            self.store()
            self.nodes("one node", self.one)
            self.nodes("two nodes", self.two)
            self.apart()
            if len(os.sched_getaffinity(0)) > 1:
                self.nodes("one bound", self.one, bound=True)
                self.nodes("two bound", self.two, bound=True)


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def ratios(rates, name, of):
    return spread([a / b for a, b in zip(rates[name], rates[of])])


RATIOS = (("one node", "store", "one node, of the run in one process"),
          ("two nodes", "one node", "two nodes, of one node"),
          ("apart", "store", "two processes without a cluster, of one"),
          ("two nodes", "apart", "two nodes, of two processes without a cluster"),
          ("two bound", "one bound", "two nodes with a processor each, of one with one"))


def measure_run(bench):
    runs = Runs(bench)
    runs.measure()
    result = {name.replace(" ", "_"): spread(rates) for name, rates in runs.rates.items()}
    result["larger_share"] = runs.share
    bench.say()
    for name, rates in runs.rates.items():
        bench.say(f"{name:10} median {statistics.median(rates):9.0f} records/s   "
                  f"spread {min(rates):.0f} to {max(rates):.0f}")
    for name, of, words in RATIOS:
        if name in runs.rates and of in runs.rates:
            ratio = ratios(runs.rates, name, of)
            result[f"{name} of {of}".replace(" ", "_")] = ratio
            bench.say(f"ratio      {show_ratio(ratio)}   {words}")
    bench.say()
    return result


def show_ratio(ratio):
    return f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})"


# --- control traffic ----------------------------------------------------------------------------


def measure_traffic(bench):
    """All that passes between the command and two nodes over tcp, of a whole run to `verified`."""
    cluster = bench.seeded("metered", 2, "metered")
    cluster.renew()
    cluster.start()
    before = cluster.traffic()
    run(bench.rekey, "run", bench.path("metered.plan"), "--cluster", cluster.file, "--json")
    sent, received = (now - then for now, then in zip(cluster.traffic(), before))
    cluster.stop()
    bench.expect_moved(*cluster.stores())
    moved = bench.options.records * VALUE_BYTES
    bench.say(f"traffic    {sent} bytes to the nodes, {received} from them, for {moved} bytes of "
              f"values moved: {100 * (sent + received) / moved:.4f} %")
    bench.say()
    return {"sent_bytes": sent, "received_bytes": received, "moved_bytes": moved,
            "percent": 100 * (sent + received) / moved}


# --- an application's operations ----------------------------------------------------------------


def registered(bench, name, scheme):
    cluster = bench.cluster(name, 1, scheme)
    cluster.seed(SPEC, "--tenants", bench.options.tenants, "--records",
                 min(bench.options.records, 10000))
    cluster.start()
    run(bench.rekey, "register", SPEC, "--cluster", cluster.file)
    return cluster


def client_ops(bench, location, *options):
    lines = run(bench.ops, location, "--tenants", bench.options.tenants, *options).splitlines()
    return dict(zip(("put", "get"), map(json.loads, lines)))


def message_sizes(bench):
    """Request and reply of one put and of one get, as nng is given them."""
    cluster = registered(bench, "sizes", "metered")

    def passed(count, again, first):
        before = cluster.traffic()
        client_ops(bench, "cluster:" + cluster.file, "--count", count, "--again", again, "--first",
                   first)
        return [now - then for now, then in zip(cluster.traffic(), before)]

    few = passed(SIZES_COUNT, 1, 0)
    gets = [more - less for more, less in zip(passed(SIZES_COUNT, 2, 10**6), few)]
    both = [more - less for more, less in zip(passed(2 * SIZES_COUNT, 1, 2 * 10**6), few)]
    cluster.stop()
    sizes = {"put": [b - g for b, g in zip(both, gets)], "get": gets}
    return {verb: [round(size / SIZES_COUNT) - NNG_HEADERS for size in pair]
            for verb, pair in sizes.items()}


class Clients:
    """Puts and gets of one client with some threads: over a cluster, in one process, and the same
    sizes through nng with nothing in it."""

    def __init__(self, bench):
        self.bench = bench
        self.sizes = message_sizes(bench)
        self.found = {}
        self.first = 0
        self.cluster = registered(bench, "client", "ipc")
        self.local = bench.path("local")
        run(bench.rekey, "seed", SPEC, "--store", "lmdb:" + self.local, "--tenants",
            bench.options.tenants, "--records", min(bench.options.records, 10000))
        run(bench.rekey, "register", SPEC, "--store", "lmdb:" + self.local)
        self.url = f"ipc://{bench.work}/echo.sock"
        self.server = Process(bench.path("echo.log"), bench.echo, "serve", self.url, 8)
        bench.closing.callback(self.server.stop)
        self.server.wait_for("listens")

    def keep(self, name, verb, threads, found):
        self.found.setdefault((verb, threads, name), []).append(
            (found["count"] / found["seconds"], found["p50_us"], found["p99_us"]))

    def echo(self, verb, threads):
        found = json.loads(run(self.bench.echo, "call", self.url, threads,
                               self.bench.options.seconds, *self.sizes[verb]))
        self.keep("nng", verb, threads, found)

    def operations(self, name, location, threads):
        found = client_ops(self.bench, location, "--threads", threads, "--seconds",
                           self.bench.options.seconds, "--first", self.first)
        self.first += 10**9
        for verb in ("put", "get"):
            self.keep(name, verb, threads, found[verb])

    def measure(self):
        for _ in range(self.bench.options.rounds):
            for threads in THREADS:
                self.echo("put", threads)
                self.echo("get", threads)
                self.operations("cluster", "cluster:" + self.cluster.file, threads)
                self.operations("local", "lmdb:" + self.local, threads)
        self.server.stop()
        self.cluster.stop()

    def result(self):
        out = []
        for verb, threads, name in itertools.product(("put", "get"), THREADS, OVER):
            rate, p50, p99 = map(spread, zip(*self.found[verb, threads, name]))
            out.append({"verb": verb, "threads": threads, "over": name, "rate": rate,
                        "p50_us": p50, "p99_us": p99})
        return out


def measure_client(bench):
    clients = Clients(bench)
    clients.measure()
    bench.say("client     request and reply, bytes: " + ", ".join(
        f"{verb} {pair[0]} and {pair[1]}" for verb, pair in clients.sizes.items()))
    bench.say(f"{'':4} {'threads':>7} {'over':8} {'a second':>24} {'p50 us':>22} {'p99 us':>24}")
    for row in clients.result():
        cells = [f"{row[of]['median']:8.0f} ({row[of]['least']:.0f}..{row[of]['most']:.0f})"
                 for of in ("rate", "p50_us", "p99_us")]
        bench.say(f"{row['verb']:4} {row['threads']:7} {row['over']:8} {cells[0]:>24} "
                  f"{cells[1]:>22} {cells[2]:>24}")
    return {"sizes": clients.sizes, "rows": clients.result()}


# ------------------------------------------------------------------------------------------------


def parse(words):
    parser = argparse.ArgumentParser(description="Measures a cluster on one machine.")
    parser.add_argument("build", help="a build folder")
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of operations, each time")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated")
    parser.add_argument("--dir", default=tempfile.gettempdir(), help="where the stores are made")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(words)


def describe_machine(bench):
    bench.say(f"machine    {platform.system()} {platform.release()} {platform.machine()}, "
              f"{os.cpu_count()} processors")
    bench.say(f"data       {bench.options.records} records of {VALUE_BYTES} bytes, "
              f"{bench.options.tenants} tenants, strategy move, no index; every commit with fsync")
    bench.say()


def main():
    options = parse(sys.argv[1:])
    measures = {"run": measure_run, "traffic": measure_traffic, "client": measure_client}
    work = tempfile.mkdtemp(prefix="rekey-cluster.", dir=options.dir)
    result = {"records": options.records, "rounds": options.rounds}
    try:
        bench = Bench(options, work)
        with bench.closing:
            describe_machine(bench)
            for part in options.only or PARTS:
                result[part] = measures[part](bench)
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work)
    if options.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
