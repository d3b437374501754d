"""FHIR R4 without I/O: decoding, search terms, references, Bundles and OperationOutcomes."""
