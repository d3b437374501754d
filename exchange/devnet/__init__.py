"""A Fabric network of plain processes, for development and tests: `up`, `down`, `status`, `reset`.

`commands` are those four; `building` makes a network the first time; `network` is a running one, to be
observed and disturbed; `topology` names nodes, ports and folders; `configuration` is that of Fabric's
programs; `administration` drives their commands; `processes` starts and ends them; `programs` finds them;
`discovery` waits for endorsers; `state_file` holds the state between two commands; `containers` makes the
same network in containers.
"""

from exchange.devnet.commands import down, reset, status, up
from exchange.devnet.errors import NetworkError
from exchange.devnet.network import Network, ProcessStatus
from exchange.devnet.programs import Programs
from exchange.devnet.topology import Options

__all__ = ["Network", "NetworkError", "Options", "ProcessStatus", "Programs", "down", "reset", "status", "up"]
