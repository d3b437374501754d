"""Ballots by themselves: approvals, withdrawals and the quorum."""

from hashlib import sha256

import pytest

from chaincode.voting import Ballot, digest

THREE = ("A", "B", "C")


def test_a_value_is_named_by_the_digest_of_its_bytes():
    assert digest(b"value") == sha256(b"value").hexdigest()


def test_a_voter_counts_once_and_approvals_are_sorted():
    ballot = Ballot(THREE).approve("C").approve("A").approve("C")
    assert ballot.approvals == ("A", "C")


def test_an_approval_can_be_withdrawn_and_given_again():
    ballot = Ballot(THREE, ("A", "B"))
    assert ballot.withdraw("A").approvals == ("B",)
    assert ballot.withdraw("C") == ballot
    assert ballot.withdraw("A").approve("A") == ballot


@pytest.mark.parametrize(
    ("voters", "approvals", "adopted"),
    [(1, 0, False), (1, 1, True), (2, 1, False), (2, 2, True), (3, 1, False), (3, 2, True), (4, 2, False)],
)
def test_more_than_half_of_the_voters_adopt(voters, approvals, adopted):
    names = tuple(f"Voter{n}" for n in range(voters))
    assert Ballot(names, names[:approvals]).has_quorum() is adopted


def test_a_ballot_without_voters_adopts_nothing():
    assert not Ballot(()).has_quorum()
