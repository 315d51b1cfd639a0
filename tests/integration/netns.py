"""A network of this process's own: hosts at a switch, and links that are cut for real.

`enter()` takes the process out of the machine's network and into a new one, for good. Hosts get a
network namespace each; this process is one of them. Whatever it makes is private to it and its
children: nobody else can see it, and the kernel clears it away however they end. Root may do that,
and everybody where the kernel lets users have namespaces.

    netns.enter()                             # netns.Unavailable: not here, and why
    network = netns.Network(["node-1", "node-2"])
    subprocess.Popen([program, ...], preexec_fn=network.move_to("node-1"))
    network.cut("node-1", to_host=False)      # what it sends is lost, what it is sent arrives
    network.heal()
"""
import ctypes
import os
import shutil
import signal
import subprocess

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
PR_SET_PDEATHSIG = 1
SECONDS_MAX = 10
TOOLS = ("ip", "mount", "nft")
SWITCH = "switch"
HERE = "here"  # this process among the hosts
SUBNET = "10.89.0"

LIBC = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    pass


def call(name, *words):
    if getattr(LIBC, name)(*words) != 0:
        raise Unavailable(f"{name}: {os.strerror(ctypes.get_errno())}")


def run(*words, text=""):
    done = subprocess.run(words, input=text, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, timeout=SECONDS_MAX, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(words)}: {done.stderr.strip()}")


def enter():
    """Leaves the machine's network, and hides where the system keeps the names of others."""
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # a user's may lack them
    for tool in TOOLS:
        if not shutil.which(tool):
            raise Unavailable(f"there is no program {tool}")
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        call("unshare", CLONE_NEWNS | CLONE_NEWNET)
    else:
        call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET)
        be_root_inside(user, group)
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")


def be_root_inside(user, group):
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"),
                       ("gid_map", f"0 {group} 1")):
        try:
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        except OSError as error:
            raise Unavailable(f"{name}: {error.strerror}") from error


class Network:
    """Hosts, each with one link to a switch that can lose what comes in by one port and would go
    out by another. A link is named after its host; so is its end at the switch."""

    def __init__(self, hosts):
        self.addresses = {}
        self._lost = {}  # by the host or the two that were cut: what packets are
        run("ip", "netns", "add", SWITCH)
        self._at_switch("add", "hub", "type", "bridge")
        self._at_switch("set", "hub", "up")
        run("ip", "link", "set", "lo", "up")
        self._connect(HERE)
        for host in hosts:
            run("ip", "netns", "add", host)
            run("ip", "-n", host, "link", "set", "lo", "up")
            self._connect(host, "-n", host)
        run("ip", "netns", "exec", SWITCH, "nft", "add", "table", "bridge", "cuts")
        self.heal()

    @staticmethod
    def _at_switch(*words):
        run("ip", "-n", SWITCH, "link", *words)

    def _connect(self, host, *where):
        self.addresses[host] = f"{SUBNET}.{len(self.addresses) + 1}"
        run("ip", *where, "link", "add", "wire", "type", "veth", "peer", "name", host, "netns",
            SWITCH)
        run("ip", *where, "addr", "add", self.addresses[host] + "/24", "dev", "wire")
        run("ip", *where, "link", "set", "wire", "up")
        self._at_switch("set", host, "master", "hub", "up")

    @staticmethod
    def move_to(host):
        """For `preexec_fn`: the process runs at that host, and does not outlive this one."""
        def move():
            if host != HERE:
                with open(f"/run/netns/{host}", "rb") as space:
                    call("setns", space.fileno(), CLONE_NEWNET)
            call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        return move

    def cut(self, host, to_host=True, from_host=True):
        """Both ways: the cable is out, and both ends can tell. One way: nobody can tell."""
        if to_host and from_host:
            self._at_switch("set", host, "down")
        else:
            self._lose(host, f"{'oifname' if to_host else 'iifname'} {host}")

    def lose(self, host, other):
        """Nothing that this one sends to that one arrives; both reach everybody else."""
        self._lose((host, other), f"iifname {host} oifname {other}")

    def cut_between(self, host, other):
        self.lose(host, other)
        self.lose(other, host)

    def _lose(self, name, packets):
        self._lost[name] = packets
        self._apply()

    def _apply(self):
        """All at once: no packet sees half of it."""
        rules = [f"add rule bridge cuts lost {packets} drop\n" for packets in self._lost.values()]
        run("ip", "netns", "exec", SWITCH, "nft", "-f", "-", text=(
            "add chain bridge cuts lost { type filter hook forward priority 0; }\n"
            "flush chain bridge cuts lost\n" + "".join(rules)))

    def restore(self, host, other):
        """What one sends the other arrives again."""
        self._lost.pop((host, other))
        self._apply()

    def heal(self):
        self._lost.clear()
        self._apply()
        for host in self.addresses:
            self._at_switch("set", host, "up")
