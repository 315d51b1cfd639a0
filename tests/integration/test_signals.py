"""Ctrl-C, a full disk, and two runs at once."""
import os
import resource
import signal
import subprocess
import unittest

from rekeytest import (
    DONE, SECONDS_MAX, STOPPED, TRY_AGAIN, Case, each_strategy, environment, start_rekey,
    wait_until,
)

LINES = {"REKEY_PROGRESS_MS": "1"}  # progress as plain lines, often


class Watched:
    """A running command, its stderr read as it comes."""

    def __init__(self, *words):
        self.process = start_rekey(*words, env=environment(**LINES))
        os.set_blocking(self.process.stderr.fileno(), False)
        self.err = ""

    def read(self):
        self.err += (self.process.stderr.read() or b"").decode()
        return self.err

    def wait_for(self, word):
        wait_until(lambda: word in self.read() or self.process.poll() is not None,
                   f"{word!r} is in its progress")

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        self.process.wait(timeout=SECONDS_MAX)
        self.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.returncode


class Interrupts(Case):
    RECORDS = 12000

    def prepare(self, strategy):
        spec = self.spec(strategy, lock_hold_ms=1)
        original = self.seed(spec, records=self.RECORDS)
        return spec, original, self.plan(spec)

    def interrupted(self, number, word, *words):
        """True when the signal came in time: exit 6 and one line that says so."""
        watched = Watched(*words)
        watched.wait_for(word)
        watched.signal(number)
        code = watched.end()
        self.assertIn(code, (DONE, STOPPED), watched.err)
        if code == STOPPED:
            self.assertIn("the same command", watched.err)
        return code == STOPPED

    @each_strategy
    def test_ctrl_c_once_and_again_the_same_command(self, strategy):
        spec, original, plan = self.prepare(strategy)
        words = ("run", plan, "--store", self.store)
        stopped = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            if self.interrupted(number, "backfill", *words):
                stopped += 1
                self.check(spec, "dual_write", original)
                self.assertFalse(self.status()["running"], "the lease was not given back")
        self.assertGreater(stopped, 0, "each run was over before its signal")
        self.run_plan(plan)
        self.check(spec, "backfilled", original)
        self.flip()
        self.assert_single_changes_resume(spec, original)

    def assert_single_changes_resume(self, spec, original):
        words = ("rollback", "--store", self.store)
        if self.interrupted(signal.SIGINT, "undo", *words):
            self.check(spec, "dual_write", original)
        self.rollback()
        self.assert_same_records(original, spec)

    def test_twice_leaves_at_once(self):
        """A frozen process cannot checkpoint between the two; afterwards nothing is lost."""
        spec, original, plan = self.prepare("dual-write")
        watched = Watched("run", plan, "--store", self.store)
        watched.wait_for("backfill")
        watched.signal(signal.SIGSTOP)
        watched.signal(signal.SIGINT)
        watched.signal(signal.SIGTERM)
        watched.signal(signal.SIGCONT)
        code = watched.end()
        self.assertNotEqual(-signal.SIGSEGV, code)
        self.check(spec, "dual_write", original)
        self.run_plan(plan)
        self.check(spec, "backfilled", original)

    def test_reading_commands_stop_too(self):
        spec, _, plan = self.prepare("dual-write")
        watched = Watched("plan", spec, "--store", self.store)
        watched.wait_for("scan")
        watched.signal(signal.SIGINT)
        self.assertIn(watched.end(), (DONE, STOPPED))


