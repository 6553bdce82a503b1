"""Published models are fetched from a hub or a release, checked, converted, and refused with a sentence."""

import errno
import hashlib
import io
import os
import socket
import subprocess
import sys
import zipfile

import pytest

from mvmlm.__main__ import main
from mvmlm.phantom.truth import write_phantoms
from mvmlm.published import conversion, download
from mvmlm.published.catalogue import CATALOGUE
from mvmlm.published.download import DownloadError, fetch_model, fetch_repository, model_file
from tests.conftest import ROOT
from tests.published_checkpoints import mammo_clip
from tests.stub_hub import stub_hub

SCREEN, CROP = (file.repository for file in CATALOGUE["mammoscreen"].files)
NAME = "model.safetensors"


@pytest.fixture
def hub(monkeypatch):
    """A hub on this machine that the client asks; conversion only joins what was fetched."""
    from huggingface_hub import constants

    def joined(family, files, out, tokenizer):
        out.write_bytes(b"".join(file.read_bytes() for file in files))

    with stub_hub() as found:
        reached_at(monkeypatch, constants, found.address)
        monkeypatch.setattr(conversion, "convert", joined)
        found.files |= {(SCREEN, NAME): os.urandom(300_000), (CROP, NAME): os.urandom(5_000)}
        yield found


def reached_at(monkeypatch, constants, address):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


def test_a_model_is_fetched_once_checked_and_its_downloads_are_deleted(hub, tmp_path):
    seen = []
    path = fetch_model(tmp_path, "mammoscreen", False, lambda done, whole: seen.append((done, whole)))
    assert path == model_file(tmp_path, "mammoscreen")
    assert path.read_bytes() == hub.files[SCREEN, NAME] + hub.files[CROP, NAME]
    assert (300_000, 300_000) in seen and (5_000, 5_000) in seen
    assert [each.name for each in path.parent.rglob("*") if each.is_file()] == [
        "mammoscreen.safetensors",
        "mammoscreen.lock",
    ]
    asked = len(hub.asked)
    assert fetch_model(tmp_path, "mammoscreen", False) == path and len(hub.asked) == asked


def test_an_interrupted_download_goes_on_where_it_stopped(hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)  # between its attempts
    hub.cut_at = [100_000]
    path = fetch_model(tmp_path, "mammoscreen", False)
    assert path.read_bytes() == hub.files[SCREEN, NAME] + hub.files[CROP, NAME]
    assert hub.asked[:2] == [(NAME, 0), (NAME, 100_000)]


@pytest.mark.parametrize(
    "broken, told",
    [
        (lambda hub: hub.gated.add(SCREEN), "is gated: open the page of .* accept its terms there, then log in"),
        (lambda hub: hub.files.pop((SCREEN, NAME)), "may have been withdrawn"),
        (lambda hub: hub.files.clear(), "may have been withdrawn"),
        (lambda hub: hub.wrong.add(NAME), "not what the hub says it has. It is deleted"),
    ],
    ids=["gated", "no file", "no repository", "wrong file"],
)
def test_a_hub_that_does_not_give_the_file_is_told_with_what_to_do(hub, tmp_path, broken, told):
    broken(hub)
    with pytest.raises(DownloadError, match=told) as refused:
        fetch_model(tmp_path, "mammoscreen", False)
    assert hub.address not in str(refused.value) and str(tmp_path) not in str(refused.value)
    assert not model_file(tmp_path, "mammoscreen").exists()
    hub.wrong.clear(), hub.gated.clear()
    hub.files |= {(SCREEN, NAME): b"whole", (CROP, NAME): b"crop"}
    assert fetch_model(tmp_path, "mammoscreen", False).read_bytes() == b"wholecrop"


