"""Search parameter types of FHIR R4: one module each, from element or value to index terms."""
