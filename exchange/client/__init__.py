"""A client of the exchange as a hospital's system would be one."""
