"""FHIR and SMART over HTTP."""
