"""Records through the cluster: who may, on which node, and what a node refuses to be."""
import hashlib
import json
import os
import signal
import time
import unittest

from rekeytest import (
    BAD_SPEC, DONE, FAILED, NOT_APPROVED, STOPPED, TRY_AGAIN, USAGE, wait_until,
)
from clustertest import STOP_SECONDS, ClusterCase, Node, free_port, write

TABLE = "platform_data"
TENANTS = ("synthetic-1", "tenant-0003", "acme", "globex", "initech")
REFUSALS_LOGGED = 20  # in a minute


def weight(node, tenant):
    """specs/cluster.md, where a tenant lives."""
    def part(text):
        return len(text).to_bytes(8, "little") + text.encode()
    said = (14).to_bytes(4, "little") + b"rekey place v1" + part(node) + part(tenant)
    return hashlib.blake2b(said, digest_size=32).digest()


class Records(ClusterCase):
    TENANTS = 6
    RECORDS = 120
    CLIENTS = (("billing", "[acme]", "[PRODUS]"), ("reports", '"*"', "[PRODUS, DEVUS]"))

    def setUp(self):
        super().setUp()
        self.spec_path = self.make_running(clients=self.CLIENTS)
        self.on_cluster("register", self.spec_path)

    def home(self, tenant):
        return self.nodes[max(self.nodes, key=lambda name: weight(name, tenant))]

    @staticmethod
    def scope(tenant="acme", capsule="PRODUS", entity="Contract"):
        return ["--tenant", tenant, "--capsule", capsule, "--entity", entity]

    def put(self, name, tenant="acme", capsule="PRODUS", record=None, **options):
        return self.on_cluster("put", *self.scope(tenant, capsule), "--id", f"contract_id={name}",
                               json.dumps(record or {"account_id": "a-1"}), **options)

    def get(self, name, tenant="acme", capsule="PRODUS", **options):
        return self.on_cluster("get", *self.scope(tenant, capsule), "--id", f"contract_id={name}",
                               **options)

    def delete(self, name, tenant="acme", capsule="PRODUS", **options):
        return self.on_cluster("delete", *self.scope(tenant, capsule), "--id",
                               f"contract_id={name}", **options)

    def list(self, tenant="acme", capsule="PRODUS", **options):
        rows = self.on_cluster("list", *self.scope(tenant, capsule), "--json", **options).lines()
        return {row["id"]["contract_id"] for row in rows}

    def query(self, account, tenant="acme", capsule="PRODUS", **options):
        rows = self.on_cluster("query", *self.scope(tenant, capsule), "--index", "gsi1", "--where",
                               f"account_id={account}", "--json", **options).lines()
        return {row["id"]["contract_id"] for row in rows}


class Places(Records):
    def test_every_tenant_lives_on_its_node(self):
        for tenant in TENANTS:
            self.put("placed", tenant)
        for tenant in TENANTS:
            key = f"TENANT#{tenant}#CONTRACT#placed".encode()
            there = [name for name, tables in self.dumps().items()
                     if key in tables[TABLE].records()]
            self.assertEqual([self.home(tenant).name], there, tenant)

    def test_seeded_records_are_found(self):
        for name, node in self.nodes.items():
            for key in list(node.dump()[TABLE].records())[:40]:
                parts = key.decode().split("#")
                self.assertEqual(name, self.home(parts[1]).name)

    def test_through_the_phases(self):
        kept = set()
        plan = self.plan_cluster(self.spec_path)
        for phase in (None, "backfilled", "flipped", "done"):
            if phase:
                self.run_cluster(plan, "--until", phase)
            self.one_record(str(phase))
            self.put(f"kept-{phase}", record={"account_id": "a-kept"})
            kept.add(f"kept-{phase}")
            self.assertEqual(kept, self.list())
            self.assertEqual(kept, self.query("a-kept"))
            self.assertEqual(set(), self.list(capsule="DEVUS", who="reports"))

    def one_record(self, phase):
        self.assert_refused(self.get("x", code=FAILED), "none with this id")
        self.put("x", record={"account_id": "a-1", "amount": 1})
        self.assertEqual({"account_id": "a-1", "amount": 1, "capsule_id": "PRODUS"},
                         self.get("x").json(), phase)
        self.put("x", record={"account_id": "a-2"})
        self.assertEqual(set(), self.query("a-1"))
        self.assertEqual({"x"}, self.query("a-2"))
        self.delete("x")
        self.get("x", code=FAILED)
        self.delete("x", code=FAILED)

    def test_a_node_that_is_away(self):
        """The others' tenants are served; its own are a matter of trying again."""
        home = self.home("acme")
        other = next(tenant for tenant in TENANTS if self.home(tenant) is not home)
        home.kill()
        self.put("x", other)
        self.assertIn(self.get("x", code=None).code, (TRY_AGAIN, FAILED))
        home.start()
        self.put("x")
        self.get("x")


