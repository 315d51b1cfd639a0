"""Specs of other teams, in other words, for the isolation kit: each is odd in a way of its own."""

# Small, and with all that the planted bugs need: an index, a child, records of both capsules.
SMALL = """
migration: {name}
strategy: {strategy}
value: json
database: shop
tenant: shop
capsule: {{variable: env, allowed: [live, test]}}
entities:
  Order:
    old: "SHOP#{{shop}}#ORDER#{{order_id}}"
    new: "SHOP#{{shop}}#ENV#{{env}}#ORDER#{{order_id}}"
    capsule: {{field: env}}
    indexes:
      by_buyer: {{old: "ENV#{{env}}#BUYER#{{buyer}}", new: "SHOP#{{shop}}#ENV#{{env}}#BUYER#{{buyer}}"}}
  Line:
    parent: {{entity: Order, id: {{order_id: order}}}}
    old: "SHOP#{{shop}}#LINE#{{line_id}}"
    new: "SHOP#{{shop}}#ENV#{{env}}#LINE#{{line_id}}"
    capsule: {{parent: true}}
"""

# Every tenant is in the capsule that a file says.
LOOKUP = """
migration: {name}
strategy: move
value: json
database: things
tenant: org
capsule: {{variable: env, allowed: [LIVE, TEST]}}
entities:
  Thing:
    old: "ORG#{{org}}#THING#{{thing_id}}"
    new: "ORG#{{org}}#ENV#{{env}}#THING#{{thing_id}}"
    capsule: {{lookup: "capsules.csv"}}
    indexes:
      by_kind: {{old: "KIND#{{kind}}", new: "ORG#{{org}}#ENV#{{env}}#KIND#{{kind}}"}}
      by_owner: {{old: "ORG#{{org}}#OWNER#{{owner}}", new: "ORG#{{org}}#ENV#{{env}}#OWNER#{{owner}}"}}
"""

# Bytes in the unnamed table, one capsule for all, keys of several parts, limits that no machine
# meets, and approvals that nobody has given.
OPAQUE = """
migration: {name}
strategy: dual-write
value: opaque
database: ""
tenant: t
capsule: {{variable: c, allowed: [one, two, three]}}
approvals: 2
limits: {{free_space_min: 900TiB, write_latency_ms_max: 1}}
entities:
  Blob:
    old: "T#{{t}}#B#{{a}}#{{b}}"
    new: "T#{{t}}#C#{{c}}#B#{{a}}#{{b}}"
    capsule: {{default: two}}
    indexes:
      by_b: {{old: "B#{{b}}", new: "T#{{t}}#C#{{c}}#BB#{{b}}"}}
  Leaf:
    parent: {{entity: Blob, id: {{a: a, b: b}}}}
    old: "T#{{t}}#L#{{a}}#{{b}}#{{n}}"
    new: "T#{{t}}#C#{{c}}#L#{{a}}#{{b}}#{{n}}"
    capsule: {{parent: true}}
"""

# A chain of three from a root that there is one of, a new key with a member of the value in it, an
# old key that has the capsule already, a canary tenant, an index of several parts.
CHAIN = """
migration: {name}
strategy: {strategy}
value: json
database: chain
tenant: account
capsule: {{variable: stage, allowed: [prod, dev]}}
tiers: {{canary: [first]}}
entities:
  Root:
    old: "ACC#{{account}}#ROOT"
    new: "ACC#{{account}}#STAGE#{{stage}}#ROOT"
    capsule: {{field: where, default: prod}}
  Mid:
    parent: {{entity: Root}}
    old: "ACC#{{account}}#MID#{{mid}}"
    new: "ACC#{{account}}#STAGE#{{stage}}#MID#{{region}}#{{mid}}"
    capsule: {{parent: true}}
  Low:
    parent: {{entity: Mid, id: {{mid: in_mid, region: region}}}}
    old: "ACC#{{account}}#LOW#{{low}}"
    new: "ACC#{{account}}#STAGE#{{stage}}#LOW#{{low}}"
    capsule: {{parent: true}}
    indexes:
      idx:
        old: "LOWS#{{color}}#{{size}}"
        new: "ACC#{{account}}#STAGE#{{stage}}#LOWS#{{color}}#{{size}}"
  Lonely:
    old: "ACC#{{account}}#LONE#{{stage}}#{{id}}"
    new: "ACC#{{account}}#STAGE#{{stage}}#LONE#{{id}}"
    capsule: {{field: stage}}
"""

# One capsule and no index: only tenants can be kept apart.
ALONE = """
migration: {name}
strategy: move
value: opaque
database: alone
tenant: t
capsule: {{variable: c, allowed: [only]}}
entities:
  Thing:
    old: "T#{{t}}#THING#{{id}}"
    new: "T#{{t}}#C#{{c}}#THING#{{id}}"
    capsule: {{default: only}}
"""
