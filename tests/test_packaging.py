"""The package, its dependencies and its pages: what is declared, pinned and written agrees with the code."""

import ast
import functools
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from email.parser import Parser
from importlib.metadata import packages_distributions

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import mvmlm
from mvmlm.__main__ import main
from mvmlm.exam import STANDARD_VIEWS
from mvmlm.model.config import Preset
from mvmlm.pretraining.start import LITE0_PACKAGE
from scripts import house_tree
from tests.conftest import ROOT
from tests.test_house import FLOORS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BASE = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"])}
EXTRAS = {
    extra: {canonicalize_name(r.name): r for r in map(Requirement, lines)}
    for extra, lines in PROJECT["optional-dependencies"].items()
}
#: Declared because another package imports it, or because its version must fit another one's.
NOT_IMPORTED: set[str] = set()
MARKDOWN = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "assets").glob("*.md"))]


def pins(name: str) -> dict[str, str]:
    """The exact versions of a requirements file, without the files that it includes."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if line and not line.startswith(("#", "-r ")):
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", f"{line}: expected an exact version"
            assert requirement.marker is None, f"{line}: one version for every Python"
            found[canonicalize_name(requirement.name)] = specifier.version
    return found


@functools.cache
def distributions_by_import() -> Mapping[str, list[str]]:
    """import name -> the installed packages that provide it; reading their lists of files takes seconds."""
    return packages_distributions()


@functools.cache
def third_party_imports(package: str, top_level_only: bool = False) -> dict[str, set[str]]:
    """distribution -> the files of `package` that import it."""
    distributions = distributions_by_import()
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body if top_level_only else ast.walk(tree):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            for top in {module.split(".")[0] for module in modules}:
                if top not in sys.stdlib_module_names and top not in ("mvmlm", "app"):
                    assert top in distributions, f"{path.name} imports {top}, which no installed package provides"
                    (distribution, *_) = distributions[top]
                    where = str(path.relative_to(ROOT).as_posix())
                    found.setdefault(canonicalize_name(distribution), set()).add(where)
    return found


def test_version_is_the_newest_heading_of_the_changelog():
    headings = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert mvmlm.__version__ == headings[0]


def test_every_third_party_import_is_declared():
    known = {
        **BASE,
        **EXTRAS["train"],
        **EXTRAS["published"],
        **EXTRAS["engine"],
        **EXTRAS["score"],
        **EXTRAS["fhir"],
        **EXTRAS["pacs"],
        **EXTRAS["ocr"],
    }
    for package in ("mvmlm", "app"):
        for distribution, files in third_party_imports(package).items():
            assert distribution in known, f"{distribution}: imported by {sorted(files)}, not declared in pyproject.toml"


def test_only_pretraining_needs_the_extra_packages_of_train():
    for package in ("mvmlm", "app"):
        for distribution, files in third_party_imports(package, top_level_only=True).items():
            if distribution in EXTRAS["train"]:
                assert all(file.startswith("mvmlm/pretraining/") for file in files), (distribution, files)


def test_weights_that_a_preset_starts_from_are_installed_with_the_packages_of_pretraining():
    assert Preset.load("demo").vision_cfg["pretrained"] == LITE0_PACKAGE and LITE0_PACKAGE in EXTRAS["train"]


def test_every_declared_dependency_is_imported():
    imported = {*third_party_imports("mvmlm"), *third_party_imports("app")}
    assert set(BASE) - imported == NOT_IMPORTED


@pytest.mark.parametrize(
    "file, declared",
    [
        ("requirements.txt", BASE),
        (
            "requirements-dev.txt",
            EXTRAS["train"]
            | EXTRAS["score"]
            | EXTRAS["fhir"]
            | EXTRAS["pacs"]
            | EXTRAS["mcp"]
            | EXTRAS["ocr"]
            | EXTRAS["dev"],
        ),
    ],
    ids=["requirements.txt", "requirements-dev.txt"],
)
def test_pins_name_the_declared_packages_and_lie_inside_their_ranges(file, declared):
    pinned = pins(file)
    assert set(pinned) == set(declared)
    for name, version in pinned.items():
        assert declared[name].specifier.contains(version, prereleases=True), f"{name} {version}"


def test_no_dependency_is_declared_twice():
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        names = [canonicalize_name(Requirement(line).name) for line in lines]
        assert len(names) == len(set(names)), sorted(names)


def test_pinned_pydantic_is_one_that_gradio_mcp_accepts():
    assert SpecifierSet(">=2.11.10,<=2.12.5").contains(pins("requirements.txt")["pydantic"])


def test_front_matter_of_the_space_agrees_with_the_pins():
    front = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert front["sdk"] == "gradio" and front["sdk_version"] == pins("requirements.txt")["gradio"]
    assert SpecifierSet(PROJECT["requires-python"]).contains(front["python_version"])
    assert (ROOT / front["app_file"]).is_file()


def test_every_link_of_a_page_leads_to_a_file():
    broken = []
    for page in MARKDOWN:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_picture_is_shown_by_a_page():
    shown = {
        (page.parent / target).resolve()
        for page in MARKDOWN
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    }
    pictures = [path for kind in ("png", "webp", "svg") for path in (ROOT / "assets").rglob(f"*.{kind}")]
    assert [str(path.relative_to(ROOT)) for path in pictures if path.resolve() not in shown] == []


def test_every_link_to_a_heading_finds_it():
    broken = []
    for page in MARKDOWN:
        for target, heading in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
            other = (page.parent / target if target else page).read_text(encoding="utf-8")
            titles = re.findall(r"^#+ (.+)$", other, re.M)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            if heading not in anchors:
                broken.append(f"{page.relative_to(ROOT)}: {target}#{heading}")
    assert broken == []


def test_every_file_of_the_tree_that_a_page_names_exists():
    missing = []
    for page in MARKDOWN:
        if page.name != "CHANGELOG.md":  # which names files of its time
            for path in re.findall(
                r"\b((?:scripts|tests|mvmlm|app|docs|assets)/[\w/.-]+\w)", page.read_text(encoding="utf-8")
            ):
                if not (ROOT / path).exists() and not (page.parent / path).exists():
                    missing.append(f"{page.relative_to(ROOT)}: {path}")
    assert missing == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what belongs to it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "mvmlm", source / "mvmlm", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "app", source / "app", ignore=shutil.ignore_patterns("__pycache__", "dist", "node_modules"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_the_library_with_weights_and_presets_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        information = f"mvmlm-{mvmlm.__version__}.dist-info"
        metadata = Parser().parsestr(archive.read(f"{information}/METADATA").decode())
        scripts = archive.read(f"{information}/entry_points.txt").decode()
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mvmlm").rglob("*.py")}
    presets = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mvmlm" / "model" / "presets").glob("*.json")}
    data = {"mvmlm/py.typed", "mvmlm/model/bundled/demo.safetensors", "mvmlm/inference/familiarity.safetensors"}
    data |= {"mvmlm/imaging/picture_network.onnx", "mvmlm/imaging/picture_network.json"}
    assert {name for name in names if not name.startswith(information)} == sources | presets | data
    assert f"{information}/licenses/LICENSE" in names
    assert metadata["Version"] == mvmlm.__version__ and metadata["License-Expression"] == "Apache-2.0"
    assert "mvmlm = mvmlm.__main__:main" in scripts
    assert wheel.stat().st_size < 10_000_000


def test_example_of_the_readme_runs_with_the_wheel_from_another_folder(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    exam = "assets/demo_exams/phantom"
    shutil.copytree(ROOT / exam, tmp_path / "elsewhere" / exam)
    example, _ = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n{example}\nimport mvmlm; print(mvmlm.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "elsewhere", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Research use only" in done.stdout and "Malignancy" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(str(tmp_path)), "the library of the wheel answered"


def test_page_of_the_command_line_names_every_command_and_option(capsys):
    page = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")

    def help_of(*arguments):
        with pytest.raises(SystemExit):
            main([*arguments, "--help"])
        return capsys.readouterr().out

    introduction = page.split("\n## ")[0]
    commands = re.findall(r"^    ([\w-]+)", help_of(), re.M)
    assert "predict" in commands
    for command in commands:
        section = re.search(rf"^## {command}$(.*?)(?=^## |\Z)", page, re.M | re.S)
        assert section, f"docs/command_line.md has no section {command}"
        for option in set(re.findall(r"--[a-z][a-z0-9-]+", help_of(command).split("\n\n")[0])) - {"--help"}:
            assert f"`{option}" in introduction + section[1], f"{command}: {option} is not described"


def test_page_of_the_json_names_every_key():
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")

    def keys(value):
        if isinstance(value, dict):
            yield from value
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from keys(inner)

    record = json.loads((ROOT / "tests" / "data" / "v0_4_0" / "predict_phantom.json").read_text(encoding="utf-8"))
    views = {str(name) for name in STANDARD_VIEWS}
    assert {key for key in keys(record) if f"`{key}`" not in page} - views == set()


def test_file_tree_of_the_docs_is_that_of_the_code():
    assert house_tree.PAGE.read_text(encoding="utf-8") == house_tree.page(), "run python scripts/house_tree.py"


def test_table_of_the_wings_names_the_floors_that_are_checked():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [(int(floor), names) for floor, names in re.findall(r"^\| (\d+) \| (.*?) \|", page, re.M)]
    listed = {(name, floor) for floor, names in rows for name in re.findall(r"`(\w+)(?:\.py|/)`", names)}
    assert listed == {(name, number) for number, names in enumerate(FLOORS, 1) for name in names}


def test_message_names_the_packages_of_pretraining_where_they_are_missing(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    arguments = [
        "pretrain",
        "table",
        "--root",
        str(tmp_path),
        "--work",
        str(tmp_path),
        "--out",
        str(tmp_path / "w.safetensors"),
    ]
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("accelerate is not installed. Install the packages of pretraining: ")
