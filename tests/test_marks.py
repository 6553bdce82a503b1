"""`docs/marks.md` lists every code of a mark, a question or a reason, and no other; and every key of a question."""

import ast
import re

from mvmlm.imaging.exam_changes import SAME_WOMAN
from mvmlm.imaging.file_header import MARKS
from mvmlm.imaging.file_signature import _OTHERS
from mvmlm.imaging.orientation import TURNS
from mvmlm.imaging.own_outputs import CODE
from mvmlm.imaging.picture_checks import HEAD, NEGATIVE
from mvmlm.imaging.picture_kind import KINDS, TAKEN
from mvmlm.imaging.view_conflicts import VIEW_CHOICES
from tests.conftest import ROOT

#: position of the code among the arguments of what carries one
CODE_ARGUMENT = {"FileMark": 0, "Question": 0, "SetAside": 2, "Unusable": 1, "Unreadable": 1, "_left_out": 2}
CODE_NAME = re.compile(r"[a-z]+(?:-[a-z]+)*")
PAGE = (ROOT / "docs" / "marks.md").read_text(encoding="utf-8")


def literals(tree: ast.AST):
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def codes_in(tree: ast.AST):
    """Every code that is written out where a mark, a question or a reason is made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            position = CODE_ARGUMENT.get(name)
            given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            given += [] if position is None else node.args[position : position + 1]
            for argument in given:
                yield from literals(argument)
        elif isinstance(node, ast.FunctionDef):  # the default of a parameter `code`
            parameters, defaults = [*node.args.posonlyargs, *node.args.args], node.args.defaults
            for parameter, default in zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True):
                yield from literals(default) if parameter.arg == "code" else ()
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    yield from literals(value)
        elif isinstance(node, ast.Tuple) and len(node.elts) in (2, 3):  # (code, sentence), (fact, sources, code)
            ends = (node.elts[0], node.elts[-1])
            yield from (
                e.value for e in ends if isinstance(e, ast.Constant) and re.fullmatch(r"[a-z]+-[a-z-]+", str(e.value))
            )


def all_codes():
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "mvmlm" / "imaging").glob("*.py")]
    found = {code for tree in trees for code in codes_in(tree) if CODE_NAME.fullmatch(code)}
    found -= {"code", "cranio-caudal", "medio-lateral oblique"}  # a key, and meanings of DICOM codes
    return found | set(KINDS) | set(TAKEN) | {code for _, _, code, _ in _OTHERS} | {CODE, MARKS}


def listed(heading: str) -> set[str]:
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE))


def test_every_code_is_in_the_table_and_every_line_of_the_table_is_a_code():
    documented = listed("Marks") | listed("Questions") | listed("Files that are not used")
    assert all_codes() == documented


def test_every_key_of_a_question_and_its_answers_are_on_the_page():
    for key, choices in (
        ("view", VIEW_CHOICES),
        ("standard", ("yes", "no")),
        ("turn", TURNS),
        (HEAD, ("up", "down")),
        (NEGATIVE, ("yes", "no")),
        (SAME_WOMAN, ("yes", "no")),
    ):
        line = next(
            line for line in PAGE.splitlines() if line.startswith(f"| `{key}`") and "`" + next(iter(choices)) in line
        )
        assert all(f"`{choice}`" in line for choice in choices), key
