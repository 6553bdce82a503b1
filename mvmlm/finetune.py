"""Labelled cases -> a new head version, and the answer to "is it better?".

Exams are encoded once; a head learns from their embeddings in seconds. The test part (by patient, kept for good in the store) is
looked at only to compare. The penalty is chosen by cross-validation over patients; the same data and seed give the same head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from .compare import calibration, compared, main_metric, threshold_at
from .decode import Decoder
from .exam import Laterality
from .exchange import counted
from .keeping import open_kept
from .lesson import Count, Lesson
from .model import MVMLM, SIDES, Head
from .objective import task_loss
from .predict import Encoding, Predictor
from .preprocess import NoBreast
from .reading import label_of
from .stage import LastStage, Looks
from .store import KeptHead, KeptReading, Store, StoreError
from .tasks import Kind, Level, Task

FORMAT = "mvmlm-head-1"
PENALTIES = (1e-2, 0.1, 1.0, 10.0, 100.0)  # on the squared change of the weights, per case
FOLDS = 5
FEWEST_CASES, FEWEST_OF_CLASS = 12, 3
MLP_WIDTH = 32
STAGE_ROUNDS, STAGE_BATCH, STAGE_FOLDS, STAGE_LR = 6, 16, 2, 3e-4
Tell = Callable[[float, str], bool]  # share done, what -> whether to stop


class NotEnough(ValueError):
    """The labelled cases cannot teach this; the text says what is missing."""


class Stopped(Exception):
    """Somebody asked the job to stop before there was anything to keep."""


@dataclass(frozen=True)
class Cases:
    """Labelled embeddings. features (n, width) float32; labels (n,) class index or (n, 2) years and event.

    exams, patients: names; facts: of each case, for subgroups; looks: the exams before the last image stage, where a lesson needs them.
    """

    task: Task
    features: np.ndarray
    labels: np.ndarray
    exams: tuple[str, ...]
    sides: tuple[str, ...]
    patients: np.ndarray
    test: np.ndarray
    facts: tuple[dict[str, str], ...]
    looks: Looks | None = None

    def part(self, rows: np.ndarray) -> Cases:
        """The cases where rows (n,) bool."""
        keep = np.flatnonzero(rows)
        picked = {name: tuple(getattr(self, name)[i] for i in keep) for name in ("exams", "sides", "facts")}
        return replace(self, features=self.features[rows], labels=self.labels[rows], patients=self.patients[rows], test=self.test[rows], **picked)


class TaughtHead(nn.Module):
    """Embeddings -> logits: standardised, an optional hidden layer, the task's head, and the calibration of its logits.

    stage: the last image stage that makes its embeddings; None where the weights' own does.
    """

    def __init__(self, task: Task, width: int, depth: str, title: str = "", stage: LastStage | None = None):
        super().__init__()
        self.stage = stage
        self.task, self.depth, self.title = task, depth, title
        self.prevalence: float | None = None  # the share of positives among the cases that taught it
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        hidden = depth == "mlp"
        self.body = nn.Sequential(nn.Linear(width, MLP_WIDTH), nn.GELU()) if hidden else nn.Identity()
        self.head = Head(task, MLP_WIDTH if hidden else width)

    def forward(self, features: Tensor) -> Tensor:
        """(..., width) -> (..., classes) logits; for survival the cumulative logit of each year."""
        return self.head(self.body((features - self.mean) / self.spread)) * self.scale + self.shift

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """(n, width) -> (n, classes)."""
        with torch.inference_mode():
            return probabilities(self.task, self(torch.from_numpy(np.ascontiguousarray(features)))).numpy()

    @torch.no_grad()
    def logits_of(self, cases: Cases, model: MVMLM | None) -> Tensor:
        """(n, classes). model: the whole model, for a head with a stage of its own."""
        if self.stage is None:
            return self(torch.from_numpy(cases.features))
        out = torch.zeros(len(cases.labels), len(self.task.classes))
        for rows in batches_of(cases, 32):
            out[rows] = self(heard(cases, rows, self.stage, model))
        return out


def probabilities(task: Task, logits: Tensor) -> Tensor:
    """(n, classes) logits -> what the pages show."""
    return torch.softmax(logits.float(), -1) if task.kind is Kind.MULTICLASS else torch.sigmoid(logits.float())


# ---------------------------------------------------------------- embeddings, kept in the store


def embed_kept(store: Store, predictor: Predictor, decoder: Decoder, exams: Sequence[int], tell: Tell) -> tuple[dict[int, dict], list[str]]:
    """-> for each exam its embeddings (R, L, None for the exam), and a sentence for each exam that has none.

    Encoded once for the same weights, preprocessing and files; a cached exam costs no image.
    """
    sources = {number: _source(store, predictor, number) for number in exams}
    cached = store.embeddings(sources)
    missing = [number for number in exams if number not in cached]
    problems = []
    for done, number in enumerate(missing):
        if tell(done / max(len(missing), 1), f"encoding exam {done + 1} of {len(missing)}"):
            raise Stopped
        try:
            encoding, _ = predictor.encode(open_kept(store, number, decoder))
        except (NoBreast, StoreError) as error:
            problems.append(str(error))
            continue
        store.keep_embeddings(number, predictor.weights, sources[number], vectors_of(encoding))
    cached |= store.embeddings({number: sources[number] for number in missing})
    return {number: {side: np.frombuffer(v, np.float32) for side, v in own.items()} for number, own in cached.items()}, problems


def vectors_of(encoding: Encoding) -> dict[Laterality | None, list[float]]:
    """What is kept of an encoded exam: one vector a breast that was read, and one for the exam."""
    vectors: dict[Laterality | None, list[float]] = {side: encoding.fused.breasts[0, SIDES.index(side)].tolist() for side in encoding.sides}
    return vectors | {None: encoding.fused.exam[0].tolist()}


def _source(store: Store, predictor: Predictor, number: int) -> str:
    files = [f"{view.name} {view.sha256}" for view in store.views(number)]
    settings = json.dumps(asdict(predictor.record.preprocessing), sort_keys=True)
    return hashlib.sha256("\n".join([predictor.weights, settings, *files]).encode()).hexdigest()


def task_of(store: Store, lesson: Lesson) -> Task:
    """Raises ValueError for a task that is not known."""
    task = next((task for task in store.tasks if task.name == lesson.task), None)
    if task is None:
        raise ValueError(f"task {lesson.task!r}: expected one of {', '.join(task.name for task in store.tasks)}")
    return task


def labelled_exams(store: Store, task: Task, lesson: Lesson) -> dict[int, tuple[KeptReading, dict]]:
    """exam -> the reading that counts and its labels by side, of the exams that the lesson takes."""
    labelled = {}
    for number in store.exam_numbers(lesson.wanted):
        kept = counted(store.readings(number), lesson.reader)
        sides = tuple(Laterality) if task.level is Level.BREAST else (None,)
        date = store.exam(number).exam_date if task.kind is Kind.SURVIVAL else None
        labels = {side: label_of(kept.reading, task, side, date) for side in sides} if kept else {}
        labels = {side: label for side, label in labels.items() if label is not None}
        if labels:
            labelled[number] = (kept, labels)
    return labelled


def count_cases(store: Store, lesson: Lesson) -> Count:
    """What the lesson would learn from, told before it begins. Raises ValueError for a task that is not known."""
    labelled = labelled_exams(store, task_of(store, lesson), lesson)
    cases, patients = {"train": 0, "test": 0}, {"train": set(), "test": set()}
    for number, (_, labels) in labelled.items():
        exam = store.exam(number)
        cases[exam.part] += len(labels)
        patients[exam.part].add(exam.patient)
    return Count(cases["train"], len(patients["train"]), cases["test"], len(patients["test"]))


def collect(store: Store, predictor: Predictor, decoder: Decoder, lesson: Lesson, tell: Tell) -> tuple[Cases, list[str]]:
    """The labelled cases of a lesson, and a sentence for each exam that could not be used."""
    task = task_of(store, lesson)
    labelled = labelled_exams(store, task, lesson)
    vectors, problems = embed_kept(store, predictor, decoder, list(labelled), tell)
    rows = []
    for number, (kept, labels) in labelled.items():
        exam = store.exam(number)
        facts = {"density": kept.reading.said("density") or "", "vendor": exam.vendor or "", "reader": kept.reader}
        facts["age"] = f"{exam.age_years // 10 * 10}–{exam.age_years // 10 * 10 + 9}" if exam.age_years else ""
        for side, label in labels.items():
            if number in vectors and side in vectors[number]:
                rows.append((vectors[number][side], label, exam.name, side.value if side else "", exam.patient, exam.part == "test", facts))
    width = predictor.width(task.level)
    features = np.stack([row[0] for row in rows]) if rows else np.zeros((0, width), np.float32)
    shape = (0, 2) if task.kind is Kind.SURVIVAL else (0,)
    labels = np.array([row[1] for row in rows], np.float32) if rows else np.zeros(shape, np.float32)
    names, sides, patients, test, facts = ([row[i] for row in rows] for i in range(2, 7))
    return Cases(task, features, labels, tuple(names), tuple(sides), np.array(patients), np.array(test, bool), tuple(facts)), problems


def must_suffice(train: Cases) -> None:
    """Raises NotEnough with what is missing, before anything is trained."""
    task, n = train.task, len(train.labels)
    women = len(set(train.patients.tolist()))
    if n < FEWEST_CASES or women < FOLDS:
        what = "breasts" if task.level is Level.BREAST else "exams"
        raise NotEnough(
            f"{task.title}: {n} labelled {what} of {women} patients in the training part; at least {FEWEST_CASES} of {FOLDS} patients are needed. "
            "Sign more readings that answer this question."
        )
    if task.kind is Kind.SURVIVAL:
        events = int(train.labels[:, 1].sum())
        if events < FEWEST_OF_CLASS or events == n:
            raise NotEnough(f"{task.title}: {events} cancers among {n} follow-ups; at least {FEWEST_OF_CLASS} cancers and some women without one are needed.")
        return
    names = ("absent", "present") if task.kind is Kind.BINARY else task.classes
    found = {name: int((train.labels == index).sum()) for index, name in enumerate(names)}
    enough = [name for name, number in found.items() if number >= FEWEST_OF_CLASS]
    if len(enough) < 2:
        said = ", ".join(f"{number} × {name}" for name, number in found.items())
        raise NotEnough(f"{task.title}: the training part has {said}; at least two classes with {FEWEST_OF_CLASS} cases each are needed.")


# ---------------------------------------------------------------- fitting


def fit(
    cases: Cases, depth: str, penalty: float, seed: int, on_loss: Callable[[float], None] = lambda loss: None, start: Head | None = None,
) -> TaughtHead:
    """A head on all of `cases`: full batch, both classes of a binary task weigh the same, an ordered scale is kept in order.

    start: a head of the same task that a linear one starts from and is held near to (L2-SP, Li et al., 2018), so that few cases
    change it little; without one it is held near to zero.
    """
    torch.manual_seed(seed)
    head = TaughtHead(cases.task, cases.features.shape[1], depth)
    features, labels = torch.from_numpy(cases.features), torch.from_numpy(cases.labels)
    head.mean.copy_(features.mean(0))
    head.spread.copy_(features.std(0, correction=0).clamp(min=1e-3))
    weights = [p for name, p in head.named_parameters() if name.endswith("weight")]
    with torch.no_grad():
        head.head.linear.bias.fill_(-3.0 if cases.task.kind is Kind.SURVIVAL else 0.0)
        if depth == "linear":
            head.head.linear.weight.zero_()
    if depth == "linear" and start is not None:
        with torch.no_grad():  # the same answers on standardised features
            head.head.linear.weight.copy_(start.linear.weight * head.spread)
            head.head.linear.bias.copy_(start.linear.bias + start.linear.weight @ head.mean)
    held = [weight.detach().clone() if depth == "linear" else torch.zeros_like(weight) for weight in weights]
    positive_weight = _positive_weight(cases)

    def loss() -> Tensor:
        value = _loss(cases.task, head(features), labels, positive_weight)
        return value + penalty / features.shape[1] * sum(((weight - near) ** 2).sum() for weight, near in zip(weights, held))

    if depth == "linear":
        optimiser = torch.optim.LBFGS(head.parameters(), max_iter=60, line_search_fn="strong_wolfe")

        def closure():
            optimiser.zero_grad()
            value = loss()
            value.backward()
            on_loss(float(value.detach()))
            return value

        optimiser.step(closure)
    else:
        optimiser = torch.optim.Adam(head.parameters(), lr=0.01)
        for _ in range(150):
            optimiser.zero_grad()
            value = loss()
            value.backward()
            optimiser.step()
            on_loss(float(value.detach()))
    return head.eval().requires_grad_(False)


def batches_of(cases: Cases, exams: int, rng: np.random.Generator | None = None) -> list[list[int]]:
    """The cases' rows, in batches of whole exams; in order, or shuffled by `rng`."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(cases.exams):
        rows.setdefault(name, []).append(row)
    names = list(rows) if rng is None else [list(rows)[i] for i in rng.permutation(len(rows))]
    return [[row for name in names[start : start + exams] for row in rows[name]] for start in range(0, len(names), exams)]


