"""Errors of channel administration; every message is one line: the problem and the remedy.

```
ChannelUpdateError      a block holds no configuration, or an update changes nothing or can't be made
└── CertificateError    a certificate has expired, or does not fit its purpose
```
"""

from __future__ import annotations


class ChannelUpdateError(Exception):
    """A channel update can't be made."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class CertificateError(ChannelUpdateError):
    """A certificate has expired, or does not fit its purpose."""
