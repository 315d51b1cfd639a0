"""What bench/cluster.py measures: a cluster of real nodes on this machine, and its traffic."""
import os
import selectors
import shutil
import socket
import threading

from rekeybench.process import Process, run
from rekeybench.site import fresh_copy


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o644)  # keys that anybody may write are refused


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()


class Meter:
    """Passes TCP connections on and counts the bytes of both directions."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sent = self.received = 0  # by those who connect
        self.target = None
        self.sockets = [self.listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
            except OSError:
                return
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets += [near, far]
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()

    def _pass_on(self, near, far):
        with selectors.DefaultSelector() as ready, near, far:
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            try:
                while True:
                    for key, _ in ready.select():
                        piece = key.fileobj.recv(1 << 16)
                        if not piece:
                            return
                        if key.fileobj is near:
                            self.sent += len(piece)
                        else:
                            self.received += len(piece)
                        key.data.sendall(piece)
            except OSError:
                return

    def close(self):
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()


class Cluster:
    """The files of a cluster in a folder, and its nodes; `scheme` is ipc, tcp, or metered."""

    def __init__(self, rekey, folder, count, scheme="ipc"):
        self.rekey = rekey
        self.folder = folder
        self.names = [f"node-{i + 1}" for i in range(count)]
        self.file = os.path.join(folder, "cluster.yaml")
        self.meters = [Meter() for _ in self.names] if scheme == "metered" else []
        self.nodes = []
        os.mkdir(folder)
        keys = {name: self._make_key(name) for name in self.names + ["operator"]}
        lines = ["cluster: bench", "keys: keys.yaml", "identity: operator.key", "nodes:"]
        for i, name in enumerate(self.names):
            url = self._write_node(i, name, scheme)
            lines.append(f'  - {{name: {name}, url: "{url}", key: {keys[name]}}}')
        write(self.file, "\n".join(lines) + "\n")
        roles = {name: "node" for name in self.names} | {"operator": "coordinator"}
        write(os.path.join(folder, "keys.yaml"), "keys:\n" + "".join(
            f"  - {{key: {key}, role: {roles[name]}, name: {name}}}\n"
            for name, key in keys.items()))

    def _make_key(self, name):
        path = os.path.join(self.folder, name + ".key")
        run(self.rekey, "keygen", "-o", path)
        with open(path + ".pub", encoding="ascii") as file:
            return file.read().strip()

    def _write_node(self, i, name, scheme):
        url = f"ipc://{self.folder}/{name}.sock"
        listen = ""
        if scheme != "ipc":
            url = "tcp://%s:%d" % free_address()
        if scheme == "metered":
            listen = f"listen: {url}\n"
            host, port = url[len("tcp://"):].split(":")
            self.meters[i].target = (host, int(port))
            url = f"tcp://127.0.0.1:{self.meters[i].port}"
        write(os.path.join(self.folder, name + ".yaml"),
              f"cluster: cluster.yaml\nname: {name}\nidentity: {name}.key\n"
              f"store: lmdb:{name}.store\nworkers: 1\n{listen}")
        return url

    def stores(self):
        return [os.path.join(self.folder, name + ".store") for name in self.names]

    def seed(self, spec, *options):
        for name, store in zip(self.names, self.stores()):
            run(self.rekey, "seed", spec, "--store", "lmdb:" + store, "--cluster", self.file,
                "--node", name, *options)

    def keep(self):
        """The stores as they are now are what each `renew` begins with."""
        for store in self.stores():
            shutil.move(store, store + ".base")

    def renew(self):
        for store in self.stores():
            fresh_copy(store + ".base", store)

    def start(self, bound=False):
        """`bound`: each node to a processor of its own."""
        processors = sorted(os.sched_getaffinity(0))
        for i, name in enumerate(self.names):
            self.nodes.append(Process(os.path.join(self.folder, name + ".log"), self.rekey, "node",
                                      "--config", os.path.join(self.folder, name + ".yaml"),
                                      processor=processors[i] if bound else None))
        for node in self.nodes:
            node.wait_for("listens at")

    def stop(self):
        for node in self.nodes:
            node.stop()
        self.nodes = []

    def close(self):
        self.stop()
        for meter in self.meters:
            meter.close()

    def processor_seconds(self):
        return sum(node.processor_seconds() for node in self.nodes)

    def traffic(self):
        """Bytes sent and received by those who connect to nodes, so far."""
        return (sum(meter.sent for meter in self.meters),
                sum(meter.received for meter in self.meters))