def heard(cases: Cases, rows: Sequence[int], stage: LastStage, model: MVMLM) -> Tensor:
    """(rows, width): the embeddings of these cases through `stage`."""
    names = list(dict.fromkeys(cases.exams[row] for row in rows))
    fused = cases.looks.fused(model, stage, [cases.looks.row[name] for name in names])
    place = torch.tensor([names.index(cases.exams[row]) for row in rows])
    if cases.task.level is Level.EXAM:
        return fused.exam[place]
    return fused.breasts[place, torch.tensor([SIDES.index(Laterality(cases.sides[row])) for row in rows])]


def fit_stage(cases: Cases, penalty: float, seed: int, model: MVMLM, on_loss: Callable[[float], None] = lambda loss: None) -> TaughtHead:
    """A linear head, then it and a copy of the last image stage together, over a few rounds of small steps."""
    head = fit(cases, "linear", penalty, seed, start=own_head(model, cases.task))
    near = head.head.linear.weight.detach().clone()
    head.depth, head.stage = "stage", LastStage(model)
    head.requires_grad_(True)
    labels, rng = torch.from_numpy(cases.labels), np.random.default_rng(seed)
    steps = STAGE_ROUNDS * len(batches_of(cases, STAGE_BATCH))
    groups = [{"params": list(head.stage.parameters()), "lr": STAGE_LR}, {"params": list(head.head.parameters()), "lr": 5 * STAGE_LR}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.02)
    cooling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    positive_weight = _positive_weight(cases)
    for _ in range(STAGE_ROUNDS):
        for rows in batches_of(cases, STAGE_BATCH, rng):
            optimiser.zero_grad()
            loss = _loss(cases.task, head(heard(cases, rows, head.stage, model)), labels[rows], positive_weight)
            loss = loss + penalty / cases.features.shape[1] * ((head.head.linear.weight - near) ** 2).sum()
            loss.backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
            cooling.step()
            on_loss(float(loss.detach()))
    return head.eval().requires_grad_(False)


