"""What the process that opens files says of one that it cannot read."""

import pydicom
import pytest

from mvmlm.imaging import decode_worker
from mvmlm.imaging.decode_worker import answer


def fault(error):
    def raises(path):
        raise error

    return raises


@pytest.mark.parametrize("error", [TypeError("x"), AttributeError("x"), NameError("x"), AssertionError("x")], ids=repr)
def test_a_mistake_of_this_program_is_not_called_a_damaged_file(monkeypatch, tmp_path, error):
    monkeypatch.setattr(decode_worker, "read_header", fault(error))
    reply, _ = answer({"request": "header", "path": str(tmp_path / "x.dcm")})
    assert reply["code"] == "program-error"
    assert "error of this program" in reply["unusable"] and "damaged" not in reply["unusable"]
    assert "x.dcm" not in reply["unusable"] and str(tmp_path) not in reply["unusable"]


@pytest.mark.parametrize("error", [ValueError("x"), EOFError("x"), OSError("x"), IndexError("x")], ids=repr)
def test_what_broken_files_raise_is_damage(monkeypatch, tmp_path, error):
    monkeypatch.setattr(decode_worker, "read_header", fault(error))
    assert answer({"request": "header", "path": str(tmp_path / "x.dcm")})[0]["code"] == "damaged"


def test_an_error_inside_a_library_is_damage(monkeypatch, tmp_path):
    monkeypatch.setattr(decode_worker, "read_header", lambda path: pydicom.Dataset().walk(None) or pydicom.dcmread(3))
    assert answer({"request": "header", "path": str(tmp_path / "x.dcm")})[0]["code"] == "damaged"
