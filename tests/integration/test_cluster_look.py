"""isolation, inspect, quarantine and audit over a cluster: every node looks, and it adds up."""
import json
import os
import unittest
from xml.etree import ElementTree

from rekeytest import (
    BAD_SPEC, DONE, FAILED, NOT_CLEAN, TRY_AGAIN, USAGE, ForeignEnv,
)
from clustertest import ClusterCase

TABLE = "platform_data"
INDEX = "gsi1"


def old(tenant, rest):
    return f"TENANT#{tenant}#{rest}".encode()


def value(**members):
    return json.dumps(members).encode()


class Look(ClusterCase):
    def plant(self, node, records=(), entries=()):
        """Into a node's store by another program; the node need not run."""
        with ForeignEnv(self.nodes[node].store_folder) as store:
            store.put(TABLE, records)
            store.put(INDEX, entries, dupsort=True)

    def each_store(self, command, *words, **options):
        """What the command says of each node's store by itself, by node."""
        return {name: self.rekey(command, *words, "--store", "lmdb:" + node.store_folder, "--json",
                                 **options).json() for name, node in self.nodes.items()}

    @staticmethod
    def without(rows, *names):
        return [{name: row[name] for name in row if name not in names} for row in rows]


class Isolation(Look):
    def search(self, spec, *words, **options):
        """The merged report; no store may change."""
        before = self.dumps()
        result = self.on_cluster("isolation", spec, "--json", *words, **options)
        self.assertEqual(before, self.dumps())
        return result.json()

    def test_it_adds_up(self):
        spec = self.make_running()
        merged = self.search(spec, code=NOT_CLEAN)
        parts = self.each_store("isolation", spec, code=NOT_CLEAN)
        for name in ("records", "index_entries", "unmatched"):
            self.assertEqual(sum(part[name] for part in parts.values()), merged[name], name)
        self.assertEqual("old", merged["phase"])
        self.assertFalse(merged["registered"])
        self.assertEqual(list(self.nodes), [node["name"] for node in merged["nodes"]])
        for at, case in enumerate(merged["cases"]):
            ours = [part["cases"][at] for part in parts.values()]
            self.assertEqual({case["name"]}, {one["name"] for one in ours})
            self.assertEqual(sum(one["found"] for one in ours), case["found"])
            self.assertEqual(sum(one["unlisted"] for one in ours), case["unlisted"])
            self.assertEqual([s for one in ours for s in one["samples"]], case["samples"])
            for name, part in parts.items():
                there = [t for t in case["tenants"] if t["node"] == name]
                self.assertEqual(part["cases"][at]["tenants"], self.without(there, "node"))
        found = {node["name"]: node["found"] for node in merged["nodes"]}
        for name, part in parts.items():
            self.assertEqual(sum(case["found"] for case in part["cases"]), found[name])

    def test_people_and_junit(self):
        spec = self.make_running()
        junit = self.path("isolation.xml")
        result = self.on_cluster("isolation", spec, "--junit", junit, code=NOT_CLEAN)
        merged = self.search(spec, code=NOT_CLEAN)
        lines = result.out.splitlines()
        self.assertIn("not registered on every node", lines[0])
        self.assertEqual(f"1..{len(merged['cases'])}", lines[1])
        mixed = merged["cases"][0]
        first = mixed["tenants"][0]
        self.assertIn(f"not ok 1 - {mixed['claim']} # {mixed['found']} in "
                      f"{len(mixed['tenants'])} tenants", lines)
        self.assertTrue(any(line.startswith(f"# tenant {first['tenant']} on {first['node']}: ")
                            for line in lines), result.out)
        failed = sum(case["found"] > 0 for case in merged["cases"])
        self.assertEqual(f"{len(merged['cases']) - failed} passed, {failed} failed", lines[-1])
        suites = ElementTree.parse(junit).getroot()
        self.assertEqual(str(failed), suites.get("failures"))

    def test_contamination_of_one_node_and_clean_at_the_end(self):
        spec = self.make_running()
        self.run_cluster(self.plan_cluster(spec), "--until", "done")
        report = self.search(spec, code=DONE)
        self.assertTrue(report["clean"])
        self.assertTrue(report["registered"])
        self.assertEqual("done", report["phase"])
        self.plant("node-2", [(old("leftover", "CONTRACT#1"), value(capsule_id="DEVUS"))])
        report = self.search(spec, code=NOT_CLEAN)
        found = [case for case in report["cases"] if case["found"]]
        self.assertEqual(["old_record_left"], [case["name"] for case in found])
        self.assertEqual([{"tenant": "leftover", "found": 1, "node": "node-2",
                           "entities": [{"name": "Contract", "count": 1}]}], found[0]["tenants"])
        self.assertEqual(["TENANT#leftover#CONTRACT#1"], found[0]["samples"])

    def test_more_tenants_than_fit_a_message(self):
        """A node's report is cut, and what was cut is still counted."""
        spec = self.make_running()
        long_name = "t" * 400
        records = []
        for i in range(9000):
            records.append((old(f"{long_name}{i:05}", "CONTRACT#1"), value(capsule_id="PRODUS")))
            records.append((old(f"{long_name}{i:05}", "CONTRACT#2"), value(capsule_id="DEVUS")))
        self.plant("node-1", records)
        mixed = self.search(spec, code=NOT_CLEAN)["cases"][0]
        alone = self.each_store("isolation", spec, code=NOT_CLEAN)
        self.assertEqual(sum(part["cases"][0]["found"] for part in alone.values()), mixed["found"])
        self.assertEqual(0, alone["node-1"]["cases"][0]["unlisted"])
        self.assertGreater(mixed["unlisted"], 0)
        self.assertEqual(mixed["found"],
                         mixed["unlisted"] + sum(t["found"] for t in mixed["tenants"]))

    def test_another_text_of_the_spec(self):
        spec = self.make_running()
        self.on_cluster("register", spec)
        other = self.path("other")
        os.mkdir(other)
        other = os.path.join(other, os.path.basename(spec))
        with open(spec, encoding="utf-8") as file, open(other, "w", encoding="utf-8") as out:
            out.write(file.read() + "# another\n")
        result = self.on_cluster("isolation", other, "--json", code=NOT_CLEAN)
        self.assertEqual(len(self.nodes), result.err.count("by another text of its spec"))
        self.assertNotIn("other_text", result.json())

    def test_a_node_that_is_away(self):
        spec = self.make_running()
        self.nodes["node-3"].kill()
        result = self.on_cluster("isolation", spec, code=TRY_AGAIN)
        self.assert_refused(result, "node-3")

    def test_one_place(self):
        spec = self.make_running()
        node = self.nodes["node-1"]
        self.on_cluster("isolation", spec, "--store", "lmdb:" + node.store_folder, code=USAGE)
        self.rekey("isolation", spec, "--json", code=USAGE)


