"""Who saw what: the transaction that decides an access is the one that logs it."""
