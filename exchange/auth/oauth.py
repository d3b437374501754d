"""The answers of the token endpoint: an access token, or one of OAuth's errors.

Source: RFC 6749 sections 5.1 and 5.2; `temporarily_unavailable` is borrowed from its section 4.1.2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

ErrorCode = Literal[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "invalid_scope",
    "unsupported_grant_type",
    "temporarily_unavailable",
]

STATUS: Final[Mapping[ErrorCode, int]] = {
    "invalid_request": 400,
    "invalid_client": 401,
    "invalid_grant": 400,
    "invalid_scope": 400,
    "unsupported_grant_type": 400,
    "temporarily_unavailable": 503,
}
"""The HTTP status of each error."""


class OAuthError(Exception):
    """Refuse a token request.

    The description is for the developer of an honest client: it names a parameter or claim and what is
    expected there, never a value that was sent, and nothing about clients that the sender has not
    proven to be. Printable ASCII without quotes and backslashes, as RFC 6749 demands.
    """

    def __init__(self, code: ErrorCode, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return STATUS[self.code]


class TokenResponse(msgspec.Struct, frozen=True):
    """A successful answer; `expires_in` is in seconds, `scope` has the granted scopes, separated by
    spaces.
    """

    access_token: str
    expires_in: int
    scope: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the type's name, not a token
