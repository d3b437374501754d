"""Chaincode as a service: the peer's stream on the official protobufs.

`server` listens and holds the TLS rules, `handler` is the stream, `stream` one transaction's questions
on it, `stub` the ledger that contracts see, `queries` its ranges and histories, `proposal` the part that
the client signed, `endorsement` policies of single keys, `errors` the drawn tree.
"""
