"""Access decisions and the access log: the transaction that decides an access is the one that logs it."""
