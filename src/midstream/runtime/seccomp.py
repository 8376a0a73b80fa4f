"""The system calls Deno needs, as a filter the kernel runs on each call. What is not on the list does not exist.

Enters: the architecture, and whether files may be written. Leaves: a program for the kernel (classic BPF), with the
stand-ins of confine.py in it. The list was found by tracing Deno 2.9 through all tests of the runtime, and widened by
what the C library and Rust use where the kernel is older or newer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from midstream.confine import OWN_PID, PATH_HIGH, PATH_LOW

# Name, number on x86_64, number on aarch64 (asm/unistd_64.h and asm-generic/unistd.h).
_ALLOWED = """
brk 12 214, mmap 9 222, munmap 11 215, mprotect 10 226, mremap 25 216, madvise 28 233, membarrier 324 283,
pkey_alloc 330 289, pkey_free 331 290, pkey_mprotect 329 288,
arch_prctl 158 -, exit 60 93, exit_group 231 94, futex 202 98, futex_waitv 449 449, gettid 186 178, rseq 334 293,
restart_syscall 219 128, rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, sched_getaffinity 204 123,
sched_yield 24 124, set_robust_list 273 99, set_tid_address 218 96, sigaltstack 131 132,
clock_getres 229 114, clock_gettime 228 113, clock_nanosleep 230 115, gettimeofday 96 169, nanosleep 35 101, time 201 -,
close 3 57, close_range 436 436, dup 32 23, dup2 33 -, dup3 292 24, epoll_create1 291 20, epoll_ctl 233 21,
epoll_pwait 281 22, epoll_pwait2 441 441, epoll_wait 232 -, eventfd2 290 19, lseek 8 62, pipe2 293 59, poll 7 -,
ppoll 271 73, pread64 17 67, preadv 295 69, read 0 63, readv 19 65, recvfrom 45 207, sendto 44 206, shutdown 48 210,
getsockopt 55 209, getsockname 51 204, write 1 64, writev 20 66,
access 21 -, faccessat 269 48, faccessat2 439 439, fadvise64 221 223, flock 73 32, fstat 5 80, fstatfs 138 44,
getcwd 79 17, getdents64 217 61, lstat 6 -, newfstatat 262 79, open 2 -, openat 257 56, readlink 89 -,
readlinkat 267 78, stat 4 -, statfs 137 43, statx 332 291,
getegid 108 177, geteuid 107 175, getgid 104 176, getpid 39 172, getppid 110 173, getrandom 318 278, getrlimit 97 163,
getrusage 98 165, getuid 102 174, sysinfo 99 179, uname 63 160"""
# Where Landlock does not hold, Deno writes its cache itself.
_WRITING = """
fallocate 285 47, fdatasync 75 83, fsync 74 82, ftruncate 77 46, mkdir 83 -, mkdirat 258 34, pwrite64 18 68,
rename 82 -, renameat 264 38, renameat2 316 276, unlink 87 -, unlinkat 263 35"""
# These depend on what they are called with; see _conditions.
_CONDITIONAL = """
clone 56 220, execve 59 221, fcntl 72 25, ioctl 16 29, kill 62 129, prctl 157 167, prlimit64 302 261,
socketpair 53 199, tgkill 234 131"""

ARCHITECTURES = {"x86_64": (1, 0xC000003E), "aarch64": (2, 0xC00000B7)}  # column above, AUDIT_ARCH_* of linux/audit.h

_ALLOW, _KILL, _REFUSE, _ABSENT = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026  # the latter with EPERM and ENOSYS
_LOAD, _RETURN, _EQUAL, _ANY_BIT = 0x20, 0x06, 0x15, 0x45  # opcodes of linux/bpf_common.h
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; arguments have 8 bytes

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020000  # all the namespaces
_AF_UNIX = 1
# The argument that counts, and what it may be.
_ONE_OF: dict[str, tuple[int, tuple[int, ...]]] = {
    "kill": (0, (OWN_PID,)),
    "tgkill": (0, (OWN_PID,)),  # how a program aborts
    "prlimit64": (0, (0, OWN_PID)),
    "socketpair": (0, (_AF_UNIX,)),
    "prctl": (0, (15, 16, 0x53564D41)),  # the name of a thread, the name of a mapping
    "fcntl": (1, (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)),  # duplicates, flags, locks; no signals, no leases
    "ioctl": (
        1,
        (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451),
    ),  # what is asked of a terminal; FIONREAD, FIONBIO, FIO(N)CLEX
}


def program(machine: str, *, writing: bool) -> bytes:
    """Return the filter for `machine`, which must be in ARCHITECTURES."""
    column, architecture = ARCHITECTURES[machine]
    lines = [_line(_LOAD, _ARCHITECTURE), _line(_EQUAL, architecture, 1, 0), _line(_RETURN, _KILL)]
    lines.append(_line(_LOAD, _NUMBER))
    for name, number in _numbers(_CONDITIONAL, column):
        block = _conditions(name)
        lines += [_line(_EQUAL, number, 0, len(block)), *block]
    for _, number in _numbers(_ALLOWED + ("," + _WRITING if writing else ""), column):
        lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, _ALLOW)]
    return b"".join([*lines, _line(_RETURN, _ABSENT)])


def _numbers(table: str, column: int) -> list[tuple[str, int]]:
    rows = [row.split() for row in table.split(",")]
    return [(row[0], int(row[column])) for row in rows if row[column] != "-"]


def _conditions(name: str) -> list[bytes]:
    """Return the lines that decide a call by its arguments; each way through them ends."""
    if name == "clone":  # threads, not processes, and no namespaces
        return [
            _line(_LOAD, _ARGUMENT),
            _line(_ANY_BIT, _CLONE_NEW, 2, 0),
            _line(_ANY_BIT, _CLONE_THREAD, 0, 1),
            *_verdict(),
        ]
    if name == "execve":  # the one that starts Deno; that place in memory is gone afterwards
        return [
            _line(_LOAD, _ARGUMENT),
            _line(_EQUAL, PATH_LOW, 0, 3),
            _line(_LOAD, _ARGUMENT + 4),
            _line(_EQUAL, PATH_HIGH, 0, 1),
            *_verdict(),
        ]
    argument, values = _ONE_OF[name]
    return _one_of(argument, values)


def _one_of(argument: int, values: Iterable[int]) -> list[bytes]:
    lines = [_line(_LOAD, _ARGUMENT + 8 * argument)]
    for value in values:
        lines += [_line(_EQUAL, value, 0, 1), _line(_RETURN, _ALLOW)]
    return [*lines, _line(_RETURN, _REFUSE)]


def _verdict() -> list[bytes]:
    return [_line(_RETURN, _ALLOW), _line(_RETURN, _REFUSE)]


def _line(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)  # struct sock_filter
