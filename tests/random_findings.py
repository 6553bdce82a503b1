"""Random findings with every field of the lexicon, for tests of writer and parser."""

from mvmlm.report.findings import Finding, Findings
from mvmlm.report.lexicon import ASSESSMENTS, DEPTHS, FEATURES, KIND_FIELDS, KINDS, LEXICON, PLACES

SIZES = (3.5, 8, 8.5, 11, 12, 18, 25, 80, 100)
NODES = {"suspicious lymph node", "lymph node"}


def maybe(rng, values, share=0.6):
    return rng.choice(list(values)) if rng.random() < share else None


def random_finding(rng, kinds, absent=frozenset()):
    """A finding whose fields may hold several words, and other words of another view."""
    kind = rng.choice(kinds)
    words = {name: maybe(rng, LEXICON[name]) for name in KIND_FIELDS[kind]}
    words |= {"place": maybe(rng, PLACES), "depth": maybe(rng, DEPTHS, 0.4)}
    also, either = [], []
    for name, value in words.items():
        for further in (also, either):
            if value and rng.random() < 0.15:
                further += [(name, word) for word in rng.sample(list(LEXICON[name]), rng.choice((1, 1, 2)))]
    return Finding(
        kind, **words, size_mm=maybe(rng, SIZES), clock=maybe(rng, range(1, 13), 0.3), birads=maybe(rng, ASSESSMENTS, 0.3),
        subtlety=maybe(rng, range(1, 6), 0.2), also=tuple(also), either=tuple(either),
        features=tuple(rng.sample([f for f in FEATURES if f not in absent], rng.choice((0, 0, 0, 1, 2)))),
    )  # fmt: skip


def random_findings(rng):
    """Findings of a breast: present (equal ones too), possible, denied flatly and as suspicious, features."""
    absent = frozenset(rng.sample([*KINDS, *FEATURES], rng.choice((0, 1, 2, 3, 5))))
    kinds = [kind for kind in KINDS if kind not in absent]
    present = [random_finding(rng, kinds, absent) for _ in range(rng.choice((0, 1, 1, 2, 3)))] if kinds else []
    if present and rng.random() < 0.3:
        present += [rng.choice(present)] * rng.choice((1, 2))
    possible = [random_finding(rng, kinds) for _ in range(rng.choice((0, 0, 0, 1, 2)))] if kinds else []
    features = tuple(rng.sample([f for f in FEATURES if f not in absent], rng.choice((0, 0, 1, 2))))
    not_suspicious = frozenset(rng.sample([*KINDS, *FEATURES], rng.choice((0, 0, 1, 2))))
    if "suspicious lymph node" in {*features, *(feature for finding in present for feature in finding.features)}:
        not_suspicious -= NODES
    return Findings(
        maybe(rng, "ABCD"), tuple(present), absent, maybe(rng, ASSESSMENTS), tuple(possible), not_suspicious, features
    )
