"""Files that a user writes by hand: tasks.toml, presets, typed prompts and reports, a pedigree."""

import json

from app.read.prompts import clean_prompts
from mvmlm.custom_tasks import load_or_set_aside, parse_prompts
from mvmlm.exam import Laterality
from mvmlm.messages import read_text
from mvmlm.model.config import PRESETS, Preset
from mvmlm.reading.typed_report import read_typed_report
from mvmlm.site.canrisk_pedigree import PedigreeError, read_pedigree

from .case import Malformed, refusal

TASKS, PRESET, PROMPTS, REPORTS, PEDIGREES = (
    "tasks.toml", "Presets", "Prompts and sets of prompts", "Typed reports", "Pedigrees",
)  # fmt: skip
DEMO = json.loads((PRESETS / "demo.json").read_text(encoding="utf-8"))
LUMP = "[[task]]\nname = 'lump'\nlevel = 'breast'\n"


def tasks(what, told, text):
    """A tasks.toml as the program meets it at its start, which it never keeps from starting."""

    def tell(bench):
        bench.file("tasks.toml", text)
        return " / ".join(load_or_set_aside(bench.folder)[1])

    return Malformed(TASKS, what, told, tell)


def preset(what, told, content):
    def tell(bench):
        data = content if isinstance(content, bytes | str) else json.dumps(content)
        path = bench.file("own.json", data)
        return refusal(lambda: Preset.load(str(path)), ValueError)

    return Malformed(PRESET, what, told, tell)


def part(section, **change):
    return DEMO | {section: DEMO[section] | change}


def prompts(what, told, typed):
    """Prompts as they are typed on the page: what is left out, and the words that the weights do not know."""

    def tell(bench):
        kept, note = clean_prompts(typed)
        joint = bench.fixture("predictor").zero_shot.joint
        unknown = [word for prompt in kept for word in joint.unknown_words(prompt.replace("|", " "))]
        return " / ".join([note, *(f"not known: {word[:40]}" for word in unknown[:3])])

    return Malformed(PROMPTS, what, told, tell, fixtures=("predictor",))


def prompt_file(what, told, data):
    """A file for `mvmlm predict --prompts`."""
    return Malformed(
        PROMPTS, what, told, lambda bench: refusal(lambda: read_text(bench.file("p.txt", data)), ValueError)
    )


def declared(what, told, typed):
    """Prompts of a task that is declared on the page "Fine-tune"."""
    return Malformed(PROMPTS, what, told, lambda bench: refusal(lambda: parse_prompts(typed), ValueError))


def report(what, told, text, chosen=Laterality.RIGHT):
    def tell(bench):
        said = []
        answer = refusal(lambda: said.append(read_typed_report(text, chosen)), ValueError)
        if not said:
            return answer
        assert not said[0].breasts and said[0].density is None, "something was taken"
        return " / ".join(why for _, why in (*said[0].left_out, *said[0].past)) or "nothing is stated"

    return Malformed(REPORTS, what, told, tell)


def pedigree(what, told, text):
    return Malformed(PEDIGREES, what, told, lambda bench: refusal(lambda: read_pedigree(text), PedigreeError))


