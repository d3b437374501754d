"""Lets the tests of this folder share what they are made of."""

from __future__ import annotations
