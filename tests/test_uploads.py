"""Uploads: whose they are, what is taken of them, and how many may wait."""

import os
import re
import time

import anyio
import gradio as gr
import pytest

from app.gate import event_body
from app.gate.table import page_events
from app.privacy import COOKIE
from app.uploads import (
    NOT_WAITING,
    UPLOADS_WAIT,
    Uploads,
    cache_folder,
    delete_forgotten,
    new_upload_folder,
    path_of_upload,
    take_uploads,
    waiting_bytes,
)
from tests.visitors import event, file_of, join, uploaded


def test_an_upload_is_answered_without_a_path_of_the_server_and_is_its_visitors_only(served, visitors):
    ann, bob = visitors
    (name,) = uploaded(ann, ("a.dcm", b"anns"))
    assert re.fullmatch(r"[0-9a-f]{64}/a\.dcm", name)
    sent = event(served, "ExamEvents.upload", [[file_of(name) | {"url": "http://evil.com/x", "is_stream": True}], None])
    owner = ann.cookies[COOKIE]
    passed = event_body.checked_event(sent, page_events(served[1]), str, lambda name: path_of_upload(name, owner))
    assert passed["data"][0] == [file_of(str(cache_folder() / name))], "no address and no stream is passed on"
    assert join(bob, event(served, "ExamEvents.upload", [[file_of(name)], None])).json()["detail"] == NOT_WAITING


def test_an_event_takes_nothing_but_a_regular_file_of_its_visitor(served, visitors):
    ann, bob = visitors
    (anns,), (bobs,) = uploaded(ann, ("a.dcm", b"anns")), uploaded(bob, ("b.dcm", b"bobs"))
    cache = cache_folder()
    link = new_upload_folder(ann.cookies[COOKIE])
    (link / "link").symlink_to(cache / bobs)
    os.mkfifo(link / "pipe")
    folder, name = anns.split("/")
    wrong = [
        "", ".", "/", str(cache), str(cache / folder), folder, f"{folder}/", f"{folder}/.", f"{folder}/..", bobs,
        str(cache / bobs), f"{folder}/../{bobs}", f"{link.name}/link", f"{link.name}/pipe", "/etc/passwd", f"{anns}\0",
        f"x/{anns}", f"{folder.upper()}/{name}", "http://127.0.0.1/x", f"{folder}//{name}", "a" * 5000,
    ]  # fmt: skip
    for path in wrong:
        for data in ([file_of(path)], [file_of(anns), file_of(path)], {"a": [file_of(path)]}, file_of(path)):
            answer = join(ann, event(served, "ExamEvents.upload", [data, None]))
            assert answer.status_code == 403 and answer.json()["detail"] == NOT_WAITING, path
    assert (cache / anns).is_file() and (cache / bobs).is_file()


@pytest.mark.parametrize("where", ["data", "event_data"])
def test_a_file_is_checked_in_any_input_of_any_event_and_however_it_is_written(served, visitors, where):
    for value in (file_of("/etc/passwd"), {"path": "/etc/passwd"}, {"path": 7, "meta": {}}, {"meta": {"_type": "x"}}):
        body = event(served, "WorklistEvents.compare_readers", [None, None])
        body |= {"data": [{"deep": [value]}, None]} if where == "data" else {"event_data": {"deep": [value]}}
        assert join(visitors[0], body).status_code in (400, 403)


def test_each_handler_of_uploads_checks_for_itself(served, monkeypatch):
    ann, bob = "ann", "bob"
    folder = new_upload_folder(ann)
    (folder / "a.dcm").write_text("anns", encoding="utf-8")
    for paths in ([str(folder)], [str(cache_folder())], ["/etc/passwd"], [str(folder / "a.dcm"), str(folder)]):
        with pytest.raises(gr.Error, match="Choose them again"):
            take_uploads(paths, ann)
    for owner in (bob, ""):
        with pytest.raises(gr.Error, match="Choose them again"):
            take_uploads([str(folder / "a.dcm")], owner)
    taken = take_uploads([str(folder / "a.dcm")], ann)
    assert [path.name for path in taken.iterdir()] == ["a.dcm"] and not folder.exists()
    with pytest.raises(gr.Error, match="Choose them again"):
        take_uploads([str(folder / "a.dcm")], ann)


def test_equal_files_of_two_visitors_and_of_one_folder_stay_apart(served, visitors):
    ann, bob = visitors
    names = uploaded(ann, ("IM1", b"same"), ("IM1", b"same")) + uploaded(bob, ("IM1", b"same"))
    assert len(set(names)) == 3
    taken = take_uploads([str(cache_folder() / name) for name in names[:2]], ann.cookies[COOKIE])
    assert sorted(path.name for path in taken.iterdir()) == ["1 IM1", "IM1"]
    assert (cache_folder() / names[2]).read_bytes() == b"same"


