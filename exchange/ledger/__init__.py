"""The gateway's side of the ledger: typed calls, group commit, and the ledgers it can speak to."""
