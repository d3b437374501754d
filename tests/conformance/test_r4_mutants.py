"""Every way to damage a published example is refused, at its place, without repeating what the body says.

The mutations are made from HL7's own StructureDefinitions, which come with the examples, and not from the
table that the decoder uses. A mutation that would leave a resource valid is not made.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exchange.errors import BadRequestError, InvalidResourceError
from exchange.fhir.r4 import check
from tests.support.shared_data import SHARED

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
EXAMPLES = SHARED / "fhir-r4-examples" / "fhir-r4-examples-4.0.1.tgz"
PER_KIND = 300
"""Mutants of each kind at scale 1; at scale 1000 every site of every example is mutated."""

LARGEST = 60_000
"""Bytes of the largest example that is mutated at scale 1."""

MARK = "Zebedee Quux"
"""The text that a mutation puts into bodies; no error may repeat it."""

OPEN_SETS = ("mimetypes", "currencies", "ucum-units")
"""Required value sets whose codes FHIR does not list."""

pytestmark = pytest.mark.skipif(not EXAMPLES.is_file(), reason="no R4 examples under CONSENTRY_SHARED")

Structures = dict[str, dict[str, dict[str, Any]]]


class Site(NamedTuple):
    """One property in an example: the object that has it with that object's path, its definition and type."""

    owner: dict[str, Any]
    key: str
    element: dict[str, Any]
    type: str
    parent: str

    @property
    def repeats(self) -> bool:
        return self.element["max"] not in {"0", "1"}

    def first(self) -> Any:
        value = self.owner[self.key]
        return value[0] if self.repeats else value

    def put(self, value: Any) -> None:
        """Put a wrong value in the place of the first right one."""
        if self.repeats:
            self.owner[self.key][0] = value
        else:
            self.owner[self.key] = value


class Archive(NamedTuple):
    structures: Structures
    examples: dict[str, bytes]


@pytest.fixture(scope="module")
def archive() -> Archive:
    structures: Structures = {}
    examples = {}
    with tarfile.open(EXAMPLES) as opened:
        for member in opened:
            content = opened.extractfile(member)
            if content is None or not member.name.endswith(".json"):
                continue
            body = content.read()
            resource = json.loads(body)
            if "resourceType" not in resource:
                continue
            if resource["resourceType"] == "StructureDefinition" and resource["kind"] != "logical":
                learn(structures, resource)
            if len(body) <= LARGEST * max(1, SCALE) and valid(body):
                examples[Path(member.name).stem] = body
    return Archive(structures, examples)


def learn(structures: Structures, definition: dict[str, Any]) -> None:
    if definition.get("derivation") == "constraint":
        return
    for element in definition["snapshot"]["element"][1:]:
        parent, _, name = element["path"].rpartition(".")
        structures.setdefault(parent, {})[name] = element


def valid(body: bytes) -> bool:
    try:
        check(body)
    except InvalidResourceError:
        return False
    return True


def type_codes(element: dict[str, Any]) -> list[str]:
    if "contentReference" in element:
        return [element["contentReference"][1:]]
    return [
        element["path"] if option["code"] in {"BackboneElement", "Element"} else option["code"]
        for option in element["type"]
    ]


def sites(structures: Structures, owner: dict[str, Any], type_name: str, path: str) -> Iterator[Site]:
    """Yield every property of an object that carries an element, and those of the objects in it."""
    for name, element in structures[type_name].items():
        base = name.removesuffix("[x]")
        for code in type_codes(element):
            key = base + code[0].upper() + code[1:] if base != name else name
            if key not in owner:
                continue
            at = f"{path}.{base}" + (f".ofType({code})" if base != name else "")
            yield Site(owner, key, element, code, path)
            value = owner[key]
            for index, item in enumerate(value if isinstance(value, list) else [value]):
                below = f"{at}[{index}]" if isinstance(value, list) else at
                if code == "Resource":
                    yield from sites(structures, item, item["resourceType"], below)
                elif code in structures and isinstance(item, dict):
                    yield from sites(structures, item, code, below)


