"""What the figures were measured on."""
import os
import platform

DURABILITY = ("every contestant commits with fsync; none uses NOSYNC, NOMETASYNC, WRITEMAP or "
              "MAPASYNC")


def _first(path, word):
    """The rest of the first line of a file of /proc that begins with a word."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(word):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def _disk(folder):
    """Device and file system that a folder is on."""
    folder = os.path.realpath(folder)
    found = ("", "unknown", "unknown")
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
        for line in file:
            device, point, kind = line.split()[:3]
            inside = folder == point or folder.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(found[0]):
                found = (point, device, kind)
    return {"device": found[1], "file_system": found[2]}


def describe(folder):
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": len(os.sched_getaffinity(0)),
        "model": _first("/proc/cpuinfo", "model name"),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "disk": _disk(folder),
        "stores": os.path.abspath(folder),
    }


def lines(machine):
    """The same for people."""
    disk = machine["disk"]
    yield (f"machine     {machine['system']}, {machine['processors']} processors, "
           f"{machine['model']}, {machine['memory']}")
    yield f"disk        {disk['file_system']} on {disk['device']}, stores under {machine['stores']}"
    yield f"durability  {DURABILITY}"
