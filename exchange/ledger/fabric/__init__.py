"""Hyperledger Fabric: the Gateway client, the verification of blocks, and channel administration."""
