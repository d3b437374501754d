"""The records database: document versions, search tokens, consents, clients, jobs, the outbox."""
