"""One environment with its workers, and the operator who takes a migration through it.

A stage leaves in its folder what the checker reads: WORKER.log from each worker, STORE.log from
each snapshot, seeds.json, and driver.json with the phases and the times at which workers died for
good. With REKEY_STRESS_KEEP=DIR such a folder is kept there when something was found.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import checker
import history
import rekeytest
from model import Spec
from register import Violation
from snapshot import Snapshot, inherit_lock

WORKER = os.environ.get("REKEY_STRESS_WORKER", "")
KEEP = os.environ.get("REKEY_STRESS_KEEP", "")  # where to keep the logs of what went wrong
TRIES_MAX = 20

# A command's life goes in beats: it runs for a few milliseconds, then it is stopped for a few, in
# which the workers change what it has read and not yet written.
RUN_SECONDS = (0.001, 0.005)
HALT_SECONDS = (0.001, 0.012)
KILL_BEATS_MAX = 24


class Stuck(AssertionError):
    """There is no sense in going on: the program refuses to, however often it is asked, perhaps."""


class Crew:
    """The workers. Every one that ends, ends by us; how, and when, is kept."""

    def __init__(self, stage, worker):
        self.stage = stage
        self.worker = worker
        self.slots = {}  # role and slot -> (label, process)
        self.counts = {}
        self.generation = 0
        self.died = {}

    def start(self, writers, readers, pause_us):
        self.counts = {"writer": writers, "reader": readers}
        self.pause_us = pause_us
        for role, count in self.counts.items():
            for slot in range(count):
                self._start(role, slot)

    def run(self, role, operations=0):
        """One worker to its end."""
        label, process = self._launch(role, 0, 1, operations, 0)
        self._join(label, process, (0,))

    def _start(self, role, slot):
        self.slots[role, slot] = self._launch(role, slot, self.counts[role], 0, self.pause_us)

    def _launch(self, role, slot, slots, operations, pause_us):
        self.generation += 1
        label = f"{role[0]}{slot}g{self.generation}"
        words = [self.worker, self.stage.store, self.stage.path(label + ".log"), label, slot, slots,
                 role, self.stage.random.randrange(1 << 40), operations, pause_us,
                 int(self.stage.shared)]
        process = subprocess.Popen([str(word) for word in words], env=self.stage.worker_env,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return label, process

    def _join(self, label, process, codes):
        _, err = process.communicate(timeout=rekeytest.SECONDS_MAX)
        if process.returncode == -signal.SIGKILL:
            inherit_lock(self.stage.case.store_folder)
        self.died[label] = time.monotonic_ns()
        if process.returncode not in codes:
            raise AssertionError(f"worker {label} ended with {process.returncode}: "
                                 f"{err.decode('utf-8', 'replace')}")

    def kill_one(self):
        """SIGKILL, in the middle of whatever it does; another takes its place."""
        role, slot = self.stage.random.choice(sorted(self.slots))
        label, process = self.slots.pop((role, slot))
        process.kill()
        self._join(label, process, (-signal.SIGKILL,))
        self._start(role, slot)

    def stop(self):
        for _, process in self.slots.values():
            process.terminate()
        for label, process in self.slots.values():
            self._join(label, process, (0,))
        self.slots = {}

    def kill_all(self):
        for _, process in self.slots.values():
            process.kill()
            process.communicate()
        self.slots = {}


class Stage:
    """`fault` plants a bug in the program, `worker_fault` in the workers; they must be the faulty
    ones then. `shared`: some ids are used in both capsules. Who is `impatient` stops at the first
    snapshot that is wrong."""

    def __init__(self, case, strategy, random, shared=True, fault=None, worker_fault=None,
                 worker=WORKER, records=1200, impatient=False):
        self.case = case
        self.shared = shared
        self.impatient = impatient
        self.strategy = strategy
        self.random = random
        self.env = rekeytest.environment(**({"REKEY_FAULT": fault} if fault else {}))
        self.worker_env = rekeytest.environment(
            **({"REKEY_FAULT": worker_fault} if worker_fault else {}))
        self.folder = tempfile.mkdtemp(prefix="stage-", dir=case.folder)
        case.store_folder = self.path("store")
        self.store = case.store
        self.spec_path = case.spec(strategy, lock_hold_ms=1)
        self.spec = Spec(self.spec_path)
        self.crew = Crew(self, worker)
        case.addCleanup(self.crew.kill_all)
        self.changes = []
        self.snapshots = 0
        self.plans = 0
        self.killed = 0
        self.undoing = False
        self.violations = []
        self._prepare(records)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def _prepare(self, records):
        case = self.case
        case.on_store("seed", self.spec_path, "--tenants", 4, "--records", records)
        case.on_store("register", self.spec_path)
        with open(self.path("seeds.json"), "w", encoding="utf-8") as file:
            json.dump(list(Snapshot(case.store_folder, self.spec).seeds()), file)
        self.crew.run("fill")
        self.phases = case.status()["tiers"]

    # --- commands

    def command(self, *words, beats=None):
        """Runs one, or kills it after so many beats. Returns its exit code, None for killed."""
        start = time.monotonic_ns()
        process = rekeytest.start_rekey(*words, "--store", self.store, env=self.env)
        self._beat(process, beats)
        _, err = process.communicate(timeout=rekeytest.SECONDS_MAX)
        if process.returncode == -signal.SIGKILL:
            inherit_lock(self.case.store_folder)
        self._note(words[0], start, process.returncode)
        self.last_error = err.decode("utf-8", "replace")
        return None if process.returncode == -signal.SIGKILL else process.returncode

    def _beat(self, process, beats):
        """Until it ends, or for `beats`; then it is killed, running or halted."""
        deadline = time.monotonic() + rekeytest.SECONDS_MAX
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(self.random.uniform(*RUN_SECONDS))
            process.send_signal(signal.SIGSTOP)
            time.sleep(self.random.uniform(*HALT_SECONDS))
            if beats is not None:
                beats -= 1
                if beats <= 0:
                    process.kill()
            process.send_signal(signal.SIGCONT)

    def _note(self, command, start, code):
        after = self.case.status()["tiers"]
        end = time.monotonic_ns()
        self.undoing = command == "rollback" and code != rekeytest.DONE
        if after != self.phases or command == "rollback":
            self.changes.append({"start": start, "end": end, "command": command,
                                 "before": self.phases, "after": after})
        self.phases = after

    def insist(self, *words, kills=0):
        """As an operator would: the same command again, until it is done. The first times it is
        killed, if it does not get through before that."""
        for _ in range(kills):
            code = self.command(*words, beats=self.random.randint(1, KILL_BEATS_MAX))
            if code == rekeytest.DONE:
                return
            if code is None:
                self.killed += 1
                self.crew.kill_one()
                self.look()
            elif "--accept-loss" in self.last_error:
                words += ("--accept-loss",)
        for _ in range(TRIES_MAX):
            code = self.command(*words)
            if code == rekeytest.DONE:
                return
            if code not in (rekeytest.NOT_CLEAN, rekeytest.TRY_AGAIN, rekeytest.STOPPED):
                break
            if "--accept-loss" in self.last_error:
                words += ("--accept-loss",)
        raise Stuck(f"rekey {' '.join(map(str, words))}: {code}: {self.last_error}")

    def plan(self):
        self.plans += 1
        path = self.path(f"plan-{self.plans}.json")
        if self.command("plan", self.spec_path, "-o", path) != rekeytest.DONE:
            raise AssertionError(self.last_error)
        return path

    def flip(self, plan):
        """What the last verification proved may have been overtaken; then once more."""
        for _ in range(TRIES_MAX):
            if self.command("flip") == rekeytest.DONE:
                return
            self.insist("run", plan)
        raise Stuck(f"flip: {self.last_error}")

    # --- looking

    def look(self, phases=None):
        """One snapshot, judged by the oracle and kept for the checker."""
        self.snapshots += 1
        snapshot = Snapshot(self.case.store_folder, self.spec)
        phases = phases or self._phases_to_check()
        for invariant, table, key, problem in snapshot.check(phases):
            self.violations.append(
                Violation("store", (table, key), f"invariant {invariant}: {problem} "
                                                 f"(snapshot {self.snapshots}, {phases})"))
        places = self._places()
        with open(self.path(f"store{self.snapshots}.log"), "w", encoding="ascii") as file:
            file.writelines(snapshot.lines(places, self.phases))
        if self.impatient and self.violations:
            raise Stuck("a snapshot of the store is wrong")

    def _phases_to_check(self):
        """A rollback that was cut off has left new copies behind, in phase old as it may be."""
        cut_off = {"old": "dual_write"} if self.undoing else {}
        return {tier: cut_off.get(phase, phase) for tier, phase in self.phases.items()}

    def _places(self):
        """What was filled: each record in its own capsule."""
        if not hasattr(self, "_filled"):
            self._filled = set()
            label = next(label for label in self.crew.died if label.startswith("f"))
            with open(self.path(label + ".log"), encoding="ascii") as file:
                for line in file:
                    words = line.split(" ")
                    if words[0] == "W":
                        self._filled.add((words[4], words[5], words[7], words[6]))
        return self._filled

    def watch(self, seconds):
        """Traffic as usual, while nothing changes."""
        time.sleep(seconds)

    # --- the end

    def judge(self):
        """Everything that was found wrong."""
        with open(self.path("driver.json"), "w", encoding="utf-8") as file:
            json.dump({"strategy": self.spec.strategy, "canary": sorted(self.spec.canary),
                       "changes": self.changes, "died": self.crew.died}, file)
        found = checker.check(history.load(self.folder,
                                           checker.load_seeds(self.path("seeds.json"))))
        self.checked = found.checked
        violations = self.violations + found.violations
        if violations and KEEP:
            shutil.copytree(self.folder, os.path.join(KEEP, os.path.basename(self.folder)))
        return violations
