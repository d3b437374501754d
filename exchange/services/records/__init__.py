"""FHIR interactions on stored records: read, history, search, create, update, delete, transaction."""
