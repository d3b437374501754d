"""Chaincode as a service: the peer's stream on the official protobufs."""
