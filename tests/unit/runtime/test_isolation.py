"""Which layers hold is judged by what was tried, and the filter lets through what it should."""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path

import pytest

from midstream.domain.isolation import LAYERS, Layer, lacking
from midstream.errors import ConfigError
from midstream.runtime import isolation, seccomp

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


@pytest.mark.parametrize(
    ("number", "arguments", "wanted"),
    [
        (0, (), ALLOW),  # read
        (9, (), ALLOW),  # mmap
        (41, (2, 1, 0), ENOSYS),  # socket
        (42, (), ENOSYS),  # connect
        (57, (), ENOSYS),  # fork
        (435, (), ENOSYS),  # clone3: the C library then takes clone
        (56, (0x10F00,), ALLOW),  # a thread
        (56, (0x11,), EPERM),  # a process
        (56, (0x10F00 | 0x10000000,), EPERM),  # a thread in a user namespace
        (53, (1,), ALLOW),  # socketpair(AF_UNIX)
        (53, (2,), EPERM),
        (234, (seccomp.OWN_PID, 1, 6), ALLOW),  # tgkill, to abort
        (234, (1, 1, 9), EPERM),
        (62, (-1 & 0xFFFFFFFF, 9), EPERM),  # kill everybody
        (302, (0,), ALLOW),  # prlimit64 of itself
        (302, (1,), EPERM),
        (59, (seccomp.PATH_HIGH << 32 | seccomp.PATH_LOW,), ALLOW),  # the execve that starts Deno
        (59, (seccomp.PATH_LOW,), EPERM),
        (59, (0,), EPERM),
        (72, (0, 1030), ALLOW),  # fcntl: duplicate
        (72, (0, 8), EPERM),  # fcntl: have another process signalled
        (16, (0, 0x5412), EPERM),  # ioctl: type into a terminal
        (157, (1, 0), EPERM),  # prctl: outlive the parent
        (18, (), ENOSYS),  # pwrite64
        (0x40000000, (), ENOSYS),  # x32
        (5000, (), ENOSYS),  # what a kernel to come may have
    ],
)
def test_a_call_is_judged_by_its_number_and_arguments(number: int, arguments: tuple[int, ...], wanted: int) -> None:
    assert verdict(seccomp.program("x86_64", writing=False), X86, number, *arguments) == wanted


def test_writing_is_let_through_where_nothing_else_can_be_had() -> None:
    assert verdict(seccomp.program("x86_64", writing=True), X86, 18) == ALLOW


def test_the_other_architecture_has_its_own_numbers_and_a_foreign_call_ends_the_process() -> None:
    program = seccomp.program("aarch64", writing=False)
    assert [verdict(program, ARM, number) for number in (63, 198, 203, 435)] == [ALLOW, ENOSYS, ENOSYS, ENOSYS]
    assert verdict(program, ARM, 220, 0x10F00) == ALLOW
    assert verdict(program, X86, 0) == KILL


@pytest.mark.parametrize(
    ("column", "header"),
    [(1, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), (2, "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_those_of_the_kernels_headers(column: int, header: str) -> None:
    if not Path(header).is_file():
        pytest.skip(f"there is no {header} to compare with")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text())
    known = {name.replace("fstatat", "newfstatat") if column == 2 else name: int(number) for name, number in found}
    tables = f"{seccomp._ALLOWED},{seccomp._WRITING},{seccomp._CONDITIONAL}"
    listed = dict(seccomp._numbers(tables, column))
    assert {name: known.get(name) for name in listed} == listed


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
