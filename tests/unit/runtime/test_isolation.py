"""Which layers hold is judged by what was tried, and the filter lets through what it should."""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path

import pytest

from midstream.domain.isolation import LAYERS, Layer, lacking
from midstream.errors import ConfigError
from midstream.runtime import forkserver, isolation, seccomp

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x50001, 0x50026, 0x80000000
X86, ARM = seccomp.ARCHITECTURES["x86_64"][1], seccomp.ARCHITECTURES["aarch64"][1]


def verdict(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """Run a filter as the kernel does."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *padded)
    lines, at, value = list(struct.iter_unpack("=HBBI", program)), 0, 0
    while True:
        code, if_true, if_false, operand = lines[at]
        at += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("=I", data, operand)
            case 0x15:
                at += if_true if value == operand else if_false
            case 0x45:
                at += if_true if value & operand else if_false
            case _:
                return int(operand)


# What is tried below, as in the tables of seccomp.py: name, number on x86_64, number on aarch64.
CALLS = """
read 0 63, mmap 9 222, pwrite64 18 68, fcntl 72 25, ioctl 16 29, socket 41 198, connect 42 203, socketpair 53 199,
fork 57 -, clone 56 220, clone3 435 435, execve 59 221, execveat 322 281, kill 62 129, tgkill 234 131,
pidfd_open 434 434, prlimit64 302 261, prctl 157 167, ptrace 101 117, process_vm_readv 310 270, bpf 321 280,
perf_event_open 298 241, unshare 272 97, setns 308 268, mount 165 40, keyctl 250 219, seccomp 317 277,
io_uring_setup 425 425, memfd_create 319 279, userfaultfd 323 282,
landlock_create_ruleset 444 444, landlock_add_rule 445 445, landlock_restrict_self 446 446"""


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("read", (), ALLOW),
        ("mmap", (), ALLOW),
        ("socket", (2, 1, 0), ENOSYS),
        ("connect", (), ENOSYS),
        ("fork", (), ENOSYS),
        ("clone3", (), ENOSYS),  # the C library then takes clone
        ("clone", (0x10F00,), ALLOW),  # a thread
        ("clone", (0x11,), EPERM),  # a process
        ("clone", (0x8011,), EPERM),  # a process for the parent, as the fork server makes them
        ("clone", (0x10F00 | 0x10000000,), EPERM),  # a thread in a user namespace
        ("socketpair", (1,), ALLOW),  # AF_UNIX
        ("socketpair", (2,), EPERM),
        ("tgkill", (seccomp.OWN_PID, 1, 6), ALLOW),  # to abort
        ("tgkill", (1, 1, 9), EPERM),
        ("kill", (-1 & 0xFFFFFFFF, 9), EPERM),  # everybody
        ("prlimit64", (0,), ALLOW),  # of itself
        ("prlimit64", (1,), EPERM),
        ("execve", (seccomp.PATH_HIGH << 32 | seccomp.PATH_LOW,), ALLOW),  # the one that starts Deno
        ("execve", (seccomp.PATH_LOW,), EPERM),
        ("execve", (0,), EPERM),
        ("fcntl", (0, 1030), ALLOW),  # duplicate
        ("fcntl", (0, 8), EPERM),  # have another process signalled
        ("ioctl", (0, 0x5412), EPERM),  # type into a terminal
        ("prctl", (1, 0), EPERM),  # outlive the parent
        ("pwrite64", (), ENOSYS),
        *((name, (), ENOSYS) for name in ("execveat", "ptrace", "process_vm_readv", "perf_event_open", "bpf")),
        *((name, (), ENOSYS) for name in ("pidfd_open", "unshare", "setns", "mount", "keyctl", "seccomp")),
        *((name, (), ENOSYS) for name in ("io_uring_setup", "memfd_create", "userfaultfd")),
    ],
)
def test_a_call_is_judged_by_its_number_and_arguments(
    machine: str, name: str, arguments: tuple[int, ...], wanted: int
) -> None:
    column, architecture = seccomp.ARCHITECTURES[machine]
    number = dict(seccomp._numbers(CALLS, column)).get(name, 0x7FFFFFFF)
    assert verdict(seccomp.program(machine, writing=False), architecture, number, *arguments) == wanted


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
@pytest.mark.parametrize("number", [0x40000000, 5000])  # x32's read, and what a kernel to come may have
def test_a_number_nobody_knows_does_not_exist(machine: str, number: int) -> None:
    architecture = seccomp.ARCHITECTURES[machine][1]
    assert verdict(seccomp.program(machine, writing=False), architecture, number) == ENOSYS


def test_writing_is_let_through_where_nothing_else_can_be_had() -> None:
    assert verdict(seccomp.program("x86_64", writing=True), X86, 18) == ALLOW


def test_a_foreign_architectures_call_ends_the_process() -> None:
    assert verdict(seccomp.program("aarch64", writing=False), X86, 0) == KILL
    assert verdict(seccomp.program("x86_64", writing=False), ARM, 63) == KILL


def test_a_foreign_architectures_numbers_are_not_let_through_by_chance() -> None:
    """Numbers mean other calls there: 57 is fork on x86_64 and close on aarch64."""
    program = seccomp.program("aarch64", writing=False)
    assert [verdict(program, ARM, number) for number in (57, 198, 203, 117)] == [ALLOW, ENOSYS, ENOSYS, ENOSYS]


@pytest.mark.parametrize(
    ("column", "header"),
    [(1, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), (2, "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_those_of_the_kernels_headers(column: int, header: str) -> None:
    if not Path(header).is_file():
        pytest.skip(f"there is no {header} to compare with")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text())
    known = {name.replace("fstatat", "newfstatat") if column == 2 else name: int(number) for name, number in found}
    tables = f"{seccomp._ALLOWED},{seccomp._WRITING},{seccomp._CONDITIONAL},{CALLS}"
    listed = dict(seccomp._numbers(tables, column))
    assert {name: known.get(name) for name in listed} == listed


def test_the_fork_server_forks_by_the_same_number_the_filter_knows() -> None:
    listed = {
        machine: dict(seccomp._numbers(seccomp._CONDITIONAL, column))["clone"]
        for machine, (column, _) in seccomp.ARCHITECTURES.items()
    }
    assert listed == forkserver.CLONE


@pytest.mark.parametrize(("version", "size"), [(1, 8), (3, 8), (4, 16), (6, 24), (9, 24)])
def test_landlock_is_asked_for_what_its_version_has(version: int, size: int) -> None:
    assert len(isolation._attributes(version)) == size
    assert int.from_bytes(isolation._attributes(version)[:8], sys.byteorder).bit_length() == {1: 13, 3: 15, 4: 15}.get(
        version, 16
    )


@pytest.mark.parametrize(
    ("said", "off", "wanted"),
    [
        ({"landlock": "files tcp"}, {}, Layer("landlock_tcp", on=True)),
        (
            {"landlock": "files"},
            {},
            Layer("landlock_tcp", on=False, detail="it was tried and stopped nothing; a newer kernel may have it"),
        ),
        (
            {"landlock": "error: Operation not permitted"},
            {},
            Layer("landlock_tcp", on=False, detail="the kernel refuses it: Operation not permitted"),
        ),
        ({}, {"landlock": "no"}, Layer("landlock_tcp", on=False, detail="no")),
    ],
)
def test_a_layer_is_on_when_the_trial_found_stopped_what_it_is_for(
    said: dict[str, str], off: dict[str, str], wanted: Layer
) -> None:
    assert isolation._judged("landlock_tcp", said, off) == wanted


def test_a_required_layer_that_is_off_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tuple(Layer(name, on=name != "seccomp", detail="" if name != "seccomp" else "too old") for name in LAYERS)
    monkeypatch.setattr(isolation, "_found", lambda: found)
    monkeypatch.setattr(sys, "platform", "linux")
    assert isolation.find(["landlock"]) == found
    with pytest.raises(ConfigError, match=r"function_isolation_require .* seccomp \(too old\)"):
        isolation.find(["landlock", "seccomp"])


def test_elsewhere_every_layer_is_off_with_that_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    layers = isolation.find()
    assert {(layer.on, layer.detail) for layer in layers} == {(False, "needs Linux")}
    assert lacking(layers, ["seccomp"]) == "seccomp (needs Linux)"
    assert isolation.around_deno(layers, "deno", []) == []
