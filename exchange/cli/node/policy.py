"""`consentry policy`: the members, the accesses that need no consent, and the votes that change both."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from chaincode.encoding import encode
from chaincode.errors import ConflictError
from chaincode.policy.calls import CurrentPolicy, Proposal
from chaincode.policy.model import Policy, PolicyRule
from exchange.auth.principal import Member
from exchange.cli.errors import CommandError
from exchange.cli.options import BY, FOLDER, operator_name
from exchange.ledger.client import LedgerClient
from exchange.ledger.client.policy import PolicyChange
from exchange.ledger.consortium_policy import describe, differences, next_policy
from exchange.ledger.embedded.reader import open_reader
from exchange.ledger.errors import RefusedError, UnknownOutcomeError
from exchange.node.admin.client import ledger_or_gateways
from exchange.node.folder import NodeFolder
from exchange.node.identity.accepted_changes import add_member
from exchange.node.parts import open_ledger, open_parts, usable_settings
from exchange.node.settings import NodeSettings
from exchange.store.records import documents

app = typer.Typer(
    help="Show the consortium's policy, propose the next version, approve one.", no_args_is_help=True
)
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_SHOWN = 12  # digits of a digest, and codes of a list, in a table for people
_PROPOSAL = typer.Argument(metavar="DIGEST", help="The proposal's digest, or its first digits.")


@app.command("show")
def show(
    folder: Annotated[Path, FOLDER],
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as one JSON object.")] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="Print the rules alone, as `propose --rules` reads them.")
    ] = False,
) -> None:
    """Show the policy in force, and each proposal: its changes, its approvals, and the votes that it lacks.

    The gateway may run meanwhile.
    """
    node = NodeFolder(folder)
    settings = node.load()
    current, policy = asyncio.run(_read(node, settings))
    if as_json:
        print(msgspec.json.format(encode(current), indent=1).decode())
    elif rules:
        print(msgspec.json.format(encode(policy.rules), indent=1).decode())
    else:
        print("\n".join(_description(folder, settings, current, policy)))


@app.command("propose")
def propose(
    folder: Annotated[Path, FOLDER],
    admit: Annotated[
        list[str] | None,
        typer.Option(help="A new member, as MSP=NAME; once for each.", show_default=False),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="A member that leaves, by its MSP id.", show_default=False)
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            help="A file with all rules of the next version, as `show --rules` prints them. A rule with"
            ' `"override": true` permits what a consent denies, such as for BTG in an emergency.'
        ),
    ] = None,
    by: Annotated[str, BY] = "",
) -> None:
    """Propose the next version of the policy, and approve it in this hospital's name.

    A member that is admitted is listed in this node's consentry.toml as well; the other hospitals call
    `policy name`.

    Example: consentry policy propose ./node --admit "LakeMSP=Lake Clinic" --remove RidgeMSP
    """
    node = NodeFolder(folder)
    settings = node.load()
    newcomers = [_member(node, settings, "--admit", text) for text in admit or ()]
    wanted = None if rules is None else _rules(rules)

    asyncio.run(_propose(node, settings, [one.msp_id for one in newcomers], remove or [], wanted))
    for one in newcomers:
        if all(known.msp_id != one.msp_id for known in settings.members):
            add_member(node, one, by=by or operator_name())
            print(f"{one.msp_id} stands in {node.settings_file} as {one.name}")


@app.command("approve")
def approve(folder: Annotated[Path, FOLDER], digest: Annotated[str, _PROPOSAL]) -> None:
    """Approve a proposal in this hospital's name; more than half of the votes adopt it.

    Read it first: `consentry policy show`.
    """
    node = NodeFolder(folder)
    settings = node.load()

    policy = asyncio.run(_approve(node, settings, digest))
    known = {one.msp_id for one in settings.members}
    for member in policy.members:
        if member not in known:
            print(f"next: consentry policy name {folder} {member}=NAME")


@app.command("withdraw")
def withdraw(folder: Annotated[Path, FOLDER], digest: Annotated[str, _PROPOSAL]) -> None:
    """Withdraw this hospital's approval of a proposal that waits."""
    node = NodeFolder(folder)
    settings = node.load()

    asyncio.run(_withdraw(node, settings, digest))