class Rights(Records):
    def test_a_client_in_its_scope(self):
        self.put("x", who="billing")
        self.assertEqual("a-1", self.get("x", who="billing").json()["account_id"])
        self.assertEqual({"x"}, self.list(who="billing"))
        self.assertEqual({"x"}, self.query("a-1", who="billing"))
        self.delete("x", who="billing")
        self.get("x", who="billing", code=FAILED)

    def test_out_of_scope_is_as_if_there_were_nothing(self):
        self.put("there", "globex")
        self.put("there", "acme", "DEVUS")
        for tenant, capsule in (("globex", "PRODUS"), ("acme", "DEVUS")):
            for command in (self.get, self.delete):
                found = command("there", tenant, capsule, who="billing", code=FAILED)
                missing = command("missing", tenant, capsule, who="billing", code=FAILED)
                self.assertEqual((found.out, found.err), (missing.out, missing.err))
            self.assertEqual(set(), self.list(tenant, capsule, who="billing"))
            self.assertEqual(set(), self.query("a-1", tenant, capsule, who="billing"))
            for name in ("there", "missing"):
                refused = self.put(name, tenant, capsule, who="billing", code=NOT_APPROVED)
                self.assert_refused(refused, "may not write in this scope")
            self.assertEqual({"there"}, self.list(tenant, capsule))

    def test_of_every_tenant_but_not_every_capsule(self):
        for tenant in TENANTS:
            self.put("x", tenant, who="reports")
            self.put("y", tenant, "DEVEU")
            self.assertEqual(set(), self.list(tenant, "DEVEU", who="reports"))
            self.get("y", tenant, "DEVEU", who="reports", code=FAILED)

    def test_an_operator_touches_no_records(self):
        self.put("x")
        self.get("x", who="operator", code=FAILED)
        self.put("y", who="operator", code=NOT_APPROVED)
        self.assertEqual(set(), self.list(who="operator"))

    def test_a_client_does_not_migrate(self):
        for words in (["status"], ["plan", self.spec_path], ["flip"], ["rollback"]):
            self.on_cluster(*words, who="billing", code=NOT_APPROVED)

    def test_a_key_that_nobody_has_authorized(self):
        self.assert_refused(self.on_cluster("status", who="stranger", code=NOT_APPROVED), "key")
        self.get("x", who="stranger", code=NOT_APPROVED)
        self.put("x", who="stranger", code=NOT_APPROVED)

    def forged(self):
        """A cluster file of a stranger whose own list of keys says yes."""
        os.makedirs(self.path("forged"))
        entry = f"  - {{key: {self.keys['stranger']}, role: operator, name: me}}\n"
        write(self.path("forged", "keys.yaml"),
              "keys:\n" + "".join(self.key_entries.values()) + entry)
        text = self.cluster_text("stranger").replace("stranger.key", "../stranger.key")
        return write(self.path("forged", "cluster.yaml"), text)

    def test_strangers_fill_no_log(self):
        """The first of a minute are told of, the others counted."""
        forged = self.forged()
        for _ in range(REFUSALS_LOGGED + 10):
            self.rekey("status", "--cluster", forged, code=NOT_APPROVED)
        lines = [line for node in self.nodes.values() for line in node.log.splitlines()
                 if "is not authorized" in line]
        self.assertEqual(REFUSALS_LOGGED, len(lines), lines)

    def test_a_key_that_only_we_have_authorized(self):
        """Our own list says yes; the nodes' say no."""
        forged = self.forged()
        self.rekey("status", "--cluster", forged, code=NOT_APPROVED)
        self.rekey("get", *self.scope(), "--id", "contract_id=x", "--cluster", forged,
                   code=NOT_APPROVED)

    def test_a_wrong_key_of_a_node(self):
        """Whoever answers there is not who the file names."""
        tenant = next(t for t in (f"t-{i}" for i in range(99)) if self.home(t).name == "node-1")
        keys = {"node_1": self.keys["node-2"], "node_2": self.keys["node-1"]}
        write(self.as_who("operator"), self.cluster_text("operator", **keys))
        write(self.as_who("coordinator"), self.cluster_text("coordinator", **keys))
        self.on_cluster("status", who="operator", code=NOT_APPROVED)
        self.get("x", tenant, code=NOT_APPROVED)

    def test_rights_that_are_taken_away(self):
        self.put("x", who="billing")
        self.write_keys(without=["billing"])
        home = self.home("acme")
        home.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "read the authorized keys again" in home.log, "the keys are read", 5)
        with_old_keys = self.path("old")
        os.makedirs(with_old_keys)
        write(os.path.join(with_old_keys, "keys.yaml"),
              "keys:\n" + "".join(self.key_entries.values()))
        file = write(os.path.join(with_old_keys, "cluster.yaml"),
                     self.cluster_text("billing").replace("billing.key", "../billing.key"))
        self.rekey("get", *self.scope(), "--id", "contract_id=x", "--cluster", file,
                   code=NOT_APPROVED)
        self.get("x", who="reports")

    def test_keys_that_cannot_be_read_change_nothing(self):
        home = self.home("acme")
        write(self.path("keys.yaml"), "keys: nonsense\n")
        home.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "keys" in home.log.split("listens at", 1)[1], "it says so", 5)
        self.assertIsNone(home.process.poll())
        self.write_keys()
        self.put("x", who="billing")


