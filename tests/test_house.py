"""The house: who may know whom, no circles, no long functions and no long files. See CONTRIBUTING.md."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

LONGEST_FUNCTION, LONGEST_FILE = 60, 400
#: the floors of mvmlm, lowest first: a wing may import wings of lower floors only
FLOORS = (
    {"atomic_file", "checksum", "exam", "messages", "patient", "private_log", "tasks", "temporary"},
    {"custom_tasks", "imaging", "report"},
    {"reading", "datasets", "phantom", "model"},
    {"inference", "pretraining", "store"},
    {"exchange", "published", "pacs"},
    {"dicom_objects", "evaluation"},
    {"site"},
    {"finetuning", "loading"},
    {"scoring"},
    {"protocols"},
    {"worker"},
    {"supervisor"},
    {"commands"},
    {"__main__"},
)
FLOOR = {wing: number for number, wings in enumerate(FLOORS) for wing in wings}
#: never imported by these, not even indirectly
FORBIDDEN = {"mvmlm.store": "torch", "mvmlm.imaging": "torch", "mvmlm.reading": "torch", "mvmlm": "gradio"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for folder in ("mvmlm", "app") for path in sorted((ROOT / folder).rglob("*.py"))}
JAVASCRIPT = sorted((ROOT / "app" / "viewer" / "src").glob("*.js"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports_of(module: str, at_run_time: bool = False) -> frozenset[str]:
    """Every module that `module` imports, as `a.b.c`. at_run_time: without those for type checking only."""
    path, found = FILES[module], set()
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    tree = tree_of(path)
    skipped = {
        id(inner) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }  # fmt: skip
    for node in ast.walk(tree):
        if at_run_time and id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            names = {f"{source}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else source for name in names}
    return frozenset(found)


def wing_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "mvmlm"


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Each circle of a graph, by its first closing edge."""
    found, done = [], set()

    def visit(node, path):
        if node in path:
            found.append([*path[path.index(node) :], node])
        elif node not in done:
            for other in sorted(graph.get(node, ())):
                visit(other, [*path, node])
            done.add(node)

    for node in sorted(graph):
        visit(node, [])
    return found


def test_a_wing_imports_lower_wings_only():
    wrong = []
    for module in FILES:
        if not module.startswith("mvmlm."):
            continue
        wing = wing_of(module)
        assert wing in FLOOR, f"{module}: put its wing on a floor"
        for other in imports_of(module):
            if other.startswith("mvmlm.") and wing_of(other) != wing and FLOOR[wing_of(other)] >= FLOOR[wing]:
                wrong.append(f"{module} imports {other}")
    assert wrong == []


def test_the_library_does_not_know_the_app():
    assert [
        module
        for module in FILES
        if module.startswith("mvmlm") and any(i.split(".")[0] == "app" for i in imports_of(module))
    ] == []


def test_the_pages_of_the_app_do_not_know_each_other():
    pages = {f"app.{page}" for page in ("read", "worklist", "finetune")}
    page_of = {module: ".".join(module.split(".")[:2]) for module in FILES}
    assert pages <= set(page_of.values())
    assert [
        f"{module} imports {other}"
        for module in FILES
        if page_of[module] in pages
        for other in imports_of(module)
        if other in FILES and page_of[other] in pages - {page_of[module]}
    ] == []


def test_no_circle_of_imports():
    assert circles({module: {other for other in imports_of(module) if other in FILES} for module in FILES}) == []
    scripts = {
        path.name: set(re.findall(r"""\b(?:from|import)\s*\(?['"]\./([\w.]+)""", path.read_text(encoding="utf-8")))
        for path in JAVASCRIPT
    }
    assert any(scripts.values()) and circles(scripts) == []


@pytest.mark.parametrize("wing, library", FORBIDDEN.items())
def test_a_wing_never_imports_a_heavy_library(wing, library):
    graph = {module: imports_of(module, at_run_time=True) for module in FILES}
    start = [module for module in FILES if module == wing or module.startswith(wing + ".")]
    assert start
    seen, todo = set(start), list(start)
    while todo:
        module = todo.pop()
        for other in graph[module]:
            assert other.split(".")[0] != library, f"{module} imports {library}"
            if other in graph and other not in seen:
                seen.add(other)
                todo.append(other)


def test_no_function_and_no_file_is_long():
    long = []
    for path in [*FILES.values(), ROOT / "app.py", *sorted((ROOT / "scripts").glob("*.py")), *JAVASCRIPT]:
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > LONGEST_FILE:
            long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        if path.suffix == ".py":
            for node in ast.walk(tree_of(path)):
                if (
                    isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                    and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
                ):
                    long.append(f"{path.relative_to(ROOT)}: {node.name} has {node.end_lineno - node.lineno + 1} lines")
    assert long == []


def test_no_module_is_called_after_its_function():
    """`from .evaluate import evaluate` hides the module behind the function."""
    wrong = []
    for module, path in FILES.items():
        names = {node.name for node in tree_of(path).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        if module.split(".")[-1] in names:
            wrong.append(module)
    assert wrong == []


def test_every_wing_says_what_goes_in_and_what_comes_out():
    assert [
        folder for folder in {path.parent for path in FILES.values()} if not (folder / "__init__.py").is_file()
    ] == []
    for module, path in FILES.items():
        if path.name == "__init__.py":
            assert ast.get_docstring(tree_of(path)), f"{module}: no docstring"


def test_every_public_name_has_a_docstring():
    bare = []
    for module, path in FILES.items():
        tree = tree_of(path)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                inner = (
                    [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
                    if isinstance(node, ast.ClassDef)
                    else []
                )
                bare += [f"{module}.{n.name}" for n in (node, *inner) if not ast.get_docstring(n)]
    assert bare == []


def test_every_text_file_is_opened_with_an_encoding():
    """Without one Windows reads and writes text in the code page of the country."""
    bare = []
    for path in [*FILES.values(), *sorted((ROOT / "scripts").glob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))]:
        for node in ast.walk(tree_of(path)):
            name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            method = name and isinstance(node.func, ast.Attribute)
            if name in ("read_text", "write_text") if method else name == "open":
                binary = any(isinstance(a, ast.Constant) and "b" in str(a.value) for a in node.args[1:])
                if not binary and all(keyword.arg != "encoding" for keyword in node.keywords):
                    bare.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    assert bare == []
