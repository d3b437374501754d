"""The sign-in of patients: codes of the hospital, passkeys, and sessions of browsers."""