CASES = [
    tasks("a number of 5,000 digits", "a number has too many digits", "task = " + "9" * 5000),
    tasks("a key of 100,000 parts", "a line with more than 300 points, whose key may have as many parts", "a" + ".a" * 100_000 + " = 1"),
    tasks("a table of 100,000 parts", "a line with more than 300 points, whose key may have as many parts", "[a" + ".a" * 100_000 + "]"),
    tasks("a table within a table 3,000 times", "too deeply nested", "task = " + "{a = " * 3000 + "1" + "}" * 3000),
    tasks("a name of 100,000 letters", "…: expected 2 to 31 small letters, digits or _, a letter first", f"[[task]]\nname = '{'x' * 100_000}'\nlevel = 'breast'\n"),
    tasks("a name that is a date", "name=datetime.date(2026, 1, 1): expected 2 to 31 small letters, digits or _, a letter first", "[[task]]\nname = 2026-01-01\nlevel = 'breast'\n"),
    tasks("a name that is not a number", "name=nan: expected 2 to 31 small letters, digits or _, a letter first", "[[task]]\nname = nan\nlevel = 'breast'\n"),
    tasks("2,000 classes", "…: expected different words, at most 12", LUMP + f"classes = {[str(n) for n in range(2000)]}\n"),
    tasks("a class that is a list", "task lump: classes=[['a'], ['b']]: expected different words, at most 12", LUMP + "classes = [['a'], ['b']]\n"),
    tasks("a level that is a table", "task lump: level={'breast': 1}: expected breast or exam", "[[task]]\nname = 'lump'\nlevel = {breast = 1}\n"),
    tasks("prompts that are a number", "task lump: prompts=7: expected a list of sentences for each class", LUMP + "prompts = 7\n"),
    tasks("a prompt of 100,000 letters", "…: expected a list of sentences for each class", LUMP + f"[task.prompts]\npresent = ['{'x' * 100_000}']\nabsent = ['y']\n"),
    tasks("a key twice", "Cannot overwrite a value (at line 4, column 15)", LUMP + "level = 'exam'\n"),
    tasks("a text that is never closed", "Expected \"'\" (at end of document)", "[[task]]\nname = 'lump"),
    tasks("a null byte", "Found invalid character '\\x00' (at line 2, column 11)", LUMP.replace("lump", "lu\0mp")),
    tasks("bytes of a picture", "not UTF-8 text; save it as UTF-8", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    preset("a preset of no bytes", "own.json: not a JSON file (Expecting value: line 1 column 1 (char 0))", b""),
    preset("a preset nested 100,000 deep", "own.json: nested too deeply", "[" * 100_000),
    preset("a preset that is not UTF-8", "own.json: not a JSON file (not UTF-8 text)", b"\xff\xfe{}"),
    preset("a preset of a width of a billion", "own.json: fusion_cfg.width=1000000000: expected the width of the fusion, a whole number above 0 and at most", part("fusion_cfg", width=10**9)),
    preset("a preset of a billion layers", "own.json: fusion_cfg.layers=1000000000: expected the number of layers, a whole number above 0 and at most 200", part("fusion_cfg", layers=10**9)),
    preset("a preset of an infinite ratio", "own.json: text_cfg.mlp_ratio=inf: expected a number above 0 and at most 64", json.dumps(part("text_cfg", mlp_ratio=1)).replace('"mlp_ratio": 1', '"mlp_ratio": 1e999')),
    preset("a preset of a number of 5,000 digits", "own.json: not a JSON file (a number has too many digits)", json.dumps(DEMO)[:-1] + ', "x": ' + "9" * 5000 + "}"),
    preset("a preset of a picture of a billion rows", "own.json: vision_cfg.image_size=1000000000: expected rows and columns of the input, two whole numbers from 1", part("vision_cfg", image_size=[10**9, 10**9])),
    prompts("a thousand prompts", "Only the first 40 prompts are scored.", "\n".join(f"mass {n}" for n in range(1000))),
    prompts("a prompt of 100,000 letters", "not known: mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm", "m" * 100_000),
    prompts("a pair without words on one side", "A pair needs words on both sides of “|”.", "a mass | "),
    prompts("a prompt of control characters", "not known: \u0000\u0001\u0002", "\x00\x01\x02"),
    prompts("a prompt in letters that no report has", "not known: опухоль", "腫瘤 опухоль"),
    prompts("a prompt of half a surrogate pair", "not known: \ud800", "mass \ud800"),
    prompt_file("a file of prompts that is a picture", "p.txt: not UTF-8 text. Save it as UTF-8.", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    prompt_file("a file of prompts in UTF-16", "p.txt: not UTF-8 text. Save it as UTF-8.", "a mass".encode("utf-16")),
    declared("prompts of a task without a colon", "'present a lump': expected a class, a colon and a sentence", "present a lump"),
    declared("prompts of a task without a sentence", "'present:': expected a class, a colon and a sentence", "present:"),
    report("a report of 2 million letters", "This report has more than 100,000 letters. Take it in parts.", "mass. " * 333_334),
    report("a report of brackets", "is longer than 1000 letters; write it as several sentences", "(" * 5000),
    report("a report of control characters", "not understood", "".join(map(chr, range(1, 32)))),
    report("a report of half surrogate pairs", "not understood", "\ud800\udfff" * 50),
    report("a report of one word of 50,000 letters", "is longer than 1000 letters; write it as several sentences", "m" * 50_000),
    report("a report of a web page", "not understood", "<html><body><h1>404</h1></body></html>"),
    report("a report of the other breast", "The report speaks of the left breast, but “right” is chosen. Nothing was taken.", "Left breast: a mass of 12 mm."),
    pedigree("a pedigree of no bytes", "Line 1 is not “##CanRisk” with a version from 1 to 4. Save the pedigree in CanRisk's format.", ""),
    pedigree("a pedigree of a picture", "Line 1 is not “##CanRisk” with a version from 1 to 4. Save the pedigree in CanRisk's format.", "\x89PNG\r\n\x1a\n"),
    pedigree("a pedigree of 2 million letters", "The file has 2,000,014 letters; a pedigree has at most 200,000.", "##CanRisk 2.0\n" + "x" * 2_000_000),
]  # fmt: skip