class Inspect(Look):
    def test_it_adds_up(self):
        self.make_running()
        before = self.dumps()
        merged = self.on_cluster("inspect", "--json").json()
        self.assertEqual(before, self.dumps())
        parts = self.each_store("inspect")
        for table in merged["tables"]:
            ours = [there for part in parts.values() for there in part["tables"]
                    if there["name"] == table["name"]]
            for name in ("entries", "bytes"):
                self.assertEqual(sum(there[name] for there in ours), table[name])
            shapes = {}
            for there in ours:
                for shape in there["shapes"]:
                    shapes[shape["shape"]] = shapes.get(shape["shape"], 0) + shape["records"]
            self.assertEqual(shapes, {s["shape"]: s["records"] for s in table["shapes"]})
            records = [shape["records"] for shape in table["shapes"]]
            self.assertEqual(sorted(records, reverse=True), records)
        text = self.on_cluster("inspect").out
        for table in merged["tables"]:
            for shape in table["shapes"]:
                self.assertIn(shape["shape"], text)

    def test_a_draft(self):
        self.make_running()
        self.plant("node-2", [(old("acme", f"LETTER#{i:04}#PAGE#{i}"), b"{}") for i in range(40)])
        parts = self.each_store("inspect")
        records = {name: sum(table["entries"] for table in part["tables"]
                             if table["kind"] == "records") for name, part in parts.items()}
        most = max(records, key=records.get)
        path = self.path("202601010000_draft.yaml")
        self.on_cluster("inspect", "--draft", path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(f"# Of 3 nodes, from {most}, which has the most records.",
                         text.splitlines()[0])
        self.assertIn("migration: 202601010000_draft\n", text)
        alone = self.path("202601010000_alone.yaml")
        self.rekey("inspect", "--store", "lmdb:" + self.nodes[most].store_folder, "--draft", alone)
        with open(alone, encoding="utf-8") as file:
            own = file.read().replace("_alone", "_draft")
        rest = text.split("\n", 1)[1]
        self.assertTrue(rest.startswith(own), rest)
        if most != "node-2":
            self.assertIn("# Only on other nodes", rest)
            self.assertIn("LETTER#", rest[len(own):])
        self.rekey("lint", path)
        self.on_cluster("inspect", "--draft", path, code=FAILED)  # it exists

    def test_nothing_to_draft_from(self):
        self.make_cluster()
        for name in self.nodes:
            self.plant(name, [(b"nothing", b"here")])
        self.start_nodes()
        path = self.path("202601010000_draft.yaml")
        self.assert_refused(self.on_cluster("inspect", "--draft", path, code=FAILED), "draft")
        self.assertFalse(os.path.exists(path))


class Quarantine(Look):
    def contaminate(self, count=3):
        """Records without a parent on two nodes, quarantined by a run."""
        spec = self.spec(quarantine_max=1000000)
        self.make_cluster()
        self.originals = self.seed_nodes(spec)
        tenants = {}
        for name in ("node-1", "node-3"):
            keys = [entry[0] for entry in self.originals[name][TABLE].entries]
            tenants[name] = keys[0].split(b"#")[1].decode()
            self.plant(name, [(old(tenants[name], f"LINEITEM#lost-{i:06}"),
                               value(contract_id=f"gone-{i}")) for i in range(count)])
        self.start_nodes()
        self.run_cluster(self.plan_cluster(spec), "--until", "backfilled")
        return tenants

    def check(self, count):
        tenants = self.contaminate(count)
        merged = self.on_cluster("quarantine", "--json").json()
        parts = self.each_store("quarantine")
        self.assertEqual(len(merged["entries"]), merged["quarantined"])
        self.assertEqual(sum(part["quarantined"] for part in parts.values()),
                         merged["quarantined"])
        self.assertEqual(2 * count, merged["quarantined"])
        for name, part in parts.items():
            there = [entry for entry in merged["entries"] if entry["node"] == name]
            self.assertEqual(part["entries"], self.without(there, "node"))
        return tenants

    def test_entries_of_all(self):
        tenants = self.check(3)
        text = self.on_cluster("quarantine").out.splitlines()
        self.assertEqual("6 records in quarantine", text[-1])
        self.assertTrue(text[0].startswith("node-1  "), text[0])
        self.assertTrue(any(tenants["node-3"] in line for line in text if "node-3" in line))

    def test_more_than_a_page(self):
        self.check(12000)

    def test_nothing_registered(self):
        self.make_running()
        for command in ("quarantine", "audit"):
            result = self.on_cluster(command, code=BAD_SPEC)
            self.assert_refused(result, "node-1")


class Audit(Look):
    def test_the_logs_of_all(self):
        spec = self.make_running()
        self.run_cluster(self.plan_cluster(spec))
        self.on_cluster("flip")
        merged = self.on_cluster("audit", "--json", "--verify").json()
        parts = self.each_store("audit")
        self.assertTrue(merged["whole"])
        self.assertEqual(sorted(e["time"] for e in merged["entries"]),
                         [e["time"] for e in merged["entries"]])
        for node in merged["nodes"]:
            part = parts[node["name"]]
            self.assertEqual(part["head"], node["head"])
            self.assertTrue(node["whole"])
            there = [e for e in merged["entries"] if e["node"] == node["name"]]
            self.assertEqual(part["entries"], self.without(there, "node"))
        self.assertNotIn("whole", self.on_cluster("audit", "--json").json())
        lines = self.on_cluster("audit", "--verify").out.splitlines()
        self.assertEqual(len(merged["entries"]) + 3, len(lines))
        for node, line in zip(merged["nodes"], lines[-3:]):
            self.assertEqual(f"{node['name']}  head {node['head']['number']} "
                             f"{node['head']['digest']}, the chain is whole", line)

    def test_an_edited_log(self):
        spec = self.make_running()
        self.on_cluster("register", spec)
        with ForeignEnv(self.nodes["node-2"].store_folder) as store:
            meta = dict(self.nodes["node-2"].dump()["__rekey"].entries)
            key = min(key for key in meta if key.startswith(b"audit/") and b"register" in meta[key])
            store.put("__rekey", [(key, meta[key].replace(b"register", b"Register", 1))])
        self.on_cluster("audit")
        result = self.on_cluster("audit", "--verify", code=FAILED)
        self.assert_refused(result, "node-2")


if __name__ == "__main__":
    unittest.main()
