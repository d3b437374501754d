"""The exceptions of the names check, each with its reason."""

MODULES: dict[str, str] = {
    "__main__": "Python's name of a package's command",
    "access": "the accesses that a ledger client asks for, and the bench of them",
    "app": "the ASGI application of a service: gateway, evaluator",
    "calls": "the published calls of a contract",
    "client": "the client of a service, or its role in an encryption scheme",
    "clients": "registered clients: rules, table, command",
    "contract": "the entry points of a contract",
    "database": "a database of the store, and the bench on one of PostgreSQL",
    "documents": "records as they are loaded, sealed and stored",
    "errors": "the error tree of a room",
    "identity": "a signing identity: of the embedded ledger's node, of a Fabric client",
    "jobs": "the table of jobs, and the command",
    "keys": "keys of subjects, and the derived keys of a node",
    "ledger": "the contracts' view of the ledger, and its bench",
    "limits": "the bounds of a room: a contract, HTTP",
    "load": "the load of files, and its command",
    "metrics": "the Prometheus metrics of a room",
    "model": "the types of a contract; the command about risk models",
    "network": "a network for development, and its command",
    "node": "the embedded ledger's node, and the checks of a whole node",
    "parameters": "search parameters of FHIR, encryption parameters",
    "policy": "the consortium's policy: calls of the ledger client, command",
    "port": "the protocol that a room offers to its adapters",
    "proposal": "a Fabric proposal, made by the client and read by the shim",
    "rebuild": "the rebuild of the log, and its command",
    "references": "FHIR references: their form, their keyed names, the search by them",
    "scoring": "risk scores: service, adapter, demo",
    "server": "the server of the chaincode stream, and its role in an encryption scheme",
    "state": "the state that a contract or a channel keeps",
    "subjects": "the subjects of a record, and the table of subjects",
    "token": "the token endpoint, and the command that issues tokens",
    "verify": "verification of a ledger, and the command",
    "worker": "a process or thread that takes work from others",
}
"""Module names that may stand in several folders."""

FOLDERS: dict[str, str] = {
    "docs/adr": "a numbered series with an index",
}
"""Folders that may have more than a dozen files."""
