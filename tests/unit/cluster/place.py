#!/usr/bin/env python3
"""The owners that test_place.c expects, by specs/cluster.md and not by our C: prints its table.

    tests/unit/cluster/place.py
"""
import hashlib
import struct

NODES = ["node-1", "node-2", "node-3", "node-4", "node-5"]
TENANTS = [b"acme", b"globex", b"initech", b"umbrella", b"stark", b"wayne", b"hooli", b"a", b"",
           "m\u00fcnchen".encode(), b"\x00\xff"]


def digest(domain, *parts):
    state = hashlib.blake2b(digest_size=32)
    state.update(struct.pack("<I", len(domain)) + domain)
    for part in parts:
        state.update(struct.pack("<Q", len(part)) + part)
    return state.digest()


def owner(nodes, tenant):
    return max(sorted(nodes), key=lambda node: digest(b"rekey place v1", node.encode(), tenant))


def literal(tenant):
    return "".join(chr(c) if 32 <= c < 127 else f"\\{c:03o}" for c in tenant)


def main():
    for tenant in TENANTS:
        print(f'    {{"{literal(tenant)}", {len(tenant)}, "{owner(NODES, tenant)}", '
              f'"{owner(NODES[:2], tenant)}"}},')
    print(digest(b"rekey cluster v1", b"platform-eu", *(n.encode() for n in NODES)).hex())
    print(digest(b"rekey place v1", b"node-1", b"acme").hex())


if __name__ == "__main__":
    main()
