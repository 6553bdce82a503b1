"""The search for what is left of a patient finds it, in whatever it is packed."""

import base64
import gzip
import io
import zipfile
import zlib

import pytest

from tests.canaries import Canaries


@pytest.mark.parametrize(
    "packed", ["plain", "UTF-16", "base64", "gzip", "zip", "zip name", "zip comment", "zlib", "date"]
)
def test_a_leak_is_found(tmp_path, packed):
    canaries = Canaries()
    word, day = canaries.word("planted"), canaries.day("a planted day")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr(word if packed == "zip name" else "name", word if packed == "zip" else "text")
        members.comment = word.encode() if packed == "zip comment" else b""
    leak = {
        "plain": word.lower().encode(), "UTF-16": f"a{word}".encode("utf-16-be"), "gzip": gzip.compress(word.encode()),
        "base64": base64.b64encode(f"x{word}".encode()), "zlib": b"12" + zlib.compress(word.encode()),
        "date": f"{day[6:]}.{day[4:6]}.{day[:4]}".encode(),
    }.get(packed, archive.getvalue())  # fmt: skip
    (tmp_path / "file").write_bytes(b"before " * (not packed.startswith(("gzip", "zip"))) + leak)
    assert len(canaries.left_in(tmp_path)["file"]) == 1
    (tmp_path / "file").rename(tmp_path / word)
    assert "planted" in canaries.left_in(tmp_path)[word]
