"""Another processor's caches and vendor, as oneDNN and MKL see them, in a process of its own.

Both libraries are linked into ``libtorch_cpu.so`` and ask the processor by CPUID. The function that oneDNN asks for
the size of a cache, and the variables in which MKL keeps whether the vendor is Intel, are found in the library's
symbol table and overwritten in memory, before either library is first used. For x86-64 on Linux.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CACHES = ((32, 256), (32, 512), (48, 512), (32, 1024), (48, 1280), (48, 2048), (32, 4096), (64, 2048))
"""KB of L1 data and L2 cache of a core: Haswell to Comet Lake, Zen 1 to 3, Ice Lake's clients, Zen 4 and Skylake's
servers, Ice Lake's servers, Sapphire Rapids, and two that may come."""
L3 = 1 << 20
"""Bytes a core; no convolution of clbench's networks asks for it."""
CACHE_SIZE = "_ZN4dnnl4impl3cpu8platform23get_per_core_cache_sizeEi"
VENDOR = ("mkl_serv_intel_cpu_true.cached", "mkl_serv_intel_cpu.cached")
SYMBOLS = np.dtype([("name", "<u4"), ("kind", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"),
                    ("size", "<u8")])  # fmt: skip
SYMBOL_TABLE = 2


class MissingSymbol(Exception):
    """This build of torch does not name what has to be overwritten: it is stripped, or of another version."""


@dataclass(frozen=True)
class Symbol:
    """Where something lies in the library's address space, and its bytes."""

    address: int
    size: int


def library() -> Path:
    """The library of the torch that would be imported here."""
    import torch

    return Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"


def find(path: Path, *names: str) -> list[Symbol]:
    """Symbols of a 64-bit ELF file, also such as are not exported.

    Raises:
        MissingSymbol: one is not in the symbol table, or there is no table.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        table, strings = _tables(content, path)
        return [_symbol(content, table, strings, name) for name in names]


def _tables(content: mmap.mmap, path: Path) -> tuple[np.ndarray, tuple[int, int]]:
    """The symbols, and where the strings of their names begin and end."""
    (first,), (size, count) = struct.unpack_from("<Q", content, 0x28), struct.unpack_from("<HH", content, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", content, first + i * size) for i in range(count)]
    tables = [header for header in headers if header[1] == SYMBOL_TABLE]
    if not tables:
        raise MissingSymbol(f"{path.name} has no symbol table")
    _, _, _, _, start, length, names, *_ = tables[0]
    symbols = np.frombuffer(content[start : start + length], SYMBOLS)
    return symbols, (headers[names][4], headers[names][4] + headers[names][5])


def _symbol(content: mmap.mmap, table: np.ndarray, strings: tuple[int, int], name: str) -> Symbol:
    start, end = strings
    at = content.find(b"\0" + name.encode() + b"\0", start, end) + 1
    found = table[table["name"] == at - start] if at else ()
    if len(found) != 1:
        raise MissingSymbol(f"{name} is not in the symbol table")
    return Symbol(int(found[0]["value"]), int(found[0]["size"]))


def base(path: Path) -> int:
    """Where the library begins in this process, which has loaded it."""
    mapped = (line.split() for line in Path("/proc/self/maps").read_text().splitlines())
    return min(int(words[0].split("-")[0], 16) for words in mapped if words[-1] == str(path.resolve()))


def pretend_caches(l1: int, l2: int) -> None:
    """Let oneDNN see other caches from now on.

    Args:
        l1: bytes of L1 data cache a core.
        l2: bytes of L2 cache a core.
    """
    path = library()
    (function,) = find(path, CACHE_SIZE)
    code = b"".join((
        b"\x83\xff\x01\x74\x0b",  # cmp edi, 1; je L1
        b"\x83\xff\x02\x74\x0c",  # cmp edi, 2; je L2
        b"\xb8" + struct.pack("<I", L3) + b"\xc3",  # mov eax, L3; ret
        b"\xb8" + struct.pack("<I", l1) + b"\xc3",
        b"\xb8" + struct.pack("<I", l2) + b"\xc3",
    ))  # fmt: skip
    if len(code) > function.size:
        raise MissingSymbol(f"{CACHE_SIZE} is too short to be overwritten")
    address = base(path) + function.address
    _make_writable(address, len(code))
    ctypes.memmove(address, code, len(code))


def pretend_vendor(intel: bool) -> None:
    """Let MKL see a processor of Intel's, or of another vendor, from now on; before its first use."""
    path = library()
    for variable in find(path, *VENDOR):
        ctypes.memmove(base(path) + variable.address, struct.pack("<i", intel), variable.size)


def _make_writable(address: int, length: int) -> None:
    """Let this process write where its code lies."""
    libc = ctypes.CDLL(None, use_errno=True)
    page = address - address % mmap.PAGESIZE
    protection = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(address + length - page), protection):
        raise OSError(ctypes.get_errno(), "mprotect")
