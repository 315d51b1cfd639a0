"""A cluster of real processes on loopback: its files, nodes and stores, and links that can be cut.

A cluster's end state is compared with that of one store which was seeded alike and migrated with
nobody disturbing: the union of the nodes' tables must be the same, byte for byte.
"""
import contextlib
import os
import random
import select
import signal
import socket
import subprocess
import threading
import time

from rekeytest import DONE, SECONDS_MAX, Case, program, environment, start_rekey, wait_until

import lmdb

import dump
import oracle
from model import Spec

NODES = ("node-1", "node-2", "node-3")
UP_SECONDS = 30
STOP_SECONDS = 5  # for a node that was told to stop


def free_port(taken=set()):  # noqa: B006  (what this process gave out before)
    """Below the range from which outgoing connections take theirs, so that it stays free."""
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        with socket.socket() as probe:
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                if port not in taken:
                    taken.add(port)
                    return port


# --- one node -----------------------------------------------------------------------------------


class Node:
    """One `rekey node`: its files, its process, its store."""

    def __init__(self, folder, name, url):
        self.folder = folder
        self.name = name
        self.url = url  # where others reach it
        self.listen = None  # where it listens, when that is another place
        self.store_folder = os.path.join(folder, name + ".store")
        self.config = os.path.join(folder, name + ".yaml")
        self.process = None
        self.starts = 0
        self.may_end_with = ()  # exit codes
        self.move = None  # what its process does before it is the program

    @property
    def log_path(self):
        return os.path.join(self.folder, f"{self.name}.{self.starts}.log")

    @property
    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def write_config(self, **changed):
        words = {"cluster": "cluster.yaml", "name": self.name, "identity": self.name + ".key",
                 "store": f"lmdb:{self.name}.store", "workers": 1, "threads": 4}
        if self.listen:
            words["listen"] = self.listen
        write(self.config, "".join(f"{k}: {v}\n" for k, v in {**words, **changed}.items()))

    def start(self, wait=True):
        self.starts += 1
        # A pipe that nobody reads would stop it one day; a file does not.
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program(), "node", "--config", self.config], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=environment(), preexec_fn=self.move)
        if wait:
            self.wait_up()

    def wait_up(self):
        wait_until(lambda: "listens at" in self.log or self.process.poll() is not None,
                   f"{self.name} is up", UP_SECONDS)
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.log}")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Tells it to stop; gives its exit code and how long it took."""
        began = time.monotonic()
        self.process.terminate()
        code = self.process.wait(SECONDS_MAX)
        return code, time.monotonic() - began

    def dump(self):
        return dump.read(self.store_folder)

    def has_promised(self):
        """Whether its store holds a promise that waits for its decision."""
        with contextlib.suppress(lmdb.Error):
            with lmdb.open(self.store_folder, readonly=True, max_dbs=4) as env:
                table = env.open_db(dump.META.encode(), create=False)
                with env.begin(db=table) as txn:
                    return txn.get(b"prepared") is not None
        return False


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


# --- a link that can be cut ---------------------------------------------------------------------


class Proxy:
    """Stands between those who connect and a node. What is held back in a direction arrives when
    the direction is open again, as TCP would have it; `reset` breaks the connections."""

    BYTES = 65536

    def __init__(self, port, target_port):
        self.port = port
        self.target_port = target_port
        self.to_open = True  # towards the node
        self.from_open = True
        self.delay = 0.0  # seconds, of every piece
        self.closed = False
        self.threads = []
        self.connections = []  # that are not broken yet
        self.ends = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port))
        self._begin(self._accept)

    def _begin(self, work, *words):
        thread = threading.Thread(target=work, args=words, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        while not self.closed:
            try:
                outer, _ = self.listener.accept()
            except OSError:
                return
            try:
                inner = socket.create_connection(("127.0.0.1", self.target_port), timeout=2)
                inner.settimeout(None)
            except OSError:
                outer.close()
                continue
            with self.lock:
                self.connections.append((outer, inner))
                self.ends += [outer, inner]
            self._begin(self._carry, outer, inner, "to_open")
            self._begin(self._carry, inner, outer, "from_open")

    def _carry(self, source, sink, gate):
        try:
            while not self.closed:
                if not getattr(self, gate):
                    time.sleep(0.002)
                    continue
                if not select.select([source], [], [], 0.05)[0]:
                    continue
                piece = source.recv(self.BYTES)  # it was sent; whether it arrives is the gate's
                while not getattr(self, gate) and not self.closed:
                    time.sleep(0.002)
                if self.delay:
                    time.sleep(self.delay)
                if not piece:
                    break
                sink.sendall(piece)
        except (OSError, ValueError):
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self, to_node=True, from_node=True):
        self.to_open = not to_node
        self.from_open = not from_node

    def heal(self):
        self.to_open = self.from_open = True

    def reset(self):
        with self.lock:
            broken, self.connections = self.connections, []
        for ends in broken:
            for end in ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.closed = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.reset()
        for thread in self.threads:
            thread.join()
        for end in self.ends:
            end.close()


