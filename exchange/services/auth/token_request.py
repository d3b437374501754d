"""A token request as it arrives: the fields of its form, and the business context of its assertion."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from exchange.auth import assertions, b2b
from exchange.auth.clients import FOR_PATIENTS, Client
from exchange.auth.oauth import OAuthError

EMERGENCY = "BTG"
"""The purpose of use of an emergency, for which a person has to give a reason."""

_PATIENT = re.compile(r"(?:^|[/|#])(?:Patient|RelatedPerson)(?:/|%2F)", re.IGNORECASE)
"""The reference of a patient, or of a person who acts for one, on this server or another."""


def business_context(client: Client, claimed: assertions.Assertion) -> b2b.Context:
    """Return organisation, purpose and user of an assertion; a plain SMART client's are as registered.

    Raises:
        OAuthError: the assertion says a part of it, says it wrongly, or more than is registered.
    """
    if client.purpose and b2b.lacks_context(claimed.extensions):
        if client.default_purpose == EMERGENCY:
            message = "an emergency needs extensions.hl7-b2b with the subject_id of the user who asks"
            raise OAuthError("invalid_grant", message)
        return b2b.Context(client.organization, client.default_purpose, user="", user_name="", role="")
    context = b2b.read_context(claimed.extensions)
    if not client.may_state(context.purpose):
        message = "hl7-b2b.purpose_of_use must be one that the client is registered for"
        raise OAuthError("invalid_grant", message)
    if _PATIENT.search(context.user) and not client.may_state(FOR_PATIENTS):
        message = "hl7-b2b.subject_id names a patient, and the client is not registered to speak for patients"
        raise OAuthError("invalid_grant", message)
    return context


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
