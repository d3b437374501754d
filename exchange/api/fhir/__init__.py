"""FHIR R4 REST routes, CapabilityStatement and paging."""
