"""The access log as AuditEvents."""
