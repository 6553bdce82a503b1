"""What goes out as files, and what an import of labels tells."""

import errno
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.privacy import COOKIE
from app.uploads import cache_folder
from app.worklist.events import import_labels
from app.worklist.exports import NO_ROOM, export_routes, writers


def test_a_table_of_labels_tells_nobody_whose_exams_are_stored(served, exam_files):
    """A table with the ID of a stored patient and one with an invented ID come out the same, and change nothing."""
    store = served[2]
    number = store.exams.add(*exam_files, "ann", patient_id="1234567", study_id="1.2.3")
    said = []
    for identifier in ("1234567", "7654321", "1.2.3", "9.9.9"):
        table = cache_folder() / "labels.csv"
        table.write_text(f"exam,laterality,mass\n{identifier},R,1\n", encoding="utf-8")
        said.append(import_labels(store, table, "eve").replace(identifier, "ID"))
    assert len(set(said)) == 1 and said[0].startswith("0 readings imported")
    assert store.readings.of_exam(number) == []
    table.write_text(f"exam,laterality,mass\n{store.exams.get(number).name},R,1\n", encoding="utf-8")
    assert import_labels(store, table, "eve").startswith("1 readings imported")


def test_parallel_downloads_are_whole_and_each_its_own_file(served, running):
    running.get("/")
    store = served[2]
    expected = {name: running.get(f"/export/{name}").content for name in writers()}
    names = list(expected) * 20
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda name: running.get(f"/export/{name}"), names))
    assert all(answer.status_code == 200 and answer.content == expected[name] for name, answer in zip(names, answers))
    assert not (store.folder / "exports").exists()


def test_a_download_that_cannot_be_made_is_one_sentence(store, monkeypatch):
    def full(purpose):
        raise OSError(errno.ENOSPC, "No space left on device")

    client = TestClient(Starlette(routes=export_routes(store)), cookies={COOKIE: "ann"})
    with monkeypatch.context() as disk:
        disk.setattr("app.worklist.exports.temporary_folder", full)
        answer = client.get("/export/readings.csv")
    assert (answer.status_code, answer.text) == (507, NO_ROOM)
    store.close()
    answer = client.get("/export/readings.csv")
    assert answer.status_code == 503 and answer.text.endswith(".") and "Traceback" not in answer.text


def test_a_download_that_breaks_off_leaves_no_file(store, tmp_path, monkeypatch):
    folder = tmp_path / "export"
    folder.mkdir()
    monkeypatch.setattr("app.worklist.exports.temporary_folder", lambda purpose: folder)
    (route,) = export_routes(store)
    scope = {
        "type": "http", "method": "GET", "path": "/export/readings.csv", "path_params": {"what": "readings.csv"},
        "headers": [(b"cookie", f"{COOKIE}=ann".encode())], "query_string": b"",
    }  # fmt: skip

    async def send(message):
        raise OSError("gone")

    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(OSError, match="gone"):
        anyio.run(route.app, scope, receive, send)
    assert not folder.exists()
