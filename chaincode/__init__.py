"""The consortium's contracts: consent, access log and registry, on Hyperledger Fabric or in process."""
