"""Marks, nipples and edits as the viewer sends them, changed by somebody."""

from app.read.visit import Visit, place_nipple
from app.viewer.marks import parse_marks

from .case import Malformed, refusal

KIND = "Marks as the viewer sends them"


def exam(bench):
    return bench.fixture("exam_files")[0]


def sound(**change):
    return {"id": "k", "view": "R_CC", "kind": "box", "label": "mass", "points": [[1, 2], [30, 40]]} | change


def case(what, told, *sent, whole=None):
    """Marks sent together. whole: what is sent in place of a list of marks."""

    def tell(bench):
        return refusal(lambda: parse_marks(list(sent) if whole is None else whole, exam(bench)), ValueError)

    return Malformed(KIND, what, told, tell, fixtures=("exam_files",))


def nipple(what, told, point, view="R_CC"):
    def tell(bench):
        visit = Visit(exam=exam(bench), pixel_token="t")
        return refusal(lambda: place_nipple({"exam": "t", "view": view, "point": point}, visit).placed, ValueError)

    return Malformed(KIND, what, told, tell, fixtures=("exam_files",))


CASES = [
    case("marks that are a text", "expected at most 200 marks", whole="marks"),
    case("marks that are nothing", "expected at most 200 marks", whole={}),
    case("a thousand marks", "expected at most 200 marks", *(sound(id=str(number)) for number in range(1000))),
    case("a mark that is a number", "a mark without a view, kind, label and points", 7),
    case("a mark without points", "a mark without a view, kind, label and points", {"id": "k", "view": "R_CC", "kind": "box", "label": "mass"}),
    case("a mark on a view that the exam has not", "a mark has an unknown view or label", sound(view="R_ML")),
    case("a mark on a view that is a list", "a mark without a view, kind, label and points", sound(view=["R_CC"])),
    case("a mark of a label that is none", "a mark has an unknown view or label", sound(label="comet")),
    case("a mark of a kind that is none", "a mark of kind 'spiral': expected box, point, region", sound(kind="spiral")),
    case("a mark of a kind that is a list", "a mark of kind \"['box']\": expected box, point, region", sound(kind=["box"])),
    case("a mark with a coordinate that is no number", "a mark with too few, too many or impossible points", sound(points=[[float("nan"), 2], [3, 4]])),
    case("a mark with an infinite coordinate", "a mark with too few, too many or impossible points", sound(points=[[float("inf"), 2], [3, 4]])),
    case("a mark with a coordinate of 400 digits", "a mark without a view, kind, label and points", sound(points=[[10**400, 2], [3, 4]])),
    case("a mark with a coordinate of words", "a mark without a view, kind, label and points", sound(points=[["left", 2], [3, 4]])),
    case("a box of one point", "a mark with too few, too many or impossible points", sound(points=[[1, 2]])),
    case("a region of a million points", "a mark of kind 'freehand': expected box, point, region", sound(kind="freehand", points=[[1, 2]] * 1_000_000)),
    case("a mark without a key", "a mark without a key of its own", {name: value for name, value in sound().items() if name != "id"}),
    case("a mark with a key of 100,000 letters", "a mark without a key of its own", sound(id="k" * 100_000)),
    case("two marks of one key", "a mark without a key of its own", sound(), sound()),
    nipple("a nipple at a place that is no number", "a mark with too few, too many or impossible points", [float("nan"), 3]),
    nipple("a nipple at a place of 400 digits", "a mark without a view, kind, label and points", [10**400, 3]),
    nipple("a nipple without a place", "a mark without a view, kind, label and points", None),
    nipple("a nipple on a view that the exam has not", "L_XCCL is no view of this exam", [3, 3], "L_XCCL"),
]  # fmt: skip