def test_what_is_published_is_listed_with_its_terms_and_what_is_not_to_be_had(tmp_path, capsys):
    assert main(["models", "--data", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for model in CATALOGUE.values():
        assert f"{model.name}: {model.title} (not fetched" in said
        assert all(
            text in said for text in (model.answers, model.trained_on, model.figures, model.licence, model.terms)
        )
    assert "MaMA and GLAM (Yale): code is public, weights were withdrawn" in said
    assert main(["models", "get", "mammo-fm", "--data", str(tmp_path)]) == 1
    assert "no hosting or serving to others" in capsys.readouterr().err
    assert main(["models", "check", "mirai", "--data", str(tmp_path)]) == 1
    assert "not on this machine. Fetch it: mvmlm models get mirai" in capsys.readouterr().err


def test_terms_are_accepted_before_anything_is_asked_of_the_hub(hub, tmp_path):
    with pytest.raises(DownloadError, match="Mammo-CLIP B2 has terms.*Non-commercial.*mammo-clip-b2 --accept-terms"):
        fetch_model(tmp_path, "mammo-clip-b2", False)
    assert hub.asked == []


def test_a_hub_that_never_answers_is_told_in_five_seconds(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(download, "FIRST_ANSWER_S", 0.2)
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections, and never answers
    for address in (f"http://127.0.0.1:{silent.getsockname()[1]}", "http://127.0.0.1:9", "http://no.such.host.invalid"):
        reached_at(monkeypatch, constants, address)
        with pytest.raises(
            DownloadError, match="cannot be reached. Check the network. Or fetch mammoscreen/model.safetensors and"
        ):
            fetch_model(tmp_path, "mammoscreen", False)
    silent.close()


def test_a_hub_that_falls_silent_is_told_with_what_has_arrived(hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)  # between its attempts
    hub.cut_at = [100_000, *[100_000] * 20]
    with pytest.raises(DownloadError, match=r"hub sends no more of mammoscreen, of which 0\.1 MB have arrived"):
        fetch_model(tmp_path, "mammoscreen", False)
    hub.cut_at, hub.asked = [], []
    assert fetch_model(tmp_path, "mammoscreen", False).read_bytes() == hub.files[SCREEN, NAME] + hub.files[CROP, NAME]
    assert hub.asked == [(NAME, 100_000), (NAME, 0)], "what has arrived is not fetched again"


def test_a_process_that_is_killed_while_it_fetches_loses_nothing_that_has_arrived(hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    def killed(done, whole):
        if done >= 100_000:
            raise KeyboardInterrupt

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    with pytest.raises(KeyboardInterrupt):
        fetch_model(tmp_path, "mammoscreen", False, killed)
    hub.asked = []
    assert fetch_model(tmp_path, "mammoscreen", False).is_file()
    assert hub.asked[0][1] >= 90_000 and hub.asked[1:] == [(NAME, 0)]


def test_a_full_disk_is_not_taken_for_the_network(hub, tmp_path, monkeypatch):
    def full(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(OSError, match="No space left"):
        fetch_model(tmp_path, "mammoscreen", False)


def test_who_fetches_what_another_process_fetches_is_told_at_once(hub, tmp_path):
    def during(done, whole):
        with pytest.raises(DownloadError, match="is being fetched by another process. Wait until it is there"):
            fetch_model(tmp_path, "mammoscreen", False)
        told.append(done)

    told = []
    assert fetch_model(tmp_path, "mammoscreen", False, during).is_file() and told


def test_a_machine_that_was_set_offline_says_so(tmp_path):
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE forbids to fetch it"):
        fetch_model(tmp_path, "mammoscreen", False)


def test_what_is_not_to_be_had_is_told_before_torch_is_loaded(tmp_path):
    """Loading it takes seconds, and a person hears within five."""
    program = (
        "import sys; from mvmlm.__main__ import main; status = main(sys.argv[1:]); "
        "sys.exit(7 if 'torch' in sys.modules else status)"
    )
    fetched = subprocess.run(
        [sys.executable, "-c", program, "models", "get", "mammoscreen"], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "MVMLM_DATA": str(tmp_path)},
    )  # fmt: skip
    assert fetched.returncode == 1 and "HF_HUB_OFFLINE forbids to fetch it" in fetched.stderr


def test_a_damaged_model_of_the_data_folder_is_to_be_deleted_and_fetched_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MVMLM_DATA", str(tmp_path))
    path = model_file(tmp_path, "mirai")
    path.parent.mkdir()
    path.write_bytes(b"\0" * 1000)
    assert main(["predict", str(ROOT / "assets/demo_exams/phantom"), "--weights", "mirai"]) != 0
    assert "mirai.safetensors in the data folder (models) is damaged. Delete it" in capsys.readouterr().err


def test_a_repository_of_our_own_format_is_fetched_by_its_address(hub, tmp_path):
    hub.files |= {("ann/own", "weights.safetensors"): b"own", ("ann/own", "README.md"): b"x"}
    assert fetch_repository(tmp_path, "ann/own").read_bytes() == b"own"
    hub.files["ann/two", "a.safetensors"] = hub.files["ann/two", "b.safetensors"] = b"x"
    hub.files["ann/elsewhere", f"{tmp_path}/outside/w.safetensors"] = b"any path"
    assert tmp_path / "data" in fetch_repository(tmp_path / "data", "ann/elsewhere").parents
    for repository, told in (
        ("ann/my repo", "cannot be the name of a repository"),
        ("ann/two", "2 .safetensors files where one is expected"), ("ann/none", "may have been withdrawn"),
        (SCREEN, "known here by name. Give --weights mammoscreen"), ("ann", "expected hf:owner/name"),
        ("shawn24/Mammo-CLIP", "mammo-clip-b2 or mammo-clip-b5"),
    ):  # fmt: skip
        with pytest.raises(DownloadError, match=told):
            fetch_repository(tmp_path, repository)


def release(hub, monkeypatch, right=True):
    """Mirai's release on the stub: a zip file, and the sums of what it holds."""
    content = io.BytesIO()
    names = list(CATALOGUE["mirai"].contents)
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(f"snapshots/{name}", os.urandom(200_000))
    hub.files["", "snapshots.zip"] = content.getvalue()
    with zipfile.ZipFile(content) as archive:
        sums = {name: hashlib.sha256(archive.read(f"snapshots/{name}")).hexdigest() for name in names}
    known = sums if right else dict(CATALOGUE["mirai"].contents)
    model = CATALOGUE["mirai"]._replace(archive=f"{hub.address}/snapshots.zip", contents=known)
    monkeypatch.setitem(CATALOGUE, "mirai", model)


def test_a_release_goes_on_where_it_stopped_and_its_content_is_checked(hub, tmp_path, monkeypatch):
    release(hub, monkeypatch)
    hub.cut_at = [150_000]
    with pytest.raises(DownloadError, match=r"no more of Mirai, of which 0\.1 MB have arrived.*it goes on from there"):
        fetch_model(tmp_path, "mirai", False)
    assert fetch_model(tmp_path, "mirai", False).read_bytes() == hub.files["", "snapshots.zip"]
    assert hub.asked == [("snapshots.zip", 0), ("snapshots.zip", 150_000)]


def test_a_release_with_another_content_is_deleted(hub, tmp_path, monkeypatch):
    release(hub, monkeypatch, right=False)
    with pytest.raises(DownloadError, match="not what its authors published. It is deleted"):
        fetch_model(tmp_path, "mirai", False)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    hub.files.clear()
    with pytest.raises(DownloadError, match=r"the release gives no file \(404\)"):
        fetch_model(tmp_path, "mirai", False)


def run(*arguments, **environment):
    """The command line in a process of its own, as a person starts it."""
    settings = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"} | environment
    return subprocess.run(
        [sys.executable, "-m", "mvmlm", *map(str, arguments)], cwd=ROOT, env=settings, capture_output=True, text=True
    )


def test_the_command_line_fetches_a_model_and_answers_with_it(tmp_path, monkeypatch, capsys):
    write_phantoms(tmp_path / "exams", n=1, seed=9, rows=256)
    exam_folder = next(path for path in (tmp_path / "exams").iterdir() if path.is_dir())
    for view in sorted(exam_folder.glob("*.dcm"))[1:]:
        view.unlink()  # one view takes a quarter of the time
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "no", "mass", *(f"w{n}" for n in range(23)))
    mammo_clip(tmp_path / "b2.tar")
    with stub_hub() as hub:
        (checkpoint,), words_file = CATALOGUE["mammo-clip-b2"].files, CATALOGUE["mammo-clip-b2"].tokenizer
        hub.files[checkpoint.repository, checkpoint.name] = (tmp_path / "b2.tar").read_bytes()
        hub.files[words_file.repository, words_file.name] = "\n".join(words).encode()
        places = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "MVMLM_DATA": str(tmp_path / "data")}
        fetched = run("models", "get", "mammo-clip-b2", "--accept-terms", **places)
        assert fetched.returncode == 0, fetched.stderr
    monkeypatch.setenv("MVMLM_DATA", places["MVMLM_DATA"])  # and the hub is gone
    assert main(["predict", str(exam_folder), "--weights", "mammo-clip-b2", "--engine", "torch"]) == 0
    answered = capsys.readouterr().out
    assert answered.startswith("Mammo-CLIP B2 ") and "not answered by this model: Asymmetry" in answered
