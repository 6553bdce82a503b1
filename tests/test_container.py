"""The container file and the compose file: their names, ports and commands. No engine runs them here."""

import re
import shlex

import pytest
import yaml

from app.gate.server import FIRST_PORT
from app.gate.table import find_route
from mvmlm.__main__ import _parser
from scripts.check_space import front_matter
from tests.conftest import ROOT
from tests.test_packaging import EXTRAS

HOSTING = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
STEPS = [line.split(" ", 1) for line in LINES if re.match(r"[A-Z]+ ", line)]


def step(name):
    (found,) = [text for kind, text in STEPS if kind == name]
    return found


def test_the_image_has_the_python_of_the_space_and_is_not_run_as_root():
    assert step("FROM") == f"python:{front_matter(ROOT)['python_version']}-slim"
    assert [kind for kind, _ in STEPS].index("USER") < [kind for kind, _ in STEPS].index("CMD") and step(
        "USER"
    ) != "root"


def test_everything_that_is_copied_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    for kind, text in STEPS:
        if kind == "COPY":
            for name in text.split()[:-1]:
                assert (ROOT / name).exists() and f"!{name}" in ignored, name
    named = re.search(r"\.\[(\w+)\]", " ".join(text for kind, text in STEPS if kind == "RUN"))[1]
    assert named in EXTRAS


def test_the_port_is_that_of_the_app_and_is_open_to_this_machine_only():
    assert step("EXPOSE") == str(FIRST_PORT) and f"GRADIO_SERVER_PORT={FIRST_PORT}" in step("ENV")
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports == [f"127.0.0.1:{FIRST_PORT}:{FIRST_PORT}"]
    path = re.search(rf"http://localhost:{FIRST_PORT}(/\w+)", next(line for line in LINES if "HEALTHCHECK" in line))[1]
    assert find_route("GET", path).route.least is None


def test_every_variable_is_one_that_the_program_reads():
    sources = (*ROOT.glob("app.py"), *(ROOT / "app").rglob("*.py"), *(ROOT / "mvmlm").rglob("*.py"))
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    given = [*re.findall(r"(\w+)=", step("ENV")), *COMPOSE["services"]["app"]["environment"]]
    assert [name for name in given if f'"{name}"' not in code] == []
    assert "MVMLM_MODE=server" in step("ENV")


def test_what_lasts_lies_in_volumes():
    mounted = [v for service in COMPOSE["services"].values() for v in service["volumes"]]
    assert {name.partition(":")[0] for name in mounted} == set(COMPOSE["volumes"])
    assert f"MVMLM_DATA={step('VOLUME')}" in step("ENV")


@pytest.mark.parametrize("line", re.findall(r"^docker compose run --rm app mvmlm (.+)$", HOSTING, re.M))
def test_every_command_of_the_page_is_one_of_the_program(line):
    _parser().parse_args(shlex.split(line))


def test_the_page_names_commands_for_the_containers():
    assert len(re.findall(r"^docker compose run --rm app mvmlm ", HOSTING, re.M)) >= 2
    assert "http://orthanc:8042/dicom-web" in HOSTING and "orthanc" in COMPOSE["services"]
