"""The names check: one name for one thing, folders and functions that a reader can take in.

1. A package (`exchange`, `chaincode`, `analytics`, `tools`) defines no public class name twice.
2. A module name stands once in all packages together, unless `repeated.py` lists it with a reason.
3. A folder has at most a dozen files beside `__init__.py`, tests included.
4. A function has at most fifty lines.
5. The lists of exceptions name only what is there.
"""