class Nodes(ClusterCase):
    TENANTS = 6
    RECORDS = 120

    def refuse(self, node, codes):
        """The node must not come up; gives what it says."""
        node.start(wait=False)
        code = node.process.wait(20)
        self.assertIn(code, codes, node.log)
        self.assertIn("rekey: ", node.log)
        return node.log

    def spare(self, of, **changed):
        """Another process for the node's config, changed."""
        node = Node(self.folder, of, self.nodes[of].url)
        node.starts = 100
        node.config = self.path(f"spare-{len(os.listdir(self.folder))}.yaml")
        node.write_config(**{"listen": f"tcp://127.0.0.1:{free_port()}", **changed})
        self.addCleanup(node.kill)
        return node

    def test_what_a_node_refuses_to_be(self):
        spec = self.make_running()
        self.on_cluster("register", spec)
        for node in self.nodes.values():
            self.assertEqual(DONE, node.stop()[0], node.log)
        self.refuse(self.spare("node-1", store="lmdb:node-2.store"), [BAD_SPEC])
        self.refuse(self.spare("node-1", identity="node-2.key"), [NOT_APPROVED])
        self.refuse(self.spare("node-1", name="node-9"), [BAD_SPEC])
        self.refuse(self.spare("node-1", store="lmdb:nowhere"), [BAD_SPEC])
        self.refuse(self.spare("node-1", cluster="nowhere.yaml"), [BAD_SPEC])
        self.refuse(self.spare("node-1", identity="nowhere.key"), [BAD_SPEC, FAILED])
        write(self.path("other.yaml"), self.cluster_text("coordinator").replace(
            "cluster: testing", "cluster: other"))
        self.assertIn("cluster", self.refuse(self.spare("node-1", cluster="other.yaml"),
                                             [BAD_SPEC]))
        os.chmod(self.path("keys.yaml"), 0o666)
        self.refuse(self.spare("node-1"), [NOT_APPROVED, BAD_SPEC])
        os.chmod(self.path("keys.yaml"), 0o644)
        self.start_nodes()

    def test_two_on_one_store(self):
        spec = self.make_running()
        self.on_cluster("register", spec)
        log = self.refuse(self.spare("node-1"), [TRY_AGAIN])
        self.assertIn("store", log)
        self.assert_phases("old")

    def test_two_at_one_address(self):
        self.make_running()
        other = self.spare("node-1", store="lmdb:node-9.store", listen=self.nodes["node-1"].url)
        self.rekey("seed", self.spec(), "--store", "lmdb:" + self.path("node-9.store"),
                   "--tenants", 1, "--records", 5)
        self.refuse(other, [TRY_AGAIN])

    def test_a_node_of_no_store(self):
        self.rekey("node", code=USAGE)
        self.rekey("node", "--config", self.path("nowhere.yaml"), code=BAD_SPEC)

    def test_told_to_stop(self):
        self.make_running()
        for node in self.nodes.values():
            code, seconds = node.stop()
            self.assertEqual(DONE, code, node.log)
            self.assertLess(seconds, STOP_SECONDS)
            self.assertIn("stopped", node.log)

    def test_told_to_stop_during_a_run(self):
        """Stops at a checkpoint; when it is back, the run goes on and nobody has to do anything."""
        self.RECORDS = 20000
        spec = self.make_running(spec=self.spec(lock_hold_ms=1))
        plan = self.plan_cluster(spec)
        run = self.start_on_cluster("run", plan)
        node = self.nodes["node-2"]
        wait_until(lambda: self.is_at_work(node), "the node works", 20)
        code, seconds = node.stop()
        self.assertEqual(DONE, code, node.log)
        self.assertLess(seconds, STOP_SECONDS)
        node.start()
        _, err = run.communicate(timeout=60)
        self.assertEqual(DONE, run.returncode, err.decode())
        self.assert_as_quiet(spec, "verified")

    def is_at_work(self, node):
        status = self.on_cluster("status", "--json", code=None)
        return status.code == DONE and any(entity["done"] for entity in status.json()["entities"])

    def test_an_interrupted_run(self):
        """The run stops at a checkpoint on every node; the same command goes on."""
        self.RECORDS = 20000
        spec = self.make_running(spec=self.spec(lock_hold_ms=1))
        plan = self.plan_cluster(spec)
        run = self.start_on_cluster("run", plan)
        wait_until(lambda: self.is_at_work(None), "the nodes work", 20)
        run.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, err = run.communicate(timeout=30)
        self.assertEqual(STOPPED, run.returncode, err.decode())
        self.assertLess(time.monotonic() - began, STOP_SECONDS)
        self.assertFalse(self.cluster_status()["running"])
        self.run_cluster(plan)
        self.assert_as_quiet(spec, "verified")


if __name__ == "__main__":
    unittest.main()
