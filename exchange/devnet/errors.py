"""Errors of a network of processes; every message is one line: the problem and the remedy.

```
NetworkError
├── ProgramsError       Fabric's programs or their sample configuration are not found
├── FolderError         the folder holds no network, an unfinished one, or something else
├── PortError           another program uses a port
├── CertificateError    a certificate has expired, or is not one for its purpose
└── StartError          a process ended while it was starting, or an administrative step failed
```
"""

from __future__ import annotations


class NetworkError(Exception):
    """Base of everything this package raises."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class ProgramsError(NetworkError):
    """Fabric's programs or their sample configuration are not found."""


class FolderError(NetworkError):
    """The folder is not one that this can work on."""


class PortError(NetworkError):
    """Another program uses a port."""


class NetworkCertificateError(NetworkError):
    """A certificate has expired, or is not one for its purpose."""


class ProcessStartError(NetworkError):
    """A process or an administrative step failed."""