TEXTUAL = {
    "base64Binary",
    "canonical",
    "code",
    "date",
    "dateTime",
    "id",
    "instant",
    "markdown",
    "oid",
    "string",
    "time",
    "uri",
    "url",
    "uuid",
}
NUMERIC = frozenset({"integer", "positiveInt", "unsignedInt", "decimal"})
BAD = {
    "date": ("2020-02-30", "2020-13-01", "2020-1-1", "20200101", "0000", "2020-01-01T00:00:00Z"),
    "dateTime": (
        "2021-02-29",
        "2020-01-01T10:00",
        "2020-01-01T24:00:00Z",
        "2020-01-01T10:00:00",
        "2020-01-01 10:00:00Z",
    ),
    "instant": ("2020-01-01", "2020-04-31T10:00:00Z", "2020-01-01T10:00:00", "2020-01-01T10:61:00Z"),
    "time": ("24:00:00", "10:00", "10:00:00Z"),
}
MALFORMED: dict[str, tuple[Any, ...]] = {
    "id": (MARK, "x" * 65),
    "uri": (MARK,),
    "url": (MARK,),
    "canonical": (MARK,),
    "code": (f" {MARK}", "two  spaces"),
    "base64Binary": ("====", "abc"),
    "positiveInt": (0, -1, 2**31),
    "unsignedInt": (-1, 2**31),
    "integer": (2**31, -(2**31) - 1),
    "oid": ("1.2.3",),
    "uuid": ("C757873D-EC9A-4326-A141-556F43239520",),
}


def is_primitive(site: Site) -> bool:
    return site.type in TEXTUAL | NUMERIC or site.type == "boolean"


def required(site: Site) -> bool:
    return site.element["min"] > 0 and not site.element["path"].endswith("[x]")


def bound(site: Site) -> bool:
    binding = site.element.get("binding", {})
    return (
        site.type == "code"
        and binding.get("strength") == "required"
        and not binding["valueSet"].split("|")[0].endswith(OPEN_SETS)
    )


def wrong_json(site: Site) -> None:
    site.put(7 if site.type in TEXTUAL or not is_primitive(site) else MARK)


def wrong_number(site: Site) -> None:
    site.put(str(site.first()))


def sibling_choice(site: Site) -> None:
    base = site.element["path"].rpartition(".")[2].removesuffix("[x]")
    other = next(code for code in type_codes(site.element) if code != site.type)
    key = base + other[0].upper() + other[1:]
    extension = {"extension": [{"url": "http://example.org/a", "valueBoolean": True}]}
    site.owner["_" + key if other[0].islower() else key] = extension


class Kind(NamedTuple):
    """A kind of mutation: where it can be made, and how."""

    applies: Callable[[Site], bool]
    mutate: Callable[[Site], None]


def drop(site: Site) -> None:
    del site.owner[site.key]
    site.owner.pop("_" + site.key, None)


def pick(values: tuple[Any, ...], site: Site) -> Any:
    return values[len(site.parent) % len(values)]


def add(name: str, value: Any, site: Site) -> None:
    site.first()[name] = value


def is_object(site: Site) -> bool:
    return isinstance(site.first(), dict)


