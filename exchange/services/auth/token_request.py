"""A token request as it arrives: the fields of its form, and the business context of its assertion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from exchange.auth import assertions, b2b
from exchange.auth.clients import Client
from exchange.auth.oauth import OAuthError


def business_context(client: Client, claimed: assertions.Assertion) -> b2b.Context:
    """Return organisation, purpose and user of an assertion; a plain SMART client's are as registered.

    Raises:
        OAuthError: the assertion says a part of it, or says it wrongly.
    """
    if client.purpose and b2b.lacks_context(claimed.extensions):
        return b2b.Context(client.organization, client.purpose, user="", user_name="", role="")
    return b2b.read_context(claimed.extensions)


def read_form(form: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Check the fields of a token request, and return them by name.

    Raises:
        OAuthError: `invalid_request` or `unsupported_grant_type`.
    """
    fields = {name: value for name, value in form if value}  # RFC 6749, 3.2: empty counts as omitted
    if any(count > 1 for count in Counter(name for name, _ in form).values()):
        raise OAuthError("invalid_request", "each parameter may be sent once")
    if "grant_type" not in fields:
        raise OAuthError("invalid_request", "grant_type is missing")
    if fields["grant_type"] != "client_credentials":
        raise OAuthError("unsupported_grant_type", "grant_type must be client_credentials")
    if fields.get("client_assertion_type") != assertions.ASSERTION_TYPE:
        raise OAuthError("invalid_request", f"client_assertion_type must be {assertions.ASSERTION_TYPE}")
    if "client_assertion" not in fields:
        raise OAuthError("invalid_request", "client_assertion is missing")
    return fields
