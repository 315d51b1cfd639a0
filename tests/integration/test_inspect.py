"""inspect: the shapes in a store, and a draft that lints but for what only a person can know."""
import os
import re
import unittest

import yaml

from rekeytest import BAD_SPEC, DONE, FAILED, USAGE, Case

SHAPES = {
    "FinancialConfig": ("TENANT", None, "CONFIG", "FINANCIAL"),
    "Contract": ("TENANT", None, "CONTRACT", None),
    "ContractLineItem": ("TENANT", None, "LINEITEM", None),
    "ContractAmendment": ("TENANT", None, "AMENDMENT", None),
    "RevenueSchedule": ("TENANT", None, "SCHEDULE", None),
    "AccessEntity": ("TENANT", None, "ACCESS", None),
}


def skeleton(shape):
    """Literals, and None for each variable: names are made up."""
    return tuple(None if re.fullmatch(r"\{.*\}", part) else part for part in shape.split("#"))


class Inspect(Case):
    def tables(self):
        tables = self.on_store("inspect", "--json").json()["tables"]
        return {table["name"]: table for table in tables}

    def test_shapes_of_a_seeded_store(self):
        self.seed(self.spec(), tenants=8, records=2000)
        table = self.tables()["platform_data"]
        found = {skeleton(shape["shape"]): shape["records"] for shape in table["shapes"]}
        self.assertEqual(set(SHAPES.values()), set(found))
        self.assertEqual(2000, sum(found.values()))
        self.assertEqual(8, found[SHAPES["FinancialConfig"]])

    def test_index_tables(self):
        self.seed(self.spec(), tenants=8, records=2000)
        table = self.tables()["gsi1"]
        self.assertEqual("index", table["kind"])
        self.assertEqual("platform_data", table["index_of"])

    def test_any_environment(self):
        with self.foreign() as env:
            env.put("", [(b"plain", b"value"), (b"\xff\x00", b"binary")])
            env.put("numbers", [(b"%d" % i, b"x") for i in range(300)])
            env.put("sets", [(b"a", b"1"), (b"a", b"2")], dupsort=True)
            env.put("nothing", [])
        tables = self.tables()
        self.assertLessEqual({"numbers", "sets", "nothing"}, set(tables))
        self.assertEqual(300, sum(s["records"] for s in tables["numbers"]["shapes"]))

    def test_no_ids_and_no_values_in_the_output(self):
        with self.foreign() as env:
            env.put("data", [(b"TENANT#acme-%d#CARD#4111-%d" % (i % 9, i), b'{"pin":"9731"}')
                             for i in range(300)])
        for words in (("inspect",), ("inspect", "--json")):
            out = self.on_store(*words).out
            self.assertNotIn("4111-", out)
            self.assertNotIn("9731", out)

    def test_rekeys_own_tables_are_named_so(self):
        spec = self.spec()
        self.seed(spec)
        self.on_store("register", spec)
        self.assertEqual("rekey", self.tables()["__rekey"]["kind"])


class Draft(Case):
    def draft(self, **options):
        path = self.path("202601010000_draft.yaml")
        result = self.on_store("inspect", "--draft", path, **options)
        return path, result

    def test_lints_but_for_the_todos(self):
        self.seed(self.spec(), tenants=8, records=2000)
        path, _ = self.draft()
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertTrue(any("TODO" in line for line in lines))
        result = self.rekey("lint", path, code=None)
        self.assertIn(result.code, (DONE, BAD_SPEC))
        for finding in re.finditer(r":(\d+):\d+: ", result.err):
            number = int(finding.group(1))
            near = lines[max(0, number - 3):number + 1]
            self.assertTrue(any("TODO" in line for line in near), f"{result.err}\n{near}")

    def test_has_every_entity_and_index(self):
        self.seed(self.spec(), tenants=8, records=2000)
        path, _ = self.draft()
        with open(path, encoding="utf-8") as file:
            spec = yaml.safe_load(file)
        self.assertEqual("202601010000_draft", spec["migration"])
        self.assertEqual("platform_data", spec["database"])
        shapes = {skeleton(entity["old"]) for entity in spec["entities"].values()}
        self.assertEqual(set(SHAPES.values()), shapes)
        for entity in spec["entities"].values():
            self.assertEqual(["gsi1"], list(entity.get("indexes", {})), entity)
            self.assertRegex(entity["new"], r"^TENANT#\{\w+\}#\w+#\{\w+\}#")

    def test_never_overwrites(self):
        self.seed(self.spec())
        path, _ = self.draft()
        with open(path, "a", encoding="utf-8") as file:
            file.write("# mine\n")
        _, result = self.draft(code=FAILED)
        self.assert_refused(result, path)
        with open(path, encoding="utf-8") as file:
            self.assertIn("# mine", file.read())

    def test_a_bad_name(self):
        self.seed(self.spec())
        result = self.on_store("inspect", "--draft", self.path("draft.yaml"), code=USAGE)
        self.assert_refused(result, "draft.yaml")
        self.assertFalse(os.path.exists(self.path("draft.yaml")))

    def test_nothing_to_draft_from(self):
        with self.foreign() as env:
            env.put("data", [(b"%d" % i, b"x") for i in range(50)])
        path, result = self.draft(code=FAILED)
        self.assertFalse(os.path.exists(path))
        self.assertIn("rekey: ", result.err)


if __name__ == "__main__":
    unittest.main()
