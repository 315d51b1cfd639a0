"""The interface as the public headers declare it, and where this build's things are."""
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCLUDE = os.path.join(ROOT, "rekey", "include")

BUILD = os.environ["REKEY_BUILD"]
CMAKE = os.environ["REKEY_CMAKE"]
CC = os.environ["REKEY_CC"]
CXX = os.environ["REKEY_CXX"]
# What the library was instrumented with, its users need too.
FLAGS = os.environ.get("REKEY_FLAGS", "").split()


def headers():
    return sorted(os.listdir(os.path.join(INCLUDE, "rekey")))


def functions():
    """The names of all functions marked RK_API."""
    found = set()
    for name in headers():
        with open(os.path.join(INCLUDE, "rekey", name), encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        text = re.sub(r"(?m)^\s*#.*$", "", text)
        found.update(re.findall(r"\bRK_API\b[^;(]*?(\w+)\s*\(", text))
    return found


def version():
    with open(os.path.join(INCLUDE, "rekey", "version.h"), encoding="utf-8") as file:
        return re.search(r'#define RK_VERSION +"(.*)"', file.read()).group(1)


def run(*command, **options):
    """Its stdout; a failure shows both outputs."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\nexit code {done.returncode}\n"
                             f"--- stdout\n{done.stdout}--- stderr\n{done.stderr}")
    return done.stdout
