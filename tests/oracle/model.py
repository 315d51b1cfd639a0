"""The migration as its spec words it: patterns, capsules, new keys, new values, index entries.

Written from specs/README.md and apart from the engine, so that the two can disagree. Nothing here
knows batches, checkpoints or the order of a run; a whole store fits in memory.
"""
import json
import os
from dataclasses import dataclass, field

import yaml

KEY_BYTES_MAX = 511
DELIMITER = b"#"

# Why a record is left alone; the words of `plan --json`.
ORPHAN = "orphan"
UNRESOLVED = "unresolved_capsule"
UNKNOWN = "unknown_capsule"
TOO_LONG = "key_too_long"
CONFLICT = "conflict"
BAD_VALUE = "bad_value"
UNMATCHED = "unmatched"
REASONS = (ORPHAN, UNRESOLVED, UNKNOWN, TOO_LONG, CONFLICT, BAD_VALUE, UNMATCHED)


class LeftAlone(Exception):
    """This record must not be touched; `reason` says why."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class BadJson(Exception):
    """The value is not one JSON object."""


# --- patterns ------------------------------------------------------------------------------------


class Pattern:
    """Literals and {variables} between delimiters."""

    def __init__(self, text):
        self.text = text
        self.segments = [self._segment(part) for part in text.split("#")]
        self.variables = [name for is_variable, name in self.segments if is_variable]

    @staticmethod
    def _segment(part):
        if part.startswith("{") and part.endswith("}"):
            return True, part[1:-1]
        return False, part.encode()

    def match(self, key):
        """The variables of a key as a dict of bytes, or None."""
        parts = key.split(DELIMITER)
        if len(parts) != len(self.segments):
            return None
        found = {}
        for (is_variable, word), part in zip(self.segments, parts):
            if is_variable and part:
                found[word] = part
            elif is_variable or part != word:
                return None
        return found

    def build(self, values):
        """The key, or None when a variable has no value."""
        parts = []
        for is_variable, word in self.segments:
            if is_variable and not values.get(word):
                return None
            parts.append(values[word] if is_variable else word)
        return DELIMITER.join(parts)


# --- JSON ----------------------------------------------------------------------------------------


class Integer(str):
    """The digits of a JSON integer, as they stand in the record."""


def _refuse(word):
    raise ValueError(word)


def _members(pairs):
    """The last one counts in Python; a member that stands twice is kept as a list of both."""
    members = {}
    twice = set()
    for name, value in pairs:
        if name in members:
            twice.add(name)
        members[name] = value
    return Object(members, twice)


@dataclass
class Object:
    members: dict
    twice: set


def parse_object(value):
    """The top-level members of a record. BadJson unless it is one well-formed object."""
    try:
        parsed = json.loads(
            value.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=Integer,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as error:
        raise BadJson(str(error)) from None
    if not isinstance(parsed, Object):
        raise BadJson("no object")
    return parsed


def insert_member(value, name, text):
    """The same bytes with one more string member, put directly after the last one."""
    closing = value.rindex(b"}")
    last = len(value[:closing].rstrip(b" \t\r\n"))
    comma = b"" if value[:last].endswith(b"{") else b","
    member = json.dumps(name) + ":" + json.dumps(text, ensure_ascii=False)
    return value[:last] + comma + member.encode() + value[last:]


# --- the spec ------------------------------------------------------------------------------------


@dataclass
class Index:
    name: str
    old: Pattern
    new: Pattern


@dataclass
class Entity:
    name: str
    old: Pattern
    new: Pattern
    capsule: dict
    parent: str = None
    parent_id: dict = field(default_factory=dict)
    indexes: list = field(default_factory=list)

    def fields(self, spec):
        """The members of a value that a transform has to look at."""
        wanted = set(self.parent_id.values())
        for pattern in [self.new] + [p for i in self.indexes for p in (i.old, i.new)]:
            wanted.update(pattern.variables)
        wanted -= set(self.parent_id) - set(self.parent_id.values())
        wanted -= set(self.old.variables) | {spec.tenant, spec.capsule}
        return wanted


class Spec:
    """A spec file that lint has accepted."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            text = yaml.safe_load(file)
        self.path = path
        self.migration = text["migration"]
        self.strategy = text["strategy"]
        self.is_json = text.get("value", "json") == "json"
        self.database = text["database"]
        self.tenant = text["tenant"]
        self.capsule = text["capsule"]["variable"]
        self.allowed = [str(name) for name in text["capsule"]["allowed"]]
        self.canary = {str(name) for name in (text.get("tiers") or {}).get("canary") or []}
        self.entities = {
            name: _entity(name, body) for name, body in text["entities"].items()
        }
        self.lookups = self._read_lookups(os.path.dirname(os.path.abspath(path)))
        self._matches = {}

    def _read_lookups(self, folder):
        names = {e.capsule["lookup"] for e in self.entities.values() if "lookup" in e.capsule}
        return {name: _read_lookup(os.path.join(folder, name)) for name in names}

    @property
    def index_names(self):
        return sorted({i.name for e in self.entities.values() for i in e.indexes})

    def tier(self, tenant):
        return "canary" if tenant.decode("utf-8", "replace") in self.canary else "production"

    def matches(self, key):
        """Every (entity, "old" or "new", variables) whose pattern the key matches."""
        if key not in self._matches:
            self._matches[key] = self._find_matches(key)
        return self._matches[key]

    def _find_matches(self, key):
        found = []
        for entity in self.entities.values():
            for side, pattern in (("old", entity.old), ("new", entity.new)):
                values = pattern.match(key)
                if values is not None:
                    found.append((entity, side, values))
        return found

    def side(self, key):
        """"old", "new", or None for a key of no entity."""
        found = self.matches(key)
        return found[0][1] if found else None