KINDS: dict[str, Kind] = {
    "required element missing": Kind(required, drop),
    "wrong JSON type": Kind(lambda site: site.type != "xhtml", wrong_json),
    "number or boolean as a string": Kind(lambda s: s.type in NUMERIC or s.type == "boolean", wrong_number),
    "boolean for a number": Kind(lambda site: site.type in NUMERIC, lambda site: site.put(True)),
    "unknown element": Kind(is_object, partial(add, "zebedee", MARK)),
    "element of another case": Kind(
        lambda site: site.key.lower() != site.key.upper() and not required(site),
        lambda site: site.owner.update({site.key.upper(): site.owner.pop(site.key)}),
    ),
    "code outside the required value set": Kind(bound, lambda site: site.put("zebedee-quux")),
    "not a date or time": Kind(lambda s: s.type in BAD, lambda s: s.put(pick(BAD[s.type], s))),
    "malformed primitive": Kind(lambda s: s.type in MALFORMED, lambda s: s.put(pick(MALFORMED[s.type], s))),
    "array for a single value": Kind(
        lambda site: not site.repeats, lambda site: site.owner.update({site.key: [site.owner[site.key]]})
    ),
    "single value for an array": Kind(
        lambda site: site.repeats, lambda site: site.owner.update({site.key: site.owner[site.key][0]})
    ),
    "empty object": Kind(is_object, lambda site: site.put({})),
    "object with nothing but an id": Kind(
        lambda site: is_object(site) and site.type != "Resource", lambda site: site.put({"id": "a"})
    ),
    "empty array": Kind(lambda site: site.repeats, lambda site: site.owner.update({site.key: []})),
    "empty string": Kind(lambda site: site.type in TEXTUAL, lambda site: site.put("")),
    "null": Kind(lambda site: not site.repeats, lambda site: site.put(None)),
    "null among objects": Kind(
        lambda site: site.repeats and is_object(site), lambda site: site.owner[site.key].append(None)
    ),
    "null without an extension": Kind(
        lambda site: site.repeats and is_primitive(site) and "_" + site.key not in site.owner,
        lambda site: site.owner[site.key].append(None),
    ),
    "two choices at once": Kind(
        lambda site: site.element["path"].endswith("[x]") and len(type_codes(site.element)) > 1,
        sibling_choice,
    ),
    "extension of what is no primitive": Kind(
        lambda site: is_object(site) and not site.repeats,
        lambda site: site.owner.update({"_" + site.key: {"id": "a"}}),
    ),
    "extension with neither value nor extensions": Kind(
        lambda site: is_object(site) and site.type not in {"Resource", "Extension"},
        partial(add, "extension", [{"url": "http://example.org/a"}]),
    ),
    "control character": Kind(
        lambda site: site.type in {"string", "markdown"}, lambda site: site.put(f"{MARK}\0")
    ),
    "local reference to nothing": Kind(
        lambda site: site.type == "Reference" and is_object(site), partial(add, "reference", "#zebedee")
    ),
    "script in a narrative": Kind(
        lambda site: site.type == "xhtml",
        lambda site: site.put(site.first().replace("</div>", "<script>a()</script></div>", 1)),
    ),
    "unknown resource type": Kind(lambda site: site.type == "Resource", partial(add, "resourceType", MARK)),
    "name twice in an object": Kind(
        lambda site: True, lambda site: site.owner.update({f"\1{site.key}": site.owner[site.key]})
    ),
    "number out of bounds": Kind(lambda site: site.type == "decimal", lambda site: site.put("\1huge")),
}


def written(resource: dict[str, Any]) -> bytes:
    """Return the JSON of a mutant; its marks become text that no Python object can hold."""
    text = json.dumps(resource, separators=(",", ":"), ensure_ascii=False)
    return text.replace('"\\u0001huge"', "1e999").replace('"\\u0001', '"').encode()


def mutants(archive: Archive, kind: Kind, limit: int) -> Iterator[tuple[str, str, bytes]]:
    """Return up to `limit` mutants, spread over the examples: example's name, mutated object's path, body."""
    names = sorted(archive.examples)
    random.Random(4).shuffle(names)
    made = 0
    rounds = 1 if SCALE < 1000 else sys.maxsize
    for name in names:
        body = archive.examples[name]
        for nth in range(rounds):
            resource = json.loads(body)
            root = resource["resourceType"]
            found = [site for site in sites(archive.structures, resource, root, root) if kind.applies(site)]
            if nth >= len(found):
                break
            site = found[nth] if rounds > 1 else random.Random(name).choice(found)
            kind.mutate(site)
            yield name, site.parent, written(resource)
            made += 1
            if made >= limit:
                return


COUNTS: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def report() -> Iterator[None]:
    """Say at the end how many mutants of each kind were refused (seen with `pytest -s`)."""
    yield
    sys.stdout.write("\n" + table(COUNTS) + "\n")


def table(counts: Counter[str]) -> str:
    rows = [f"{count:7,}  {kind}" for kind, count in sorted(counts.items())]
    return "\n".join([*rows, f"{counts.total():7,}  mutants, all refused"])


@pytest.mark.parametrize("name", KINDS)
def test_mutants_are_refused_at_their_place_without_an_echo(name: str, archive: Archive) -> None:
    limit = max(20, round(PER_KIND * SCALE))
    accepted, misplaced = [], defaultdict(set)
    for example, path, body in mutants(archive, KINDS[name], limit):
        try:
            check(body)
            accepted.append((example, path))
        except BadRequestError as error:
            pytest.fail(f"{example} {path}: {error}")
        except InvalidResourceError as error:
            said = [problem.path for problem in error.problems]
            if not any(where.startswith(path) for where in said):
                misplaced[example].update({path, *said})
            told = str(error) + "".join(problem.path + problem.message for problem in error.problems)
            assert "zebedee" not in told.lower(), example
            assert "quux" not in told.lower(), example
        COUNTS[name] += 1
    assert not accepted
    assert not misplaced
    assert COUNTS[name] >= min(limit, 50)
