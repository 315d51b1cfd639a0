"""Programs that are measured: run to their end, watched while they run, or in the background."""
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

UP_SECONDS = 30
STOP_SECONDS = 10
SAMPLE_SECONDS = 0.01
HERTZ = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """What was measured does not count."""


def run(*command):
    """Stdout of a command that must succeed."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"failed: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def need(program, package):
    if shutil.which(program) is None:
        raise Failure(f"{program} is missing; install the package {package}")


@dataclass
class Watched:
    out: str
    seconds: float  # of the whole command
    rss_kib: int  # peak of its memory outside the map, RssAnon


class Memory:
    """The peak of a process's RssAnon while the block runs."""

    def __init__(self, pid):
        self.pid = pid
        self.peak_kib = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while True:
            try:
                with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
                    for line in file:
                        if line.startswith("RssAnon:"):
                            self.peak_kib = max(self.peak_kib, int(line.split()[1]))
            except OSError:
                return
            if self.ended.wait(SAMPLE_SECONDS):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def run_watched(*command):
    """As run, and with its time and memory. Its output goes to files: nobody reads a pipe."""
    words = [str(word) for word in command]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.monotonic()
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err) as child:
            try:
                with Memory(child.pid) as memory:
                    code = child.wait()
                    seconds = time.monotonic() - began
            except BaseException:
                child.kill()
                raise
        out.seek(0)
        err.seek(0)
        if code != 0:
            raise Failure(f"failed: {' '.join(words)}\n{out.read()}{err.read()}")
        return Watched(out.read(), seconds, memory.peak_kib)


class Process:
    """A program in the background. Its output goes to a file: nobody reads a pipe."""

    def __init__(self, log, *command, processor=None):
        self.log = log
        bind = None if processor is None else lambda: os.sched_setaffinity(0, {processor})
        with open(log, "wb") as file:
            self.child = subprocess.Popen([str(word) for word in command], stdout=file,
                                          stderr=file, stdin=subprocess.DEVNULL, preexec_fn=bind)

    def wait_for(self, word):
        end = time.monotonic() + UP_SECONDS
        while time.monotonic() < end and self.child.poll() is None:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                if word in file.read():
                    return
            time.sleep(0.01)
        with open(self.log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        self.stop()
        raise Failure(f"{self.child.args[0]} did not come up: {text}")

    def processor_seconds(self):
        with open(f"/proc/{self.child.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / HERTZ

    def stop(self):
        if self.child.poll() is not None:
            return
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
