"""The way from each format of a node's databases to the next, and to a new database of the newest.

```
revisions/format_4.py   the tables of the last release without migrations: where every way starts
revisions/format_5.py   what a database of format 4 has to become one of format 5
revisions/__init__.py   which revisions there are, in their order
revision.py             what a revision is
create.py               a new database: every revision, one after the other
upgrade.py              all databases of a node to this release's format, in one transaction
```

To change a table: change it in `exchange.store.records`, `.log` or `.keys`; add `revisions/format_N.py`
with Alembic's operations that do the same to the tables of before, and list it in `revisions/__init__.py`;
set `FORMAT` in `exchange.store.engine.format` to N. A revision never imports the tables of today, and is
never changed once it was released. Tests compare the tables that the revisions make with those that are
declared, and open a frozen node of each earlier format.
"""
