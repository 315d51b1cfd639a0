"""Holds the section on control of specs/protocol.md to the code: the same operations, the same kinds
of work, the same words; and its example to the rules that it is an example of.
"""
import hashlib
import json
import os
import re
import struct
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BEGIN = "<!-- example: checked by tests/wire -->\n```\n"
END = "```\n<!-- end of example -->"
LINE = re.compile(r"(node-\d) ([<>]) (\{.*\})")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def between(text, begin, end):
    start = text.index(begin) + len(begin)
    return text[start:text.index(end, start)]


def section():
    return between(read("specs", "protocol.md"), "\n## Control\n", "\n## Rights\n")


def rows(text, head):
    """The first column of the table that begins so, without its head."""
    lines = text[text.index(head):].split("\n\n", 1)[0].splitlines()[2:]
    return [line.split("|")[1].strip().strip("`") for line in lines]


def cells(text, head):
    """{name: the other columns} of the table that begins so."""
    lines = text[text.index(head):].split("\n\n", 1)[0].splitlines()[2:]
    return {line.split("|")[1].strip().strip("`"): "|".join(line.split("|")[2:]) for line in lines}


def framed(data):
    return struct.pack("<Q", len(data)) + data


def cluster_digest(cluster, nodes):
    domain = b"rekey cluster v1"
    data = struct.pack("<I", len(domain)) + domain + framed(cluster)
    return hashlib.blake2b(data + b"".join(map(framed, nodes)), digest_size=32).hexdigest()


class Page(unittest.TestCase):
    def setUp(self):
        self.page = section()
        self.control = read("rekey", "node", "control.c")
        self.work = read("rekey", "node", "work.c")

    def test_operations(self):
        table = between(self.control, "static const operation operations[] = {", "};")
        in_code = re.findall(r'\{"([a-z_]+)", (BESIDE|ALONE|LEADS), op_', table)
        on_page = cells(self.page, "| op | members |")
        self.assertEqual(sorted(name for name, _ in in_code), sorted(on_page))
        for name, order in in_code:
            if order == "LEADS":
                self.assertIn("leader", on_page[name], name)

    def test_kinds_of_work(self):
        words = between(self.work, "kinds[WORK_KINDS] = {", "}")
        self.assertEqual(sorted(re.findall(r'"([a-z_]+)"', words)),
                         sorted(rows(self.page, "| kind | members |")))

    def test_words(self):
        goals = between(read("rekey", "message", "message.c"), "goals[] = {", "}")
        decided = between(read("rekey", "message", "message.c"), "decided_words[] = {", "}")
        states = between(self.work, "run_states[] = {", "}")
        statuses = between(read("rekey", "base", "status.c"), "names[] = {", "}")
        page = " ".join(self.page.split())
        for words in (goals, decided, states, statuses):
            found = re.findall(r'= "([a-z_/ ]+)"', words)
            self.assertTrue(found)
            for word in set(found) - {"ok"}:
                self.assertIn(f"`{word}`", page)

    def test_times(self):
        for name, path in (("RK_WORK_LEASE_MS", ("rekey", "node", "work.h")),
                           ("RK_LEADER_LEASE_MS", ("rekey", "engine", "decision.h"))):
            value = int(re.search(rf"#define {name} +(\d+)", read(*path)).group(1))
            self.assertIn(f"for {value // 1000} s", self.page)


class Example(unittest.TestCase):
    def setUp(self):
        page = section()
        self.ops = rows(page, "| op | members |")
        self.lines = []
        for part in page.split(BEGIN)[1:]:
            for line in part[:part.index(END)].splitlines():
                found = LINE.fullmatch(line)
                self.assertIsNotNone(found, line)
                self.lines.append((found[1], found[2], json.loads(found[3])))

    def test_requests(self):
        requests = [(node, said) for node, way, said in self.lines if way == ">"]
        self.assertGreater(len(requests), 10)
        for _, request in requests:
            self.assertIn(request["op"], self.ops)
            for name, length in (("token", 32), ("decision", 32), ("cluster", 64)):
                if name in request:
                    self.assertRegex(request[name], rf"^[0-9a-f]{{{length}}}$")
        digest = cluster_digest(b"platform-eu", [b"node-1", b"node-2"])
        for _, request in requests:
            self.assertEqual(request.get("cluster", digest), digest)

    def test_replies_follow_their_requests(self):
        waiting = None
        for node, way, said in self.lines:
            if way == ">":
                waiting = (node, said)
                continue
            self.assertIsNotNone(waiting)
            self.assertEqual(node, waiting[0])
            if waiting[1]["op"] == "poll":
                self.assertEqual(said["work"]["name"], waiting[1]["name"])
            waiting = None

    def test_decided_once_all_have_promised(self):
        finished = {node for node, way, said in self.lines
                    if way == "<" and said.get("work", {}).get("state") == "finished"}
        self.assertEqual(finished, {"node-1", "node-2"})
        commits = [node for node, way, said in self.lines
                   if way == ">" and said["op"] == "commit"]
        starts = [said for _, way, said in self.lines if way == ">" and said["op"] == "start"]
        self.assertEqual(commits[0], starts[0]["decider"])


if __name__ == "__main__":
    unittest.main()