def own_head(model: MVMLM | None, task: Task) -> Head | None:
    """The weights' own head for a task; None where they have none."""
    return model.heads[task.name] if model is not None and task.name in model.heads else None


def _positive_weight(cases: Cases) -> float:
    if cases.task.kind is not Kind.BINARY:
        return 1.0
    positives = float(cases.labels.sum())
    return (len(cases.labels) - positives) / max(positives, 1.0)


def _loss(task: Task, logits: Tensor, labels: Tensor, positive_weight: float) -> Tensor:
    """The task's loss; an ordered scale also pays for the distance between what is expected and what is true."""
    value = task_loss(task, logits, labels, positive_weight)
    if task.kind is Kind.MULTICLASS and task.ordered:
        scale = torch.arange(logits.shape[1], dtype=logits.dtype)
        value = value + 0.5 * ((torch.softmax(logits, -1) @ scale - labels) ** 2).mean()
    return value


def folds_of(cases: Cases, seed: int) -> np.ndarray:
    """(n,) the fold of each case: whole patients, those with the rarer labels spread evenly."""
    rng = np.random.default_rng(seed)
    label = cases.labels[:, 1] if cases.labels.ndim == 2 else cases.labels
    patients = np.unique(cases.patients)
    rank = {p: label[cases.patients == p].max() for p in patients}
    ordered = sorted(rng.permutation(patients).tolist(), key=lambda p: -rank[p])
    fold = {p: index % FOLDS for index, p in enumerate(ordered)}
    return np.array([fold[p] for p in cases.patients])