def _entity(name, body):
    parent = body.get("parent") or {}
    indexes = [
        Index(index, Pattern(both["old"]), Pattern(both["new"]))
        for index, both in (body.get("indexes") or {}).items()
    ]
    return Entity(
        name=name,
        old=Pattern(body["old"]),
        new=Pattern(body["new"]),
        capsule=body["capsule"],
        parent=parent.get("entity"),
        parent_id=parent.get("id") or {},
        indexes=indexes,
    )


def _read_lookup(path):
    table = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.strip()
            if line and not line.startswith("#"):
                tenant, capsule = line.split(",", 1)
                table[tenant.strip()] = capsule.strip()
    return table


# --- one record ----------------------------------------------------------------------------------


@dataclass
class Image:
    """A record in both shapes, with everything that goes with it."""

    entity: str
    tenant: bytes
    capsule: str
    old_key: bytes
    old_value: bytes
    new_key: bytes
    new_value: bytes
    old_entries: frozenset  # of (index, index key, primary key)
    new_entries: frozenset
    parent_old_key: bytes = None
    parent_new_key: bytes = None


class Transform:
    """What the records of one snapshot become. `records` is a dict of key and value bytes."""

    def __init__(self, spec, records):
        self.spec = spec
        self.records = records
        self._capsules = {}  # what was worked out for keys of the old shape
        self._images = {}
        self._parsed = (None, None)  # the last value and its members

    def old(self, key):
        """The image of an old record. LeftAlone for one that must not be touched."""
        if key not in self._images:
            self._images[key] = _remember(self._old, key)
        return _recall(self._images[key])

    def new(self, key, value):
        """The image of a new record. LeftAlone when key and value do not agree."""
        entity, values = self._only_match(key, "new")
        capsule = values[self.spec.capsule].decode("utf-8", "replace")
        if capsule not in self.spec.allowed:
            raise LeftAlone(UNKNOWN)
        self._bind_fields(entity, value, values)
        if self.spec.is_json and self._member(value, self.spec.capsule) != capsule:
            raise LeftAlone(BAD_VALUE)
        old_key = entity.old.build(values)
        image = self._image(entity, values, capsule, old_key, None, value)
        if image.new_key != key:
            raise LeftAlone(BAD_VALUE)
        return image

    def _only_match(self, key, side):
        found = [(e, dict(values)) for e, s, values in self.spec.matches(key) if s == side]
        if not found:
            raise LeftAlone(UNMATCHED)
        return found[0]

    def _old(self, key):
        image = self._without_conflict(key)
        there = self.records.get(image.new_key)
        if there is not None and there != image.new_value:
            raise LeftAlone(CONFLICT)
        return image

    def _without_conflict(self, key):
        entity, values = self._only_match(key, "old")
        value = self.records[key]
        self._bind_fields(entity, value, values)
        capsule = self._capsule(entity, values, value)
        values[self.spec.capsule] = capsule.encode()
        if entity.parent and not self._parent_capsules(entity, values) >= {capsule}:
            raise LeftAlone(ORPHAN)
        new_value = value
        if self.spec.is_json and self._member(value, self.spec.capsule) is None:
            new_value = insert_member(value, self.spec.capsule, capsule)
        return self._image(entity, values, capsule, key, value, new_value)

    # --- variables

    def _member(self, value, name):
        parsed = self._parse(value)
        if name in parsed.twice:
            raise LeftAlone(BAD_VALUE)
        return parsed.members.get(name)

    def _parse(self, value):
        if self._parsed[0] is not value:
            try:
                self._parsed = (value, parse_object(value))
            except BadJson:
                raise LeftAlone(BAD_VALUE) from None
        return self._parsed[1]

    def _bind_fields(self, entity, value, values):
        if not self.spec.is_json:
            return
        parsed = self._parse(value)
        for name in entity.fields(self.spec):
            if name not in parsed.members:
                continue
            text = self._member(value, name)
            if not isinstance(text, str) or not text or "#" in text:
                raise LeftAlone(BAD_VALUE)
            values[name] = text.encode("utf-8", "surrogatepass")

    # --- capsules

    def _capsule(self, entity, values, value):
        capsule = self._capsule_by_rule(entity, values, value)
        if capsule not in self.spec.allowed:
            raise LeftAlone(UNKNOWN)
        if values.get(self.spec.capsule, capsule.encode()) != capsule.encode():
            raise LeftAlone(BAD_VALUE)
        if self.spec.is_json and self._names_another(value, capsule):
            raise LeftAlone(BAD_VALUE)
        return capsule

    def _names_another(self, value, capsule):
        if self.spec.capsule not in self._parse(value).members:
            return False
        member = self._member(value, self.spec.capsule)
        return isinstance(member, Integer) or member != capsule

    def _capsule_by_rule(self, entity, values, value):
        rule = entity.capsule
        if "field" in rule and rule["field"] in self._parse(value).members:
            text = self._member(value, rule["field"])
            if not isinstance(text, str) or isinstance(text, Integer):
                raise LeftAlone(BAD_VALUE)
            return text
        if rule.get("parent"):
            return self._capsule_of_parent(entity, values)
        text = None
        if "lookup" in rule:
            tenant = values[self.spec.tenant].decode("utf-8", "replace")
            text = self.spec.lookups[rule["lookup"]].get(tenant)
        text = text or rule.get("default")
        if text is None:
            raise LeftAlone(UNRESOLVED)
        return text

    def _capsule_of_parent(self, entity, values):
        found = self._parent_capsules(entity, values)
        if not found:
            raise LeftAlone(ORPHAN)
        if len(found) > 1:
            raise LeftAlone(UNRESOLVED)
        return found.pop()

    def _parent_values(self, entity, values):
        """What the child knows of its parent's key; LeftAlone when it does not say."""
        known = {self.spec.tenant: values[self.spec.tenant]}
        for variable, source in entity.parent_id.items():
            if not values.get(source):
                raise LeftAlone(ORPHAN)
            known[variable] = values[source]
        return known

    def _parent_capsules(self, entity, values):
        """The capsules in which the parent exists: its old key decides, else its new keys."""
        parent = self.spec.entities[entity.parent]
        known = self._parent_values(entity, values)
        found = set()
        for capsule in self.spec.allowed:
            old_key = parent.old.build({self.spec.capsule: capsule.encode(), **known})
            if old_key in self.records:
                found |= self._capsule_of_old(old_key)
        if found:
            return found
        for capsule in self.spec.allowed:
            new_key = parent.new.build({self.spec.capsule: capsule.encode(), **known})
            if new_key in self.records:
                found.add(capsule)
        return found

    def _capsule_of_old(self, key):
        """The capsule of an old record that is a parent. One that must be left alone is none."""
        if key not in self._capsules:
            self._capsules[key] = _remember(self._without_conflict, key)
        return {_recall(self._capsules[key], orphan=True).capsule}

    # --- building

    def _image(self, entity, values, capsule, old_key, old_value, new_value):
        values[self.spec.capsule] = capsule.encode()
        for variable, source in entity.parent_id.items():
            values.setdefault(variable, values.get(source))
        new_key = entity.new.build(values)
        if new_key is None or old_key is None:
            raise LeftAlone(BAD_VALUE)
        old_entries = _entries(entity, values, old_key, "old")
        new_entries = _entries(entity, values, new_key, "new")
        keys = [new_key] + [entry[1] for entry in old_entries | new_entries]
        if max(map(len, keys)) > KEY_BYTES_MAX:
            raise LeftAlone(TOO_LONG)
        image = Image(
            entity=entity.name,
            tenant=values[self.spec.tenant],
            capsule=capsule,
            old_key=old_key,
            old_value=old_value,
            new_key=new_key,
            new_value=new_value,
            old_entries=old_entries,
            new_entries=new_entries,
        )
        if entity.parent:
            parent = self.spec.entities[entity.parent]
            known = self._parent_values(entity, values)
            known[self.spec.capsule] = capsule.encode()
            image.parent_old_key = parent.old.build(known)
            image.parent_new_key = parent.new.build(known)
        return image


def _entries(entity, values, primary, side):
    found = set()
    for index in entity.indexes:
        key = getattr(index, side).build(values)
        if key is not None:
            found.add((index.name, key, primary))
    return frozenset(found)


def _remember(function, key):
    """The image or the reason; an exception kept for later would hold its frames."""
    try:
        return function(key)
    except LeftAlone as left:
        return left.reason


def _recall(answer, orphan=False):
    if isinstance(answer, str):
        raise LeftAlone(ORPHAN if orphan else answer)
    return answer
