"""The consortium's contracts: consent, policy and access log, on Hyperledger Fabric or in process."""