@pytest.mark.parametrize("name", ["../../x.dcm", "/etc/x.dcm", "..", ".", "a/b\\c.dcm", "x" * 500, "\n", "é 中.dcm"])
def test_the_name_of_an_upload_leaves_its_folder_never(visitors, name):
    answer = visitors[0].post("/gradio_api/upload", files={"files": (name, b"x")})
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        (kept,) = answer.json()
        assert kept.count("/") == 1 and (cache_folder() / kept).is_file()
        assert kept.endswith(name[-3:]) or "." not in name, "the end tells the kind of the file"


def test_an_upload_that_breaks_off_or_is_no_form_leaves_nothing(served, visitors):
    before = sorted(os.listdir(cache_folder()))
    form = {"content-type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.dcm"\r\n\r\n'
    for headers, content in (
        (form, part + b"half of it"), (form, b"nonsense"), (form, b""), ({"content-type": "text/plain"}, b"x"),
        ({"content-type": "multipart/form-data"}, part), (form, part.replace(b"; filename=\"a.dcm\"", b"") + b"text\r\n--x--"),
        (form, part.replace(b'name="files"; ', b"") + b"x\r\n--x--\r\n"), ({}, b"x"),
    ):  # fmt: skip
        assert visitors[0].post("/gradio_api/upload", content=content, headers=headers).status_code in (200, 400)
    assert sorted(os.listdir(cache_folder())) == before


def test_text_in_a_form_of_files_is_not_collected_in_memory(visitors, monkeypatch):
    from gradio.route_utils import GradioMultiPartParser

    collected = []
    monkeypatch.setattr(GradioMultiPartParser, "on_part_data", lambda *_: collected.append(1))
    answer = visitors[0].post("/gradio_api/upload", data={"text": "x" * 100_000}, files={"files": ("a.dcm", b"x")})
    assert answer.status_code == 400 and collected == []


def test_uploads_that_nobody_takes_are_deleted(served, visitors):
    (name,) = uploaded(visitors[0], ("a.dcm", b"x"))
    fresh, old = cache_folder() / name, new_upload_folder("ann")
    (old / "b.dcm").write_text("x", encoding="utf-8")
    beside = cache_folder() / "tmpabcd1234"
    beside.touch()
    for path in (old, beside):
        os.utime(path, (time.time() - 601,) * 2)
    delete_forgotten()
    assert fresh.is_file() and not old.exists() and not beside.exists()


def test_uploads_are_bounded_for_each_visitor_and_in_all(served, visitors, monkeypatch):
    ann, bob = visitors
    uploaded(ann, ("a.dcm", b"x" * 1000))
    monkeypatch.setattr("app.uploads.WAITING_BYTES", 999)
    refused = ann.post("/gradio_api/upload", files={"files": ("b.dcm", b"x")})
    assert refused.status_code == 429 and "Try again" in refused.text
    uploaded(bob, ("b.dcm", b"x"))
    assert waiting_bytes(ann.cookies[COOKIE]) >= 1000 > waiting_bytes(bob.cookies[COOKIE])
    monkeypatch.setattr("app.uploads.WAITING_BYTES_IN_ALL", 999)
    assert bob.post("/gradio_api/upload", files={"files": ("b.dcm", b"x")}).status_code == 429
    monkeypatch.setattr("app.gate.middleware.MOST_UPLOAD_BYTES", 100)
    too_large = bob.post("/gradio_api/upload", files={"files": ("b.dcm", b"x" * 200)})
    assert too_large.status_code in (413, 429)


def test_an_upload_waits_for_those_of_others_and_not_for_ever(monkeypatch):
    monkeypatch.setattr("app.uploads.AT_ONCE_IN_ALL", 1)
    uploads, ended = Uploads(), []

    async def upload(owner, seconds):
        async with uploads._turn(owner):
            await anyio.sleep(seconds)
            ended.append(owner)

    async def at_once(seconds):
        async with anyio.create_task_group() as group:
            for owner in ("ann", "bob", "cid"):
                group.start_soon(upload, owner, seconds)

    anyio.run(at_once, 0.01)
    assert sorted(ended) == ["ann", "bob", "cid"] and uploads._running.total() == 0
    monkeypatch.setattr("app.uploads.TURN_SECONDS", 0.05)
    with pytest.raises(ExceptionGroup) as refused:
        anyio.run(at_once, 5)
    assert UPLOADS_WAIT in str(refused.value.exceptions) or "429" in str(refused.value.exceptions)
    assert uploads._running.total() == 0, "who was refused, and who was interrupted, does not count any more"


def test_a_large_upload_is_given_up_at_its_bound(served, visitors, monkeypatch):
    monkeypatch.setattr("app.gate.middleware.MOST_UPLOAD_BYTES", 100)
    before = sorted(os.listdir(cache_folder()))
    answer = visitors[0].post("/gradio_api/upload", files={"files": ("b.dcm", b"x" * 200)})
    assert answer.status_code == 413 and "2 GB" in answer.text
    assert sorted(os.listdir(cache_folder())) == before
