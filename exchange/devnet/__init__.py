"""A Fabric network of plain processes, for development and tests: `up`, `down`, `status`, `reset`.

`commands` are those four; `building` makes a network the first time; `network` is a running one, to be
looked at and disturbed; `topology` names nodes, ports and folders; `configuration` is what Fabric's
programs read; `administration` drives their commands; `processes` starts and ends; `programs` finds
Fabric; `packaging` packs the chaincode; `discovery` and `certificates` check; `state` remembers.
"""

from exchange.devnet.commands import down, reset, status, up
from exchange.devnet.errors import NetworkError
from exchange.devnet.network import Network, ProcessStatus
from exchange.devnet.programs import Programs
from exchange.devnet.topology import Options

__all__ = ["Network", "NetworkError", "Options", "ProcessStatus", "Programs", "down", "reset", "status", "up"]
