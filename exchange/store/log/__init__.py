"""The log database: the projection of the access log, and how it is replaced by a new one."""
