"""The consortium's policy: its members, and the accesses that need no patient's consent."""