def calibrate(head: TaughtHead, logits: Tensor, labels: Tensor) -> None:
    """Scale and shift (binary: Platt, 1999) or temperature (else) of a head's logits, from cases that did not teach it."""
    raw = torch.zeros(2, requires_grad=True)
    binary = head.task.kind is Kind.BINARY
    optimiser = torch.optim.LBFGS([raw], max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = task_loss(head.task, logits * raw[0].exp() + (raw[1] if binary else 0), labels) + 1e-3 * (raw**2).sum()
        value.backward()
        return value

    optimiser.step(closure)
    head.scale.copy_(raw[0].detach().exp().clamp(0.01, 20))
    head.shift.copy_(raw[1].detach() if binary else torch.zeros(()))


@dataclass(frozen=True)
class Taught:
    """A new head and everything that is known of it; `record` is plain JSON values."""

    head: TaughtHead
    record: dict


def teach(
    cases: Cases, old: Callable[[Cases], np.ndarray] | None, lesson: Lesson, tell: Tell, curve: Callable[[dict], None] = lambda c: None,
    model: MVMLM | None = None,
) -> Taught:
    """Chooses the penalty, fits, calibrates, and compares with `old` (cases -> probabilities) on the test part.

    curve: told {"penalties", "scores", "losses"} as they come. model: the whole model, whose own head a linear one starts from; the depth
    "stage" takes the linear head's penalty and is calibrated on cases that neither stage nor head learned from. A stop keeps the best so far.
    Raises NotEnough, Stopped.
    """
    train, test = cases.part(~cases.test), cases.part(cases.test)
    must_suffice(train)
    deep, shallow, start = lesson.depth == "stage", "mlp" if lesson.depth == "mlp" else "linear", own_head(model, train.task)
    fold, tried, shown = folds_of(train, lesson.seed), [], {"penalties": [], "scores": [], "losses": []}
    for index, penalty in enumerate(PENALTIES):
        if tell(0.8 * index / len(PENALTIES), f"cross-validation {index + 1} of {len(PENALTIES)}: penalty {penalty:g}"):
            break
        logits = torch.zeros(len(train.labels), len(train.task.classes))
        for number in range(FOLDS):
            own = fold == number
            if own.any():
                logits[own] = fit(train.part(~own), shallow, penalty, lesson.seed, start=start)(torch.from_numpy(train.features[own])).detach()
        shares = probabilities(train.task, logits).numpy()
        loss = float(task_loss(train.task, logits, torch.from_numpy(train.labels)))
        score = main_metric(train.task, train.labels, shares)
        tried.append((-score if np.isfinite(score) else 0.0, loss, penalty, logits))
        shown["penalties"].append(penalty)
        shown["scores"].append(None if np.isnan(score) else score)
        curve(shown)
    if not tried:
        raise Stopped
    _, _, penalty, held_out = min(tried, key=lambda one: one[:3])
    cross_validated = -min(tried, key=lambda one: one[:3])[0]

    def on_loss(loss):
        shown["losses"].append(round(loss, 5))
        if deep:
            curve(shown)

    if deep:
        held_out = torch.zeros_like(held_out)
        for number in range(STAGE_FOLDS):
            own = fold % STAGE_FOLDS == number
            if tell(0.2 + 0.5 * number / STAGE_FOLDS, f"last image stage, without fold {number + 1} of {STAGE_FOLDS}"):
                raise Stopped
            held_out[own] = fit_stage(train.part(~own), penalty, lesson.seed, model).logits_of(train.part(own), model)
        cross_validated = main_metric(train.task, train.labels, probabilities(train.task, held_out).numpy())
    tell(0.85, f"fitting with penalty {penalty:g}")
    head = fit_stage(train, penalty, lesson.seed, model, on_loss) if deep else fit(train, shallow, penalty, lesson.seed, on_loss, start)
    curve(shown)
    raw = probabilities(train.task, held_out).numpy()
    calibrate(head, held_out, torch.from_numpy(train.labels))
    tuned = probabilities(train.task, held_out * head.scale + head.shift).numpy()
    threshold = threshold_at(train.labels, tuned[:, 0], lesson.specificity) if train.task.kind is Kind.BINARY else None
    tell(0.9, "comparing on the test cases")
    new = probabilities(train.task, head.logits_of(test, model)).numpy() if len(test.labels) else np.zeros((0, len(train.task.classes)), np.float32)
    before = old(test) if old is not None and len(test.labels) else None
    comparison = compared(train.task, test.labels, new, before, test.patients, test.facts, threshold, lesson.seed)
    if train.task.kind is Kind.BINARY:
        comparison["calibration"] = {"before": calibration(train.labels, raw[:, 0]), "after": calibration(train.labels, tuned[:, 0])}
    record = {
        "lesson": lesson.plain(), "penalty": penalty, "curve": shown,
        "train_cases": len(train.labels), "train_patients": len(set(train.patients.tolist())),
        "cross_validated": cross_validated, "comparison": comparison, "prevalence": _prevalence(train),
        "snapshot": {part: snapshot(own) for part, own in (("train", train), ("test", test))},
    }  # fmt: skip
    return Taught(head, record)


def _prevalence(train: Cases) -> float | None:
    return float(train.labels.mean()) if train.task.kind is Kind.BINARY else None


def snapshot(cases: Cases) -> list[list[str]]:
    """[exam, side, hash of the label] of every case: what a head was taught, told without telling the labels."""
    return [
        [exam, side, hashlib.sha256(f"{exam} {side} {np.asarray(label).tolist()}".encode()).hexdigest()[:12]]
        for exam, side, label in zip(cases.exams, cases.sides, cases.labels)
    ]


# ---------------------------------------------------------------- head versions


def teach_from_store(store: Store, predictor: Predictor, decoder: Decoder, lesson: Lesson, who: str, tell: Tell, curve=lambda c: None) -> KeptHead:
    """The whole lesson: collect, teach, keep the new head (not yet active). Raises NotEnough, Stopped, StoreError."""
    cases, problems = collect(store, predictor, decoder, lesson, tell)
    model, active = _on_cpu(predictor.model), _on_cpu(predictor.heads.get(lesson.task))
    if lesson.depth == "stage" or predictor.stage(lesson.task) is not None:
        must_suffice(cases.part(~cases.test))
        cases = replace(cases, looks=look_again(store, predictor, decoder, cases, tell))

    def old(test: Cases) -> np.ndarray:
        with torch.inference_mode():
            logits = active.logits_of(test, model) if isinstance(active, TaughtHead) else active(torch.from_numpy(test.features))
            return probabilities(active.task, logits).numpy()

    taught = teach(cases, old if active is not None else None, lesson, tell, curve, model)
    compared_with = predictor.taught.get(lesson.task, f"{predictor.record.name} {predictor.record.version}")
    record = taught.record | {"compared_with": compared_with, "not_used": problems}
    number = len(store.heads()) + 1
    name = lesson.name or f"{lesson.task} {number}"
    kept = store.keep_head(lesson.task, name, predictor.weights, record, write_head(taught.head, predictor.weights, name, record), who)
    return next(head for head in store.heads() if head.id == kept)


def _on_cpu(module: nn.Module | None) -> nn.Module | None:
    """Where heads are taught; a copy, so that what answers meanwhile stays on its device."""
    first = next(module.parameters(), None) if module is not None else None
    return module if first is None or first.device.type == "cpu" else deepcopy(module).cpu()


def look_again(store: Store, predictor: Predictor, decoder: Decoder, cases: Cases, tell: Tell) -> Looks:
    """Every exam of the cases up to its last image stage: the pictures are opened again. Raises Stopped."""

    def encodings():
        names = list(dict.fromkeys(cases.exams))
        for done, name in enumerate(names):
            if tell(0.1 * done / len(names), f"looking at exam {done + 1} of {len(names)}"):
                raise Stopped
            yield name, predictor.encode(open_kept(store, store.exam_named(name).id, decoder))[0]

    return Looks.of(encodings())


def write_head(head: TaughtHead, weights: str, name: str, record: dict) -> bytes:
    """One safetensors file: the tensors, and in its metadata the task, the weights it belongs to, and the record."""
    task = {"name": head.task.name, "title": head.task.title, "level": head.task.level.value, "kind": head.task.kind.value, "classes": head.task.classes}
    about = {"task": task, "weights": weights, "name": name, "depth": head.depth, "record": record}
    tensors = {key: value.detach().cpu().contiguous() for key, value in head.state_dict().items()}
    return save_tensors(tensors, metadata={"format": FORMAT, "head": json.dumps(about)})


def read_head(data: bytes, predictor: Predictor, tasks: Sequence[Task]) -> tuple[TaughtHead, dict]:
    """A head file -> the head and what it says of itself. Raises StoreError where it does not fit these weights and tasks."""
    try:
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        if metadata.get("format") != FORMAT:
            raise ValueError("no head file of this program")
        about, tensors = json.loads(metadata["head"]), load_tensors(data)
        task = next((task for task in tasks if task.name == about["task"]["name"]), None)
        if task is None:
            raise StoreError(f"this head answers {about['task']['name']}, a task that is not known here. Declare the task first.")
        if list(task.classes) != about["task"]["classes"] or task.level.value != about["task"]["level"]:
            raise StoreError(f"this head's {task.name} has other classes or another level than the task here")
        if about["weights"] != predictor.weights:
            raise StoreError("this head was taught on other weights. Load those weights (--weights), or teach it again here.")
        stage = LastStage(predictor.model) if about["depth"] == "stage" else None
        head = TaughtHead(task, len(tensors["mean"]), about["depth"], about["name"], stage)
        head.load_state_dict(tensors)
        head.prevalence = about["record"].get("prevalence")
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StoreError(f"not a head file that can be read ({error})") from error
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise StoreError("this head holds values that are not finite. Get the file again.")
    return head.eval().requires_grad_(False), about


def import_head(store: Store, predictor: Predictor, data: bytes, who: str) -> int:
    """A head file of elsewhere -> a head version here, not active."""
    head, about = read_head(data, predictor, store.tasks)
    return store.keep_head(head.task.name, about["name"], predictor.weights, about["record"] | {"imported": True}, data, who)


def with_active_heads(predictor: Predictor, store: Store) -> Predictor:
    """The predictor, answering with the heads that are active in the store."""
    heads = store.heads(predictor.weights, active=True)
    return predictor.with_heads([read_head(kept.tensors, predictor, store.tasks)[0] for kept in heads], store.tasks)
