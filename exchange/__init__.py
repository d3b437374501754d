"""A hospital's gateway: FHIR, consent, documents, keys and pages."""
