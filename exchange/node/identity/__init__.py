"""Settings that identify hospitals and servers: recorded, compared with the file, changed by commands."""
