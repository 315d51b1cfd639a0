"""Links that are cut in the network itself: each node is a host of its own, at a switch that loses
what it is told to. Cables are out, and packets of one direction vanish: before, in and after the
backfill, and in every change of phase. All go on, and the end is that of a quiet run.

Everybody who may have namespaces can run it: see netns.py.
"""
import os
import signal
import time
import unittest

import lmdb

import netnstest
from netnstest import BOTH, FROM, TO, NetworkCase
from rekeytest import STOPPED, TRY_AGAIN, wait_until

setUpModule = netnstest.enter


class Links(NetworkCase):
    def has_begun(self, name):
        """Whether a record stands at its new key there."""
        with lmdb.open(self.nodes[name].store_folder, readonly=True, max_dbs=8) as env:
            with env.begin(db=env.open_db(b"platform_data", create=False)) as txn:
                return any(b"#CAPSULE#" in key for key in txn.cursor().iternext(values=False))

    def test_before_the_backfill(self):
        """Who begins with a link that is cut waits for it, whichever way it is cut."""
        self.prepare()
        for until, how in (("backfilled", FROM), ("verified", BOTH), ("flipped", TO)):
            self.network.cut("node-2", **how)
            run = self.start_on_cluster("run", self.plan_path, "--until", until)
            self.cut_for(1.5, "node-3", how, run)
            self.finished(run)
            self.assert_as_quiet(self.spec_path, until)
        self.assert_phases("flipped")

    def test_in_the_backfill(self):
        self.RECORDS = 30000
        self.prepare()
        run = self.start_on_cluster("run", self.plan_path)
        for name, how in zip(self.nodes, (BOTH, TO, FROM)):
            wait_until(lambda: self.has_begun(name), f"{name} has begun", 10)
            self.cut_for(1, name, how, run)
        self.finished(run)
        self.assert_as_quiet(self.spec_path, "verified")

    def test_after_the_backfill(self):
        """Nobody asks while a cable is out; then a link is cut in the verification."""
        self.prepare(until="backfilled")
        self.network.cut("node-1")
        time.sleep(1)
        self.network.heal()
        run = self.start_on_cluster("run", self.plan_path)
        self.cut_for(1.5, "node-2", FROM, run)
        self.finished(run)
        self.assert_as_quiet(self.spec_path, "verified")

    def test_told_to_stop_while_a_link_is_cut(self):
        self.RECORDS = 30000
        self.prepare()
        run = self.start_on_cluster("run", self.plan_path)
        wait_until(lambda: self.has_begun("node-3"), "node-3 has begun", 10)
        self.network.cut("node-3", **TO)
        run.send_signal(signal.SIGINT)
        time.sleep(0.5)
        self.network.heal()
        self.finished(run, STOPPED)
        again = ["run", self.plan_path]
        wait_until(lambda: self.on_cluster(*again, code=None).code != TRY_AGAIN, "the lead is free",
                   20)
        self.on_cluster(*again)
        self.assert_as_quiet(self.spec_path, "verified")

    def test_cut_for_a_while(self):
        """In every change of phase; each goes on."""
        self.prepare(until="verified")
        contract = ["contract", "--confirm",
                    os.path.basename(self.spec_path).removesuffix(".yaml")]
        for words, until, how in ((["flip"], "flipped", FROM), (["rollback"], "seeded", BOTH),
                                  (["flip"], "flipped", TO), (contract, "done", FROM)):
            command = self.start_on_cluster(*words)
            time.sleep(0.05)
            self.network.cut("node-2", **how)
            time.sleep(1)
            self.network.heal()
            self.finished(command)
            self.assert_one_outcome()
            self.assert_as_quiet(self.spec_path, until)
            if until == "seeded":
                self.run_anew()


if __name__ == "__main__":
    unittest.main()
