"""Plaintexts planted on purpose, one for each way of writing: a scan that misses one is blind."""

from __future__ import annotations

import base64
import codecs
import gzip
import io
import json
import random
import string
import zipfile
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from urllib.parse import quote

import zstandard

from tests.canary.forms import ENCODINGS, FORMS, Marker, core_of
from tests.canary.scan import Control
from tests.canary.streams import KINDS

AROUND = "so it begins, {}, and so it ends"
# A short text stands unchanged in a zstd frame; letters alone are worth compressing.
PADDING = "".join(random.Random(1).choices(string.ascii_lowercase, k=1_500))


def _utf_16(name: str, text: str) -> bytes:
    return codecs.encode(text, name)


def _behind(before: int, alphabet: Callable[[bytes], bytes], text: str) -> bytes:
    return alphabet(b"~" * before + text.encode() + b"?>~")


def _escaped(pattern: str, text: str) -> bytes:
    return "".join(pattern % ord(letter) for letter in text).encode()


def _pglz(first: int, text: str) -> bytes:
    (form,) = [
        one for one in FORMS if one.write("x" * 9) == b"x" * first + b"\0" + b"x" * (9 - first)
    ]
    return form.write(text)


def _zip(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a name that is not short, so that the header is long.txt", text)
    return file.getvalue()


def _zlib(level: int, text: str) -> bytes:
    return zlib.compress(text.encode(), level)


# The encoding a scanner needs in order to see it, and how it is written by who does not know us.
WRITINGS: tuple[tuple[str, Callable[[str], bytes]], ...] = (
    ("utf-8", str.encode),
    ("utf-8", lambda text: quote(text).encode()),
    ("utf-8", lambda text: json.dumps(text).encode()),
    *(("utf-16", partial(_utf_16, name)) for name in ("utf-16-le", "utf-16-be")),
    ("hex", lambda text: text.encode().hex().encode()),
    ("hex", lambda text: text.encode().hex().upper().encode()),
    *(
        (f"base64+{before}", partial(_behind, before, alphabet))
        for before in range(3)
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode)
    ),
    *(("url", partial(_escaped, pattern)) for pattern in ("%%%02x", "%%%02X")),
    *(("json", partial(_escaped, pattern)) for pattern in ("\\u%04x", "\\u%04X")),
    ("lower", lambda text: text.lower().encode()),
    ("reversed", lambda text: text[::-1].encode()),
    *(("pglz", partial(_pglz, first)) for first in range(1, 9)),
    ("gzip", lambda text: gzip.compress(text.encode())),
    *(("zlib", partial(_zlib, level)) for level in (1, 5, 6, 9)),
    ("zip", _zip),
    ("zstd", lambda text: zstandard.compress(text.encode())),
)
assert {encoding for encoding, _ in WRITINGS} == {*ENCODINGS, *KINDS}


def written(marker: Marker) -> Iterable[tuple[str, str, bytes]]:
    """Give an encoding, the core of a new canary and that canary written so, for each writing."""
    for encoding, write in WRITINGS:
        core = marker.core()
        is_bare = encoding in {"url", "json", "pglz"} or encoding.startswith("base64")
        around = core if is_bare else AROUND.format(core)
        yield encoding, core, write(PADDING + around if encoding in KINDS else around)


def plant(folder: Path, marker: Marker) -> list[Control]:
    """Put a file for each writing into a folder that is going to be scanned."""
    controls = []
    for number, (encoding, core, content) in enumerate(written(marker)):
        path = folder / f"control-{number}"
        path.write_bytes(content)
        controls.append(Control(core, encoding, str(path)))
    return controls


def plant_kinds(folder: Path, marker: Marker) -> list[Control]:
    """Put a file beside one of each kind in a folder: the same folder, the same suffix."""
    kinds = {(path.parent, path.suffix) for path in folder.rglob("*") if path.is_file()}
    controls = []
    for parent, suffix in sorted(kinds):
        text = marker.email()
        path = parent / f"control-plain{suffix}"
        path.write_text(text)
        controls.append(Control(core_of(text), "utf-8", str(path)))
    return controls