@app.command("name")
def name(
    folder: Annotated[Path, FOLDER],
    member: Annotated[str, typer.Argument(metavar="MSP=NAME", help="The member, and its name for people.")],
    by: Annotated[str, BY] = "",
) -> None:
    """List a member in consentry.toml, so that its clients can be registered and consents can name it.

    A running gateway adds it within ten seconds. The policy decides whether it is a member.
    """
    node = NodeFolder(folder)
    settings = node.load()
    one = _member(node, settings, "MSP=NAME", member)
    add_member(node, one, by=by or operator_name())
    print(f"{one.msp_id} stands in {node.settings_file} as {one.name}, Organization/{one.organization}")


# -- questions to the ledger -----------------------------------------------------------


async def _read(node: NodeFolder, settings: NodeSettings) -> tuple[CurrentPolicy, Policy]:
    """Read the policy and its proposals; of an embedded ledger, also beside a running gateway."""
    if settings.ledger == "embedded":
        with open_reader(node.ledger) as reader:
            return _founded(reader.current_policy())
    async with open_ledger(node, settings) as ledger:
        return _founded(await ledger.read_policy())


async def _propose(
    node: NodeFolder,
    settings: NodeSettings,
    admit: Sequence[str],
    remove: Sequence[str],
    rules: Sequence[PolicyRule] | None,
) -> None:
    async with _deciding(node, settings) as (ledger, _, policy):
        following = next_policy(policy, admit=admit, remove=remove, rules=rules)
        _require_vote(settings, policy)
        _print_proposal(sha256(encode(following)).hexdigest(), policy, following)
        _print_state(await ledger.propose_policy(following), policy)


async def _approve(node: NodeFolder, settings: NodeSettings, text: str) -> Policy:
    async with _deciding(node, settings) as (ledger, current, policy):
        digest, proposal = _proposal(current, text)
        _require_vote(settings, policy)
        if settings.msp_id in proposal.approvals:
            missing = _missing(policy, proposal.approvals)
            raise CommandError(f"{settings.msp_id} approves that proposal already; it waits for {missing}")
        _print_proposal(digest, policy, proposal.policy)
        _print_state(await ledger.approve_policy(digest), policy)
        return proposal.policy


async def _withdraw(node: NodeFolder, settings: NodeSettings, text: str) -> None:
    async with _deciding(node, settings) as (ledger, current, _):
        digest, proposal = _proposal(current, text)
        if settings.msp_id not in proposal.approvals:
            raise CommandError(
                f"{settings.msp_id} does not approve that proposal; there is nothing to withdraw"
            )
        left = ", ".join((await ledger.withdraw_policy(digest)).state.approvals)
        print(f"withdrawn; approved by {left} still" if left else "withdrawn; nobody proposes it any more")


@asynccontextmanager
async def _deciding(
    node: NodeFolder, settings: NodeSettings
) -> AsyncIterator[tuple[LedgerClient, CurrentPolicy, Policy]]:
    settings = usable_settings(node)
    async with ledger_or_gateways(node, settings) as ledger:
        with _refusals(node):
            current, policy = _founded(await ledger.read_policy())
            yield ledger, current, policy


def _founded(current: CurrentPolicy) -> tuple[CurrentPolicy, Policy]:
    if current.policy is None:
        raise CommandError("the ledger has no policy yet; `consentry init` of the first node founds it")
    return current, current.policy


@contextmanager
def _refusals(node: NodeFolder) -> Iterator[None]:
    look = f"look at `consentry policy show {node.path}` and call again if need be"
    try:
        yield
    except RefusedError as refused:
        if isinstance(refused.reason, ConflictError) or "policy.version" in str(refused.reason):
            raise CommandError(f"another organisation was quicker ({refused.reason}); {look}") from None
        raise CommandError(f"the ledger refuses: {refused.reason}") from None
    except UnknownOutcomeError as why:
        raise CommandError(f"{why}; {look}") from None


def _require_vote(settings: NodeSettings, policy: Policy) -> None:
    if settings.msp_id not in policy.deciding:
        raise CommandError(
            f"{settings.msp_id} has no vote on the policy; {', '.join(policy.deciding)} decide on it"
        )


