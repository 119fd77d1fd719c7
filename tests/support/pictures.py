"""Pictures that a browser took of our pages."""

import struct
import zlib

GROUND = bytes.fromhex("f6f4f1")
"""What is seen of a page where nothing stands on it."""


def pixels_of(png: bytes) -> tuple[int, list[bytes]]:
    """Return the bytes per pixel and the lines of a PNG picture, unfiltered."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, colours = struct.unpack(">IIBB", png[16:26])
    assert (depth, colours) in ((8, 2), (8, 6))
    size = 3 if colours == 2 else 4
    raw = zlib.decompress(_chunks(png, b"IDAT"))
    stride = width * size + 1
    assert len(raw) == stride * height
    lines, above = [], bytes(width * size)
    for start in range(0, len(raw), stride):
        above = _unfiltered(raw[start], raw[start + 1 : start + stride], above, size)
        lines.append(above)
    return size, lines


def _chunks(png: bytes, wanted: bytes) -> bytes:
    found, at = b"", 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        found += png[at + 8 : at + 8 + size] if kind == wanted else b""
        at += size + 12
    return found


def _unfiltered(filter_type: int, line: bytes, above: bytes, size: int) -> bytes:
    out = bytearray(size)
    corner = bytes(size) + above
    for i, value in enumerate(line):
        left, up, up_left = out[i], above[i], corner[i]
        predicted = (0, left, up, (left + up) // 2, _paeth(left, up, up_left))[filter_type]
        out.append((value + predicted) & 0xFF)
    return bytes(out[size:])


def _paeth(left: int, up: int, up_left: int) -> int:
    estimate = left + up - up_left
    return min((left, up, up_left), key=lambda value: abs(value - estimate))