class FullDisk(Case):
    def limited(self, size):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return {"preexec_fn": limit}

    def file_size(self):
        return os.path.getsize(os.path.join(self.store_folder, "data.mdb"))

    @each_strategy
    def test_a_file_that_may_not_grow(self, strategy):
        """Exit 6, nothing lost, and with more room the same command resumes."""
        spec = self.spec(strategy, lock_hold_ms=1)
        original = self.seed(spec, records=2500)
        plan = self.plan(spec)
        words = ("run", plan, "--store", self.store)
        size = self.file_size()
        # A little more room each time: it stops at many places.
        for step in range(0, 14):
            result = self.rekey(*words, code=None, **self.limited(size + step * 12 * 4096))
            if result.code == DONE:
                break
            self.assertEqual(STOPPED, result.code, str(result))
            self.assert_refused_once(result)
            self.assert_nothing_lost(spec, original)
        self.run_plan(plan)
        self.check(spec, "backfilled", original)
        self.flip()
        self.contract(spec)
        self.check(spec, "done", original)

    def assert_nothing_lost(self, spec, original):
        try:
            started = self.on_store("status", "--json", code=None).code == DONE
            self.check(spec, "dual_write" if started else "old", original)
        except AssertionError as error:
            raise AssertionError(f"after a full disk: {error}") from None

    def assert_refused_once(self, result):
        lines = [line for line in result.err.splitlines() if line.startswith("rekey: ")]
        self.assertEqual(1, len(lines), str(result))

    def test_rollback_with_a_full_disk(self):
        spec = self.spec("move", lock_hold_ms=1)
        original = self.seed(spec, records=3000)
        self.run_plan(self.plan(spec), "--until", "flipped")
        result = self.rollback(code=None, **self.limited(self.file_size()))
        self.assertIn(result.code, (DONE, STOPPED), str(result))
        self.rollback()
        self.assert_same_records(original, spec)

    def test_seeding(self):
        spec = self.spec()
        words = ("seed", spec, "--store", self.store, "--tenants", 3, "--records", 20000)
        result = self.rekey(*words, code=None, **self.limited(1 << 20))
        self.assertEqual(STOPPED, result.code, str(result))
        self.rekey(*words)
        self.check(spec, "old")

    def test_no_room_for_the_plan(self):
        """The plan is written whole or not at all."""
        spec = self.spec()
        self.seed(spec)
        path = self.path("plan.json")
        result = self.on_store("plan", spec, "-o", path, code=None, **self.limited(100))
        self.assertNotEqual(DONE, result.code)
        self.assertFalse(os.path.exists(path))
        self.assertEqual([], [n for n in os.listdir(self.folder) if n.startswith("plan.json")])


class StopSignals(Case):
    def test_free_space(self):
        """The run stops, says which signal fired, and goes on when it is gone."""
        spec = self.spec("dual-write", free_space_min="1000000GiB")
        original = self.seed(spec, records=2000)
        plan = self.plan(spec)
        result = self.run_plan(plan, code=5)
        self.assertIn("free_space", result.err)
        self.assertEqual("free_space", self.status()["stopped_by"])
        self.check(spec, "dual_write", original)


class TwoAtOnce(Case):
    def test_the_second_names_the_holder(self):
        spec = self.spec("dual-write", lock_hold_ms=1)
        original = self.seed(spec, records=12000)
        plan = self.plan(spec)
        first = Watched("run", plan, "--store", self.store)
        first.wait_for("backfill")
        first.signal(signal.SIGSTOP)  # so that it surely is still there
        try:
            for words in (("run", plan), ("rollback",), ("flip",)):
                with self.subTest(words[0]):
                    self.assert_busy(words, first.process.pid)
            self.assertTrue(self.status()["running"])
            self.on_store("verify", code=None)
        finally:
            first.signal(signal.SIGCONT)
        self.assertEqual(DONE, first.end(), first.err)
        self.check(spec, "backfilled", original)

    def assert_busy(self, words, pid):
        try:
            result = self.on_store(*words, code=TRY_AGAIN)
        except subprocess.TimeoutExpired:
            self.skipTest("the first was stopped inside a write transaction")
        self.assert_refused(result, "rekey run", str(pid))

    def test_a_dead_holder_is_no_holder(self):
        spec = self.spec("move", lock_hold_ms=1)
        original = self.seed(spec, records=12000)
        plan = self.plan(spec)
        first = Watched("run", plan, "--store", self.store)
        first.wait_for("backfill")
        first.signal(signal.SIGKILL)
        first.end()
        self.assertFalse(self.status()["running"])
        self.run_plan(plan)
        self.check(spec, "backfilled", original)


if __name__ == "__main__":
    unittest.main()