def _proposal(current: CurrentPolicy, text: str) -> tuple[str, Proposal]:
    if _DIGEST.fullmatch(text) is None:
        raise CommandError(f"{text!r} is no digest; give 8 to 64 of its hexadecimal digits, as `show` does")
    matching = [digest for digest in current.proposals if digest.startswith(text)]
    if len(matching) != 1:
        waiting = ", ".join(digest[:_SHOWN] for digest in current.proposals) or "none"
        which = "no proposal that waits" if not matching else "more than one proposal"
        raise CommandError(f"{text} is {which}; those that wait are: {waiting}")
    return matching[0], current.proposals[matching[0]]


# -- arguments -------------------------------------------------------------------------


def _member(node: NodeFolder, settings: NodeSettings, option: str, text: str) -> Member:
    msp_id, separator, title = text.partition("=")
    if not separator or not msp_id or not title:
        raise CommandError(f"{option} {text!r} is not MSP=NAME; write for example LakeMSP='Lake Clinic'")
    known = next((one for one in settings.members if one.msp_id == msp_id), None)
    if known is not None:
        if option == "--admit" and known.name == title:  # listed when it was proposed before
            return known
        raise CommandError(
            f"{msp_id} stands in {node.settings_file} already, as {known.name}; "
            "`consentry member rename` gives it another name"
        )
    recorded = _recorded(node, msp_id)
    if recorded is not None and recorded.name == title:  # its line was taken out of the file
        return recorded
    member = Member.named(msp_id, title)
    if _is_stored(node, member.organization):
        raise CommandError(
            f"Organization/{member.organization} is stored already, and consents that name it would name "
            f"{msp_id}; give another name"
        )
    return member


def _recorded(node: NodeFolder, msp_id: str) -> Member | None:
    with open_parts(node) as parts:
        known = parts.recorded.member(msp_id)
        return None if known is None else known.current


def _is_stored(node: NodeFolder, organization: str) -> bool:
    with open_parts(node) as parts:
        reference = parts.keys.references.record("Organization", organization)
        return bool(
            asyncio.run(parts.records.read(lambda c: documents.current(c, [reference], bodies=False)))
        )


def _rules(path: Path) -> tuple[PolicyRule, ...]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[PolicyRule, ...])
    except OSError as why:
        raise CommandError(f"{path} can't be read ({why.strerror}); give a file with rules") from None
    except msgspec.MsgspecError as why:
        raise CommandError(
            f"{path} holds no list of rules ({why}); `consentry policy show FOLDER --rules` prints one"
        ) from None


# -- answers --------------------------------------------------------------------------


def _description(
    folder: Path, settings: NodeSettings, current: CurrentPolicy, policy: Policy
) -> Iterator[str]:
    titles = {one.msp_id: one.name for one in settings.members}
    votes = len(policy.deciding)
    yield f"version {policy.version} is in force; {votes // 2 + 1} of {votes} votes adopt the next one"
    for member in policy.members:
        title = titles.get(member, f"has no name here: consentry policy name {folder} {member}=NAME")
        notes = [title, *(["this hospital"] if member == settings.msp_id else [])]
        notes += [] if member in policy.deciding else ["without a vote"]
        yield f"  {member}  {', '.join(notes)}"
    for member, title in titles.items():
        if member not in policy.members:
            yield f"  {member}  {title}, no member: listed here, and permitted nothing"
    yield "without a patient's consent:"
    for rule in policy.rules:
        yield f"  {describe(rule, most=_SHOWN)}"
    if not current.proposals:
        yield "nothing is proposed"
    for digest, proposal in current.proposals.items():
        yield ""
        yield f"proposal {digest}"
        yield from (f"  {line}" for line in differences(policy, proposal.policy))
        by, missing = ", ".join(proposal.approvals), _missing(policy, proposal.approvals)
        yield f"  approved by {by}; waits for {missing}"


def _missing(policy: Policy, approvals: tuple[str, ...]) -> str:
    needed = len(policy.deciding) // 2 + 1 - len(approvals)
    left = ", ".join(one for one in policy.deciding if one not in approvals)
    return f"{needed} of {left}"


def _print_proposal(digest: str, policy: Policy, proposed: Policy) -> None:
    print(f"proposal {digest}: version {policy.version} becomes {proposed.version}")
    for line in differences(policy, proposed):
        print(f"  {line}")


def _print_state(done: PolicyChange, policy: Policy) -> None:
    state = done.state
    if state.adopted:
        print(f"version {state.version} is adopted (transaction {done.tx_id})")
    else:
        print(f"approved; it waits for {_missing(policy, state.approvals)}")
