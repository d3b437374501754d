"""Random bytes for nonces and ids, drawn from the operating system in larger pieces.

A system call for every nonce costs more than the encryption it is for. What was handed out is gone from
the buffer, and a forked process starts with an empty one, so no bytes are given twice.
"""

from __future__ import annotations

import os
import threading

_PIECE = 4096


class _Buffer:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        with self._lock:
            if self._at + count > len(self._bytes):
                self._bytes = os.urandom(max(_PIECE, count))
                self._at = 0
            self._at += count
            return self._bytes[self._at - count : self._at]

    def drop(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._at = 0


_buffer = _Buffer()
os.register_at_fork(after_in_child=_buffer.drop)

random_bytes = _buffer.take
"""`random_bytes(count)`: that many bytes from the operating system's generator."""