# --- the test case ------------------------------------------------------------------------------


class ClusterCase(Case):
    TENANTS = 12
    RECORDS = 600

    _quiet = {}  # what undisturbed migrations came to, by everything that decides it

    def setUp(self):
        super().setUp()
        self.nodes = {}
        self.proxies = {}
        self._epochs = {}
        self.keys = {}

    def tearDown(self):
        """A node may be killed, and it may be told to stop; it may not fall over."""
        for node in self.nodes.values():
            if node.process and node.process.poll() not in (None, 0, -signal.SIGKILL):
                if node.process.returncode not in node.may_end_with:
                    self.fail(f"{node.name} ended with {node.process.returncode}: {node.log}")
        super().tearDown()

    # --- files

    def make_cluster(self, names=NODES, proxied=False, clients=()):
        """Keys, the cluster's file and the nodes'. `clients`: (name, tenants, capsules) in YAML.

        Each who connects has a cluster file of its own, which differs in the identity only:
        `as_who("operator")`.
        """
        self.nodes = {}
        for name in names:
            self.nodes[name] = self._make_node(name, proxied)
            self.addCleanup(self.nodes[name].kill)
        self.cluster_file = self.path("cluster.yaml")
        entries = [("coordinator", "coordinator", ""), ("operator", "operator", "")]
        entries += [(n, "client", f", tenants: {t}, capsules: {c}") for n, t, c in clients]
        entries += [(name, "node", "") for name in names]
        for name, _, _ in entries:
            self.make_key(name)
        self.make_key("stranger")
        self.key_entries = {
            name: f"  - {{key: {self.keys[name]}, role: {role}, name: {name}{more}}}\n"
            for name, role, more in entries}
        self.write_keys()
        for who in [*(e[0] for e in entries), "stranger"]:
            write(self.as_who(who), self.cluster_text(who))
        write(self.cluster_file, self.cluster_text("coordinator"))
        for node in self.nodes.values():
            node.write_config()

    def _make_node(self, name, proxied):
        port = free_port()
        node = Node(self.folder, name, f"tcp://127.0.0.1:{port}")
        if proxied:
            inner = free_port()
            node.listen = f"tcp://127.0.0.1:{inner}"
            self.proxies[name] = Proxy(port, inner)
            self.addCleanup(self.proxies[name].close)
        return node

    def make_key(self, name):
        if name not in self.keys:
            self.keys[name] = self.rekey("keygen", "-o", self.path(name + ".key")).out.strip()
        return self.keys[name]

    def write_keys(self, without=()):
        text = "".join(text for name, text in self.key_entries.items() if name not in without)
        write(self.path("keys.yaml"), "keys:\n" + text)

    def cluster_text(self, identity, **node_keys):
        text = f"cluster: testing\nkeys: keys.yaml\nidentity: {identity}.key\nnodes:\n"
        for name, node in self.nodes.items():
            key = node_keys.get(name.replace("-", "_"), self.keys[name])
            text += f"  - {{name: {name}, url: \"{node.url}\", key: {key}}}\n"
        return text

    def as_who(self, name):
        return self.path(f"as-{name}.yaml")

    # --- stores

    def seed_nodes(self, spec, seed=1):
        self.seed_words = ["--tenants", self.TENANTS, "--records", self.RECORDS, "--seed", seed]
        for node in self.nodes.values():
            self.rekey("seed", spec, "--store", "lmdb:" + node.store_folder, "--cluster",
                       self.cluster_file, "--node", node.name, *self.seed_words)
        return self.dumps()

    def start_nodes(self):
        for node in self.nodes.values():
            node.start(wait=False)
        for node in self.nodes.values():
            node.wait_up()

    def make_running(self, strategy="dual-write", spec=None, **options):
        """Files, seeded stores, running nodes; gives the spec's path."""
        spec = spec or self.spec(strategy)
        self.make_cluster(**options)
        self.originals = self.seed_nodes(spec)
        self.start_nodes()
        return spec

    def dumps(self):
        return {name: node.dump() for name, node in self.nodes.items()}

    def union(self, dumps=None):
        """All nodes' tables as one."""
        merged = {}
        for tables in (dumps or self.dumps()).values():
            for name, table in tables.items():
                whole = merged.setdefault(name, dump.Table(table.dupsort, []))
                whole.entries = whole.entries + table.entries
        for table in merged.values():
            table.entries.sort()
        return merged

    # --- running

    def on_cluster(self, command, *words, who="coordinator", **options):
        return self.rekey(command, *words, "--cluster", self.as_who(who), **options)

    def start_on_cluster(self, command, *words, who="coordinator", **options):
        """In the background; killed at the end of the test."""
        process = start_rekey(command, *words, "--cluster", self.as_who(who), **options)

        def clean_up():
            process.kill()
            process.communicate()
        self.addCleanup(clean_up)
        return process

    def plan_cluster(self, spec, name="plan.json", **options):
        path = self.path(name)
        self.on_cluster("plan", spec, "-o", path, **options)
        return path

    def run_cluster(self, plan, *words, **options):
        result = self.on_cluster("run", plan, "--json", *words, **options)
        return result.json() if result.code == DONE else result

    def contract_cluster(self, spec, **options):
        migration = os.path.basename(spec).removesuffix(".yaml")
        return self.on_cluster("contract", "--confirm", migration, **options)

    def cluster_status(self):
        """Merged; no node's epoch ever decreases."""
        status = self.on_cluster("status", "--json").json()
        for node in status["nodes"]:
            self.assertGreaterEqual(node["epoch"], self._epochs.get(node["name"], 0), status)
            self._epochs[node["name"]] = node["epoch"]
        return status

    # --- what must be

    def assert_phases(self, phase):
        status = self.cluster_status()
        self.assertEqual(phase, status["phase"])
        self.assertEqual({name: phase for name in self.nodes},
                         {node["name"]: node["phase"] for node in status["nodes"]})

    def quiet(self, spec, until):
        """The tables of one store, seeded alike and migrated that far by nobody disturbed."""
        with open(spec, encoding="utf-8") as file:
            key = (file.read(), tuple(self.seed_words), until)
        if key not in self._quiet:
            self._quiet[key] = self._migrate_quietly(spec, until)
        return self._quiet[key]

    def _migrate_quietly(self, spec, until):
        store = ["--store", "lmdb:" + self.path(f"quiet-{len(self._quiet)}")]
        self.rekey("seed", spec, *store, *self.seed_words)
        if until != "seeded":
            plan = self.path(f"quiet-{len(self._quiet)}.json")
            self.rekey("plan", spec, *store, "-o", plan)
            self.rekey("run", plan, *store, "--until", until)
        return dump.read(store[1].removeprefix("lmdb:"))

    def assert_as_quiet(self, spec, until):
        oracle.check_equal(self.quiet(spec, until), self.union(), Spec(spec))

    def check_nodes(self, spec, phase):
        """Each store by itself must be what the spec says."""
        for name, node in self.nodes.items():
            oracle.check(spec, node.store_folder, phase, self.originals[name])

    def assert_originals(self, spec):
        for name, node in self.nodes.items():
            oracle.check_equal(self.originals[name], node.dump(), Spec(spec))

    def assert_one_outcome(self):
        """Every node is in one phase, and none still waits for a decision."""
        status = self.cluster_status()
        self.assertEqual(1, len({node["phase"] for node in status["nodes"]}), status)
        for node in self.nodes.values():
            self.assertFalse(node.has_promised(), node.name)
        return status["phase"]
