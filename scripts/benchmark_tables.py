"""The tables, the plot and the words of assets/BENCHMARK.md, from the results of `scripts/benchmark_model.py`.

Every sentence on what was found follows from the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from benchmark_labels import PENALTY, QUESTIONS, TUNE_STEPS
from benchmark_results import ALL, FUSED, POOLED, SEED, TUNED, Mean, Results

matplotlib.use("svg")  # no window
from matplotlib import pyplot

START, SINGLE_VIEW, REAL, BOTH = "ImageNet start", "single-view image-text", "MV-MLM", "MV-MLM + phantoms"
PHANTOMS_ALONE, UNINSERTED = "phantoms alone", "no inserted lesions"
PLOT = "benchmark.svg"
#: what the claim of fewer labels is judged by: the reports of the pretraining say nothing of these labels
CLAIMED = [key for key, question in QUESTIONS.items() if question.task == "malignancy"]
MEASURES = {"malignancy": "AUC", "density": "mean AUC of each class against the rest"}
COLOURS = {START: "#767676", SINGLE_VIEW: "#0072b2", REAL: "#d55e00", BOTH: "#009e73"}

HEADER = """# What the method brings, on real women

Research use only. These are not the bundled weights: every row is one pretraining of {steps} steps with {rows} rows of
input, from the same ImageNet tower, with the same learning rates and about as many views in a batch, on women of the
split "train" of the reduced public data sets (film: masses of CBIS-DDSM; digital: RSNA 2022 and CDD-CESM), and on
phantoms where the row names them. **No pretraining saw a label of pathology, cancer or follow-up of a woman or a
phantom.** Women of the split "test" are measured, whom no training saw; those of the split "validation" were not used.

- **{START}**: no pretraining. Fine-tuned, it is the supervised model.
- **{SINGLE_VIEW}**: each view with the report of its breast by CLIP's rule, in one wording, without boxes and without
  the other view; views without a report are not drawn. Masses are set into its breasts as into those of MV-MLM.
- **{REAL}**: this method on women. **{BOTH}**: the same on women and phantoms in one run.

Then some women give their labels: so many as the tables say, {draws}, the same women in every row, the fewer among the
more. What is measured, one breast a case:

{questions}

A *probe* is a logistic regression (C {penalty}) on the standardised mean of the pooled features of a breast's views;
for the ImageNet start, on the mean of the trunk's last two scales, since its further layers are random. *Fine-tuned*
starts from the probe of the pooled features and trains the trunk's last stages with it, {tune_steps} steps in each row.
Values are means over the draws. 95 % intervals resample the women that are measured, and the draws; not the
pretraining, which was done once a row (seed {seed}): differences of a few hundredths between two pretrainings may be
chance. A row that is not here was not measured.

Reports hold density and, on film, the reader's BI-RADS; never an outcome. So every pretraining on women knew density
from reports: there, the numbers tell how much of the reports the features keep, not how few labels are enough. Cancer
is measured over both sites of RSNA together; [WOMEN.md](WOMEN.md) has the bundled weights within each.

