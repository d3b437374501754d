"""Mistakes of those who call commands: one line each, which says what is wrong, why, and what to do."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from exchange.cli.errors import run
from exchange.cli.main import build
from exchange.ledger.embedded.identity import WriterLock
from exchange.node.folder import NodeFolder

INIT = "init T/new --name City"
REGISTER = "client register T/node --id x --organization LakeMSP"
OF_LAKE = "--id lake-ehr"
TOKEN = "token client http://127.0.0.1:1 --id lake-ehr --organization LakeMSP --key"

MISTAKES = [
    ("init T/node --msp CityMSP --name City", "is a node already", "choose another folder"),
    (INIT, "needs this hospital's MSP id", "give --msp"),
    (f"{INIT} --msp CityMSP --profile T/p.json", "is for a node on Fabric", "add --ledger fabric"),
    (f"{INIT} --ledger fabric", "needs the connection profile", "give --profile"),
    (f"{INIT} --ledger fabric --profile T/none", "No such file", "see to T/none"),
    (f"{INIT} --ledger fabric --profile T/p.json", "is no profile", "see to T/p.json"),
    (f"{INIT} --msp CityMSP --member Lake", "is not MSP=NAME", "write for example"),
    (f"{INIT} --msp CityMSP --member L=a --member L=b", "given twice", "give each member once"),
    ("init T/file --msp CityMSP --name City", "is a file", "choose a new folder"),
    ("init T/full --msp CityMSP --name City", "is not empty", "choose a new folder"),
    (f"{INIT} --msp CityMSP --base-url https://h/x", "can't be used", "write scheme, host and port alone"),
    (f"{INIT} --msp CityMSP --database postgresql://u:p@h/d", "has a password in it", "password file"),
    (f"{INIT} --msp CityMSP --database mysql://h/d", "URL of a PostgreSQL database", "such as postgresql://"),
    (f"{INIT} --msp CityMSP --port 70000 --base-url http://h", "port is", "1 to 65535"),
    (f"{INIT} --msp City/MSP", "can't be used", "write letters, digits"),
    ("serve T/none", "has no consentry.toml", "make one with `consentry init`"),
    ("verify T/none", "has no consentry.toml", "make one with `consentry init`"),
    ("rebuild T/none", "has no consentry.toml", "make one with `consentry init`"),
    ("migrate T/none", "has no consentry.toml", "make one with `consentry init`"),
    ("load T/node T/none", "does not exist", "give a FHIR file"),
    (f"{REGISTER} --jwks T/none", "can't be read", "give the client's key set"),
    (f"{REGISTER} --jwks T/bad.jwks", "a key set is", "a JSON object with an array named keys"),
    (f"{REGISTER} --jwks T/private.jwks", "holds private parts", "register the public half only"),
    (f"{REGISTER} --jwks T/weak.jwks", "is not a sound", "P-384 key or RSA key of 2048"),
    (f"{REGISTER.replace('LakeMSP', 'NoMSP')} --jwks T/lake.jwks", "no member", "its members are CityMSP"),
    (f"{REGISTER.replace('x', 'lake-ehr', 1)} --jwks T/lake.jwks", "is taken", "choose another one"),
    (f"{REGISTER} --jwks T/lake.jwks --scope all", "needs one or more scopes", "of the form system/"),
    (f"{REGISTER} --jwks T/lake.jwks --purpose FUN", "purposes are of", "TREAT"),
    (REGISTER, "a key set or the address of one", "give --jwks or --jwks-url"),
    (f"{REGISTER} --jwks-url http://keys.example/x", "a key set's URL is", "https://"),
    (f"{REGISTER} --jwks-url http://127.0.0.1:1/x", "can't be reached", "see to that server"),
    ("client show T/node --id no", "no client has this client_id", "`consentry client list`"),
    ("client disable T/node --id no", "no enabled client", "`consentry client list`"),
    (f"client enable T/node {OF_LAKE}", "no disabled client", "`consentry client list`"),
    (f"client keys T/node {OF_LAKE} --remove no", "no key named no", "`consentry client keys` lists them"),
    (f"client keys T/node {OF_LAKE} --remove KID", "needs a key", "add the new one first"),
    (f"client keys T/node {OF_LAKE} --add T/lake.jwks", "already", "give each key a kid of its own"),
    (f"client keys T/node {OF_LAKE} --add T/none", "can't be read", "give the client's key set"),
    (f"client keys T/node {OF_LAKE} --add T/lake.jwks --jwks-url https://x/y", "replaces all", "leave --add"),
    ("client key T/lake.pem", "exists", "choose a new file"),
    ("token patient T/node p1", "has no records of Patient/p1", "give the logical id"),
    ("token patient T/node RelatedPerson/r", "has no RelatedPerson/r", "store one"),
    ("token revoke T/node no", "holds no token", "`consentry token list`"),
    (f"{TOKEN} T/lake.pem", "no gateway answers", "start one with `consentry serve"),
    (f"{TOKEN.replace('http://127.0.0.1:1', '127.0.0.1')} T/lake.pem", "is no address", "give one such as"),
    (f"{TOKEN} T/p.json", "holds no private key", "`consentry client key` wrote"),
    (f"{TOKEN} T/none", "holds no private key", "`consentry client key` wrote"),
    ("policy propose T/node --admit Lake", "is not MSP=NAME", "write for example"),
    ("policy propose T/node --admit LakeMSP=Other", "already, as Lake Clinic", "`consentry member rename`"),
    ("policy propose T/node --remove NoMSP", "NoMSP is no member", "they are CityMSP, LakeMSP"),
    ("policy propose T/node", "changes nothing", "give --admit, --remove or --rules"),
    ("policy propose T/node --rules T/none", "can't be read", "give a file with rules"),
    ("policy propose T/node --rules T/p.json", "holds no list of rules", "show FOLDER --rules` prints one"),
    ("policy approve T/node xyz", "is no digest", "give 8 to 64"),
    ("policy approve T/node 00000000", "no proposal that waits", "those that wait are: none"),
    ("policy withdraw T/node 00000000", "no proposal that waits", "those that wait are: none"),
    ("policy name T/node LakeMSP=Other", "already, as Lake Clinic", "`consentry member rename`"),
    ("member rename T/node NoMSP=x", "lists no NoMSP", "list it by `consentry policy name`"),
    ("member rename T/node x", "is not MSP=NAME", "write for example"),
    ("jobs cancel T/node no", "no job with this id", "`consentry jobs list`"),
    ("evaluator client T/none c", "is no folder", "make it with `consentry model export`"),
    ("evaluator client T a/b", "a name has", "1 to 64 letters"),
    ("evaluator serve T", "no hospital is registered", "run consentry evaluator client"),
    ("model inspect T/none", "holds no model", "make one with `consentry model train`"),
]
BUSY = [
    "load T/node T/p.json",
    "rebuild T/node",
    "migrate T/node",
    "policy propose T/node --admit P=P",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a node, a client of it, and files of several kinds."""
    folder = tmp_path_factory.mktemp("mistakes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        members = ("--member", "LakeMSP=Lake Clinic")
        assert (
            called("init", str(folder / "node"), "--msp", "CityMSP", "--name", "City Hospital", *members)[0]
            == 0
        )
        (folder / "lake.jwks").write_text(called("client", "key", str(folder / "lake.pem"))[1])
        given = ("--organization", "LakeMSP", "--jwks", str(folder / "lake.jwks"))
        assert called("client", "register", str(folder / "node"), *OF_LAKE.split(), *given)[0] == 0
        (folder / "file").touch()
        (folder / "full").mkdir()
        (folder / "full" / "x").touch()
        (folder / "bad.jwks").write_text('{"keys": 3}')
        for name, curve, private in (("private", "P-384", True), ("weak", "P-256", False)):
            key = ECKey.generate_key(curve, {"kid": "k"}).as_dict(private=private)
            (folder / f"{name}.jwks").write_text(json.dumps({"keys": [key]}))
        (folder / "p.json").write_text('{"resourceType":"Patient","id":"p1"}')
        yield folder


def called(*arguments: str) -> tuple[int, str, str]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run(lambda: build(arguments)(list(arguments), standalone_mode=False))
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue()


def line(place: Path, command: str) -> str:
    """Return the one line with which a command refuses, with `T` for the folder."""
    kid = json.loads((place / "lake.jwks").read_text())["keys"][0]["kid"]
    words = [word.replace("KID", kid) for word in command.split()]
    arguments = [str(place) + word[1:] if word == "T" or word.startswith("T/") else word for word in words]
    code, out, err = called(*arguments)
    assert code == 1, out + err
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err.replace(str(place), "T")


def test_there_are_as_many_as_are_promised() -> None:
    assert len({command for command, _, _ in MISTAKES}) == 64


@pytest.mark.parametrize(("command", "what", "remedy"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_told_with_its_remedy(place: Path, command: str, what: str, remedy: str) -> None:
    told = line(place, command)
    assert what in told
    assert remedy in told
    assert not (place / "new").exists()


@pytest.mark.parametrize("command", BUSY)
def test_a_node_that_another_process_has_open_is_named(place: Path, command: str) -> None:
    node = NodeFolder(place / "node")
    locks = [WriterLock(node.ledger), WriterLock(node.log)]
    try:
        told = line(place, command)
    finally:
        for lock in locks:
            lock.release()
    assert "another process has this node open" in told
    assert "end that gateway or load" in told
