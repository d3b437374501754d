"""Ends a process at the nth call into the system that could leave a trace: on a disk, or at a server.

The work runs in a child that is traced and stopped before each such call, so that nothing of the code under
test takes part. What the child had not told the system until then is lost, as with `kill -9`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from collections.abc import Callable

_TRACE_ME, _GET_REGISTERS, _SYSCALL, _SET_OPTIONS = 0, 12, 24, 0x4200
_EXIT_KILL, _TELL_SYSCALLS = 0x100000, 1
_ORIGINAL_RAX = 15
_REGISTERS = 27
LEAVES_A_TRACE = frozenset(
    {1, 18, 20, 296, 44, 46, 74, 75, 76, 77, 82, 83, 84, 87, 88, 90, 263, 264, 265, 268, 316}
)
"""On x86-64: write, pwrite64, writev, pwritev, sendto, sendmsg, fsync, fdatasync, truncate, ftruncate,
rename, mkdir, rmdir, unlink, symlink, chmod, unlinkat, renameat, linkat, fchmodat, renameat2."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def can_trace() -> bool:
    """Whether this machine lets a process trace its child, and is of the kind whose calls are known here."""
    if platform.machine() != "x86_64" or sys.platform != "linux":
        return False
    try:
        return run_until(lambda: None, 1 << 30)
    except OSError:
        return False


def run_until(work: Callable[[], object], call: int) -> bool:
    """Run `work` in a child that is killed before its nth such `call`; whether it came to its end before.

    Raises:
        OSError: a child can't be traced here.
        RuntimeError: the work failed by itself.
    """
    child = os.fork()
    if child == 0:
        _work(work)
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        raise OSError("a child can't be traced here")
    _ptrace(_SET_OPTIONS, child, _EXIT_KILL | _TELL_SYSCALLS)
    seen, entering, passed = 0, False, 0
    while True:
        _ptrace(_SYSCALL, child, passed)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
                return True
            raise RuntimeError(f"the work failed by itself ({status})")
        passed = 0
        if os.WSTOPSIG(status) != signal.SIGTRAP | 0x80:
            passed = os.WSTOPSIG(status)
            continue
        entering = not entering
        if entering and _call_of(child) in LEAVES_A_TRACE:
            seen += 1
            if seen == call:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return False


def _work(work: Callable[[], object]) -> None:
    code = 1
    try:
        if _libc.ptrace(_TRACE_ME, 0, None, None) == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
            work()
            code = 0
    finally:
        os._exit(code)


def _ptrace(request: int, child: int, data: int) -> None:
    if _libc.ptrace(request, child, None, data) != 0:
        raise OSError(ctypes.get_errno(), "a child can't be traced here")


def _call_of(child: int) -> int:
    registers = (ctypes.c_ulonglong * _REGISTERS)()
    if _libc.ptrace(_GET_REGISTERS, child, None, ctypes.addressof(registers)) != 0:
        raise OSError(ctypes.get_errno(), "a child's registers can't be read")
    return registers[_ORIGINAL_RAX]
