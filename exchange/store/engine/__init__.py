"""SQLite and PostgreSQL behind one interface: connections, dialects, one writer at a time."""
