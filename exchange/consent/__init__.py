"""FHIR Consent compiled to ledger terms, and the facts of a record that those terms refer to."""
