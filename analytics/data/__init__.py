"""Features of patients: their declarations, their values from FHIR records, public bins, and data sets."""
