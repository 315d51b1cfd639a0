"""A migration over three nodes: the steps of one store, on all of them at once."""
import json
import os
import unittest

from rekeytest import (
    BAD_SPEC, DONE, MIGRATIONS, NOT_APPROVED, NOT_CLEAN, STALE_PLAN, STRATEGIES, USAGE,
    ForeignEnv,
)
from clustertest import ClusterCase

from model import Spec


def each_strategy(test):
    """Runs a test once a strategy, each time with a cluster of its own."""
    def both(self):
        for strategy in STRATEGIES:
            with self.subTest(strategy=strategy):
                self.folder_of(strategy)
                test(self, strategy)
                for node in self.nodes.values():
                    node.kill()
    both.__name__ = test.__name__
    both.__doc__ = test.__doc__
    return both


class Cluster(ClusterCase):
    def folder_of(self, strategy):
        root = os.path.join(self.folder_root, strategy)
        os.makedirs(root)
        self.folder = root
        self.keys = {}
        self._epochs = {}

    def setUp(self):
        super().setUp()
        self.folder_root = self.folder


class WholeMigration(Cluster):
    @each_strategy
    def test_there_and_back_and_there(self, strategy):
        spec = self.make_running(strategy)
        self.assert_as_quiet(spec, "seeded")
        plan = self.plan_cluster(spec)
        self.backfill(spec, plan)
        self.verify(spec, plan)
        self.on_cluster("flip")
        self.assert_phases("flipped")
        self.check_nodes(spec, "flipped")
        self.back(spec)
        self.run_cluster(plan, code=STALE_PLAN)
        plan = self.plan_cluster(spec, "second.json")
        self.run_cluster(plan, "--until", "flipped")
        self.assert_as_quiet(spec, "flipped")
        self.finish(spec)

    def backfill(self, spec, plan):
        report = self.run_cluster(plan, "--until", "backfilled")
        self.assertEqual("dual_write", report["phase"])
        self.assertGreater(report["changes"], 0)
        self.assert_phases("dual_write")
        self.check_nodes(spec, "backfilled")
        self.assert_refused(self.on_cluster("flip", code=NOT_CLEAN), "verified")
        self.assert_phases("dual_write")

    def verify(self, spec, plan):
        self.run_cluster(plan)
        report = self.on_cluster("verify", "--isolation", "--json").json()
        self.assertTrue(report["clean"])
        matched = sum(entity["matched"] for entity in report["entities"])
        self.assertEqual(len(self.union(self.originals)[Spec(spec).database].entries), matched)
        again = self.run_cluster(plan)
        self.assertEqual(0, again["changes"])
        self.assertEqual({"clean": True, "stale": False}, again["last_verify"])
        self.assert_as_quiet(spec, "verified")

    def back(self, spec):
        self.on_cluster("rollback")
        self.assert_phases("old")
        self.assert_originals(spec)
        self.on_cluster("rollback")  # nothing to do
        self.assert_originals(spec)

    def finish(self, spec):
        wrong = self.on_cluster("contract", "--confirm", "202601010000_other", code=USAGE)
        self.assert_refused(wrong, "--confirm")
        self.contract_cluster(spec)
        self.assert_phases("done")
        self.assert_as_quiet(spec, "done")
        self.check_nodes(spec, "done")
        self.assert_refused(self.on_cluster("rollback", code=NOT_CLEAN), "rollback boundary")
        self.contract_cluster(spec)  # nothing to do
        self.assert_as_quiet(spec, "done")
        self.on_cluster("verify")

    @each_strategy
    def test_straight_to_done(self, strategy):
        spec = self.make_running(strategy)
        report = self.run_cluster(self.plan_cluster(spec), "--until", "done")
        self.assertEqual("done", report["phase"])
        self.assertFalse(report["running"])
        self.assert_phases("done")
        self.assert_as_quiet(spec, "done")

    @each_strategy
    def test_rollback_from_dual_write(self, strategy):
        spec = self.make_running(strategy)
        self.run_cluster(self.plan_cluster(spec), "--until", "backfilled")
        self.on_cluster("rollback")
        self.assert_phases("old")
        self.assert_originals(spec)

    @each_strategy
    def test_canary_first(self, strategy):
        spec = self.make_running(strategy)
        plan = self.plan_cluster(spec)
        report = self.run_cluster(plan, "--tier", "canary", "--until", "flipped")
        self.assertEqual({"canary": "flipped", "production": "old"}, report["tiers"])
        self.check_nodes(spec, {"canary": "flipped", "production": "old"})
        self.run_cluster(plan)
        self.check_nodes(spec, {"canary": "flipped", "production": "backfilled"})
        self.on_cluster("flip", "--tier", "production")
        self.assert_phases("flipped")
        self.assert_as_quiet(spec, "flipped")

    def test_no_canary_tenants(self):
        """The same exit code as of one store."""
        with open(self.spec(), encoding="utf-8") as file:
            text = file.read().replace("  canary: [synthetic-1, synthetic-2]", "  canary: []")
        spec = self.write_spec(MIGRATIONS["dual-write"], text)
        plan = self.plan_cluster(self.make_running(spec=spec))
        result = self.run_cluster(plan, "--tier", "canary", code=USAGE)
        self.assert_refused(result, "canary")

    def test_an_operator_migrates(self):
        """Of sockets in files, too."""
        spec = self.spec()
        self.make_cluster()
        for node in self.nodes.values():
            node.url = f"ipc://{self.path(node.name)}.sock"
            node.write_config()
        for who in ("operator", "coordinator"):
            with open(self.as_who(who), "w", encoding="utf-8") as file:
                file.write(self.cluster_text(who))
        with open(self.cluster_file, "w", encoding="utf-8") as file:
            file.write(self.cluster_text("coordinator"))
        self.originals = self.seed_nodes(spec)
        self.start_nodes()
        plan = self.plan_cluster(spec, who="operator")
        self.run_cluster(plan, "--until", "done", who="operator")
        self.assert_as_quiet(spec, "done")

    def test_one_node(self):
        spec = self.make_running(names=("only",))
        self.run_cluster(self.plan_cluster(spec), "--until", "done")
        self.assert_as_quiet(spec, "done")


