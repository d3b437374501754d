"""The patient's pages: HTML from the server, over the same services as FHIR."""