Command (goes on where it was stopped): `{command}`
"""


def number(mean: Mean | None) -> str:
    """Return a value with its interval, as a cell of a table."""
    if mean is None:
        return "–"
    low, high = mean.interval
    return f"{mean.value:.2f} ({low:.2f}–{high:.2f})"


def change(mean: Mean) -> str:
    """Return a difference with its sign and interval."""
    low, high = mean.interval
    return f"{mean.value:+.3f} ({low:+.3f} to {high:+.3f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def all_counts(results: Results) -> list[str]:
    """Return the numbers of women of any question, fewest first."""
    return [*dict.fromkeys(count for key in QUESTIONS for count in results.counts(key) if count != ALL), ALL]


def label_table(results: Results) -> str:
    """Return AUC over the number of women who give their labels, for the rows of the first table."""
    counts, rows = all_counts(results), []
    for key, question in QUESTIONS.items():
        for method in (POOLED, TUNED):
            for row in COLOURS:
                means = [results.mean(row, method, key, count) for count in counts]
                if any(means):
                    rows.append([question.title, method, row, *map(number, means)])
    return table(["measured", "labels used by", "start", *(f"{count} women" for count in counts)], rows)


def part_means(results: Results, row: str, method: str = POOLED) -> list[Mean | None]:
    """Return the means of a row in the order of the columns of `part_table`."""
    return [results.mean(row, method, key, count) for key in QUESTIONS for count in results.shown]


def part_table(results: Results, rows: Sequence[str], reference: str) -> str:
    """Return a table of rows with the mean change of their columns from the row `reference`."""
    head = [f"{question.title}, {count}" for question in QUESTIONS.values() for count in results.shown]
    lines = []
    for row in rows:
        means = part_means(results, row)
        difference = mean_change(results, row, reference)
        if any(means):
            lines.append(
                [row, *map(number, means), "" if row == reference else change(difference) if difference else "–"]
            )
    return table(["pretraining", *head, f"mean change from {reference}"], lines)


def mean_change(results: Results, row: str, reference: str, method: str = POOLED) -> Mean | None:
    """Return the mean over all columns of a row less those of another; None where one was not measured."""
    pairs = list(zip(part_means(results, row, method), part_means(results, reference, method), strict=True))
    known = [(own, other) for own, other in pairs if own is not None and other is not None]
    if len(known) < len(pairs):
        return None
    return Mean.of(own.less(other) for own, other in known)


def direction(difference: Mean) -> str:
    """Return "above", "below" or "" for a difference that its interval does not tell from zero."""
    low, high = difference.interval
    return "above" if low > 0 else "below" if high < 0 else ""


def better(results: Results, row: str, key: str, count: str) -> Mean | None:
    """Return the better of probe and fine-tuning, to be hard on what it is compared with."""
    found = [mean for method in (POOLED, TUNED) if (mean := results.mean(row, method, key, count)) is not None]
    return max(found, key=lambda mean: mean.value, default=None)


def verdict(differences: Sequence[Mean]) -> str:
    """Return what the differences at few labels say of the claim that fewer are needed."""
    found = [direction(difference) for difference in differences]
    if "below" in found and "above" in found:
        return "holds for some numbers of labels and fails for others"
    if "below" in found or all(difference.value <= 0 for difference in differences):
        return "does not hold"
    if "above" in found and all(difference.value > 0 for difference in differences):
        return "holds"
    return "is not decided by these numbers"


def claim_of(results: Results, row: str, key: str, rival: str) -> tuple[str, str] | None:
    """Return the verdict on one question and the sentence that tells it; None where it was not measured."""
    few = [count for count in results.counts(key) if count != ALL]
    own = {count: results.mean(row, POOLED, key, count) for count in results.counts(key)}
    other = {count: better(results, rival, key, count) for count in results.counts(key)}
    if not few or None in own.values() or None in other.values():
        return None
    pairs = {count: (own[count], other[count]) for count in few}
    differences = {count: mine.less(theirs) for count, (mine, theirs) in pairs.items() if mine and theirs}
    found = verdict(list(differences.values()))
    at_each = "; ".join(f"{count} women {change(difference)}" for count, difference in differences.items())
    bar = other[ALL]
    assert bar is not None
    enough = next((count for count in few if (mine := own[count]) and mine.value >= bar.value), None)
    reached = f"{enough} women's labels reach" if enough else "no smaller number of labels reaches"
    words = f"the claim **{found}**" if key in CLAIMED else "not counted, since reports told it"
    return found, (
        f"- {QUESTIONS[key].title}, against {rival}: {words}. Difference with the same labels: {at_each}. With "
        f"{row}, {reached} what {rival} reaches with all {results.learned[key]} ({bar.value:.2f})."
    )


def claim_text(results: Results, row: str = REAL) -> str:
    """Return whether the claim of the paper, fewer labels, holds for a row, question by question, and in all."""
    lines, found = [], []
    for rival in (START, SINGLE_VIEW):
        for key in QUESTIONS:
            if claim := claim_of(results, row, key, rival):
                found += [claim[0]] if key in CLAIMED else []
                lines.append(claim[1])
    if not found:
        return "The rows that the claim is about were not measured."
    held, failed = found.count("holds"), found.count("does not hold")
    if held:
        summary = "holds throughout" if held == len(found) else "holds in part"
    else:
        summary = "does not hold" if failed == len(found) else "is not shown"
    return (
        f"The paper says that the method needs fewer labels. **Here this {summary}**: of {len(found)} comparisons it "
        f"holds in {held}, does not in {failed}, and the numbers do not decide {len(found) - held - failed}. Compared "
        f"is the probe of {row} with the better of probe and fine-tuning of the other start, with the same women's "
        "labels, fewer than all. It holds where every difference is above zero and the interval of at least one is "
        "too; it does not where an interval is below zero and none above, or no difference is above zero.\n\n"
    ) + "\n".join(lines)


def part_text(results: Results, rows: Sequence[str], reference: str, words: str) -> str:
    """Return which rows differ from the reference beyond their interval. words: what the rows are."""
    changes = {row: found for row in rows if row != reference and (found := mean_change(results, row, reference))}
    if not changes:
        return "Not measured."
    named = {
        side: ", ".join(row for row, found in changes.items() if direction(found) == side) or "none"
        for side in ("below", "above", "")
    }
    return (
        f"Of the {words}, by the mean over the columns: worse than {reference} beyond the interval: {named['below']}; "
        f"better beyond it: {named['above']}; not told apart: {named['']}."
    )


def fused_text(results: Results) -> str:
    """Return what the probe of the fused breast vector adds to that of the pooled views."""
    parts = []
    for row in (SINGLE_VIEW, REAL, BOTH, "no breast-text"):
        pairs = list(zip(part_means(results, row, FUSED), part_means(results, row, POOLED), strict=True))
        known = [(fused, pooled) for fused, pooled in pairs if fused is not None and pooled is not None]
        if known and len(known) == len(pairs):
            parts.append(f"{row} {change(Mean.of(fused.less(pooled) for fused, pooled in known))}")
    return (
        f"The fused breast vector instead of the pooled views, mean of the columns: {'; '.join(parts)}."
        if parts
        else ""
    )


def draw_plot(results: Results, path: Path) -> None:
    """Write the plot of AUC over the number of women, a panel a question."""
    with matplotlib.rc_context({"svg.hashsalt": "benchmark", "font.size": 9, "svg.fonttype": "none"}):
        figure, panels = pyplot.subplots(1, len(QUESTIONS), figsize=(10.5, 3.6), layout="constrained")
        for panel, (key, question) in zip(panels, QUESTIONS.items(), strict=True):
            counts = results.counts(key)
            women = [results.learned[key] if count == ALL else int(count) for count in counts]
            for place, (row, colour) in enumerate(COLOURS.items()):
                for method, line in ((POOLED, "-"), (TUNED, "--")):
                    means = [(x, mean) for x, c in zip(women, counts) if (mean := results.mean(row, method, key, c))]
                    if not means:
                        continue
                    x = [count * 1.03 ** (place - 1.5) for count, _ in means]  # side by side, so that no bar hides one
                    y = [mean.value for _, mean in means]
                    low, high = zip(*(mean.interval for _, mean in means), strict=True)
                    panel.plot(x, y, line, color=colour, marker="o", markersize=3, label=f"{row}, {method}")
                    if method == POOLED:
                        panel.vlines(x, low, high, color=colour, alpha=0.35, linewidth=1)
            panel.set(title=question.title, xlabel="women who gave their labels", xscale="log")
            panel.set_xticks(women, [str(count) for count in women])
            panel.minorticks_off()
            panel.axhline(0.5, color="#bbbbbb", linewidth=0.8, zorder=0)
        panels[0].set_ylabel("AUC on other women")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def write_benchmark(results: Results, out: Path, command: str, parts: Sequence[str]) -> None:
    """Write the Markdown file and the plot beside it. parts: the rows of the second table, the first is the whole."""
    questions = "\n".join(
        f"- {question.title} ({MEASURES[question.task]}): {len(results.labels[key])} breasts of "
        f"{len(set(results.women[key]))} women; {results.learned[key]} other women have the label to learn from."
        for key, question in QUESTIONS.items()
    )
    seeds = len({cell.rsplit("/", 1)[1] for cell in results.scores})
    draws = "drawn once" if seeds == 1 else f"drawn {seeds} times"
    origins = (PHANTOMS_ALONE, REAL, BOTH, UNINSERTED)
    header = HEADER.format(
        **results.settings, questions=questions, command=command, draws=draws, penalty=PENALTY, tune_steps=TUNE_STEPS,
        seed=SEED, START=START, SINGLE_VIEW=SINGLE_VIEW, REAL=REAL, BOTH=BOTH,
    )  # fmt: skip
    text = [
        header,
        "## 1. Fewer labels?\n",
        f"![AUC over the number of women who gave their labels]({PLOT})\n",
        "Bars: 95 % intervals of the probes.\n",
        claim_text(results) + "\n",
        label_table(results) + "\n",
        "## 2. Each part left out\n",
        part_text(results, parts, parts[0], "pretrainings with a part left out or added") + "\n",
        fused_text(results) + "\n",
        part_table(results, parts, parts[0]) + "\n",
        "## 3. Phantoms and women\n",
        part_text(results, origins, BOTH, "other training sets") + "\n",
        part_table(results, origins, BOTH),
    ]
    draw_plot(results, out.parent / PLOT)
    out.write_text("\n".join(text) + "\n", encoding="utf-8")