class Counts(Cluster):
    @each_strategy
    def test_a_plan_adds_up(self, strategy):
        spec = self.make_running(strategy)
        store = "lmdb:" + self.path("single")
        self.rekey("seed", spec, "--store", store, *self.seed_words)
        one = self.rekey("plan", spec, "--store", store, "--json").json()
        all_of_them = self.on_cluster("plan", spec, "--json").json()
        for name in ("plan_hash", "estimate"):
            one.pop(name)
            all_of_them.pop(name)
        nodes = all_of_them.pop("nodes", None)
        self.assertEqual(one, all_of_them)
        if nodes is not None:
            self.assertEqual(set(self.nodes), {node["name"] for node in nodes})

    def test_status_adds_up(self):
        spec = self.make_running()
        plan = self.on_cluster("plan", spec, "--json", "-o", self.path("plan.json")).json()
        report = self.run_cluster(self.path("plan.json"))
        totals = {entity["name"]: entity["records"] for entity in plan["entities"]}
        self.assertEqual(totals, {e["name"]: e["total"] for e in report["entities"]})
        self.assertEqual(totals, {e["name"]: e["done"] for e in report["entities"]})
        self.assertEqual(list(self.nodes), [node["name"] for node in report["nodes"]])


class Refusals(Cluster):
    def bad_record(self, name="node-2"):
        """As another program leaves one; the node that has the store must not run."""
        with ForeignEnv(self.nodes[name].store_folder) as env:
            env.put("platform_data", [(b"TENANT#synthetic-1#CONTRACT#bad", b"{not json")])

    def test_nothing_registered(self):
        self.make_running()
        self.on_cluster("status", code=BAD_SPEC)
        self.on_cluster("verify", code=BAD_SPEC)
        self.on_cluster("flip", code=BAD_SPEC)
        self.on_cluster("rollback", code=BAD_SPEC)
        self.on_cluster("contract", "--confirm", MIGRATIONS["dual-write"], code=BAD_SPEC)

    def test_registered_only(self):
        spec = self.make_running()
        self.on_cluster("register", spec)
        self.on_cluster("register", spec)
        self.assert_phases("old")
        self.assert_refused(self.on_cluster("flip", code=NOT_CLEAN), "phase old")
        self.assert_refused(self.contract_cluster(spec, code=NOT_CLEAN), "flip")
        other = self.spec("move")
        self.assert_refused(self.on_cluster("register", other, code=BAD_SPEC), "register")

    def test_store_and_cluster_are_two_things(self):
        spec = self.make_running()
        plan = self.plan_cluster(spec)
        single = self.path("single.json")
        self.rekey("seed", spec, "--store", self.store, *self.seed_words)
        self.rekey("plan", spec, "--store", self.store, "-o", single)
        self.assert_refused(self.run_cluster(single, code=STALE_PLAN), "single store")
        self.assert_refused(self.rekey("run", plan, "--store", self.store, code=STALE_PLAN),
                            "cluster")
        self.rekey("status", code=USAGE)
        self.on_cluster("status", "--store", self.store, code=USAGE)
        self.assert_originals(spec)

    def test_an_altered_plan(self):
        spec = self.make_running()
        plan = self.plan_cluster(spec)
        with open(plan, encoding="utf-8") as file:
            text = file.read()
        self.assertIn('"node-2"', text)
        for number, altered in enumerate((
                text.replace('"node-2"', '"node-9"', 1),
                text.replace(MIGRATIONS["dual-write"], "202611210900_other"),
                text.replace("PRODEU", "PRODXX", 1))):
            path = self.path(f"altered-{number}.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write(altered)
            self.run_cluster(path, code=STALE_PLAN)
        self.assert_originals(spec)

    def test_a_stale_plan(self):
        """What one node has got since then is enough."""
        spec = self.make_running()
        plan = self.plan_cluster(spec)
        node = self.nodes["node-2"]
        self.assertEqual(DONE, node.stop()[0])
        with ForeignEnv(node.store_folder) as env:
            env.put("platform_data", [(b"TENANT#synthetic-1#CONTRACT#late", b"{}")])
        node.start()
        result = self.run_cluster(plan, code=STALE_PLAN)
        self.assert_refused(result, "node-2", "rekey plan")
        self.on_cluster("status", code=None)
        for other in ("node-1", "node-3"):
            self.assertEqual(self.originals[other]["platform_data"],
                             self.nodes[other].dump()["platform_data"])
        self.run_cluster(self.plan_cluster(spec, "fresh.json"), "--until", "flipped")

    def test_a_cluster_file_of_other_nodes(self):
        """Who knows of fewer nodes would decide for a part of them."""
        spec = self.make_running()
        plan = self.plan_cluster(spec)
        self.run_cluster(plan)
        everybody = dict(self.nodes)
        del self.nodes["node-3"]
        with open(self.as_who("operator"), "w", encoding="utf-8") as file:
            file.write(self.cluster_text("operator"))
        self.nodes = everybody
        refused = self.on_cluster("flip", who="operator", code=BAD_SPEC)
        self.assert_refused(refused, "other nodes")
        self.run_cluster(plan, who="operator", code=BAD_SPEC)
        self.assert_phases("dual_write")
        self.on_cluster("flip")
        self.assert_phases("flipped")

    def test_a_changed_spec(self):
        spec = self.make_running()
        plan = self.plan_cluster(spec)
        with open(spec, "a", encoding="utf-8") as file:
            file.write("# changed\n")
        self.assert_refused(self.run_cluster(plan, code=STALE_PLAN), "rekey plan")

    def test_quarantine_of_one_node_blocks_all(self):
        spec = self.spec()
        self.make_cluster()
        self.seed_nodes(spec)
        self.bad_record()
        self.originals = self.dumps()
        self.start_nodes()
        self.run_cluster(self.plan_cluster(spec))
        self.assertEqual(1, self.cluster_status()["quarantined"])
        self.assert_refused(self.on_cluster("flip", code=NOT_CLEAN), "node-2", "quarantine")
        self.assert_phases("dual_write")
        self.check_nodes(spec, "backfilled")

    def test_differences_on_one_node(self):
        spec = self.make_running()
        plan = self.plan_cluster(spec)
        self.run_cluster(plan)
        node = self.nodes["node-3"]
        node.stop()
        key = next(key for key in node.dump()["platform_data"].records() if b"#CAPSULE#" in key)
        with ForeignEnv(node.store_folder) as env:
            env.put("platform_data", [(key, b'{"capsule_id":"PRODUS","forged":true}')])
        node.start()
        report = self.on_cluster("verify", "--json", code=NOT_CLEAN).json()
        self.assertFalse(report["clean"])
        self.assertIn("node-3", json.dumps(report))
        self.on_cluster("flip", code=NOT_CLEAN)
        self.assert_phases("dual_write")

    def test_no_such_cluster_file(self):
        self.rekey("status", "--cluster", self.path("none.yaml"), code=BAD_SPEC)
        with open(self.path("bad.yaml"), "w", encoding="utf-8") as file:
            file.write("cluster: x\n")
        self.rekey("status", "--cluster", self.path("bad.yaml"), code=BAD_SPEC)


class Approvals(Cluster):
    def setUp(self):
        super().setUp()
        self.spec_path = self.make_running(spec=self.spec(approvals=1))
        self.plan_path = self.plan_cluster(self.spec_path)

    def test_one_is_needed(self):
        self.assert_refused(self.run_cluster(self.plan_path, code=NOT_APPROVED), "0 of the 1")
        self.assert_originals(self.spec_path)
        self.rekey("approve", self.plan_path, "--key", self.path("operator.key"))
        self.run_cluster(self.plan_path, "--until", "flipped")
        self.assert_phases("flipped")

    def test_of_another_plan(self):
        self.rekey("approve", self.plan_path, "--key", self.path("operator.key"))
        node = self.nodes["node-2"]
        node.stop()
        with ForeignEnv(node.store_folder) as env:
            env.put("platform_data", [(b"TENANT#synthetic-1#CONTRACT#late", b"{}")])
        node.start()
        second = self.plan_cluster(self.spec_path, "second.json")
        os.rename(self.plan_path + ".approvals", second + ".approvals")
        self.run_cluster(second, code=NOT_APPROVED)


if __name__ == "__main__":
    unittest.main()
