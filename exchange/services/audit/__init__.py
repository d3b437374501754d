"""The access log as AuditEvents, for those who may read it."""
