"""HTML of a head's comparison with the head it would replace, and of the list of jobs."""

from __future__ import annotations

from mvmlm.store.records import Job, StoredHead

from ..markup import text


def jobs_table(jobs: list[Job]) -> str:
    """What runs, waits and is done."""
    rows = "".join(
        f"<tr><td>{job.id}</td><td>{text(job.kind)}</td><td>{text(job.state)}</td>"
        f'<td><div class="bar"><i style="width:{100 * job.progress:.0f}%"></i></div>{text(job.message)}</td></tr>'
        for job in jobs
    )
    return (
        f'<table class="findings"><thead><tr><th>job</th><th></th><th>state</th><th></th></tr></thead><tbody>{rows}</tbody></table>'
        if rows
        else '<p class="none">No job yet.</p>'
    )


def interval(triple) -> str:
    """`0.91 (0.85–0.96)`."""
    value, low, high = triple or (None, None, None)
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" ({low:.3f}–{high:.3f})" if low is not None else "")


def verdict_html(head: StoredHead) -> str:
    """New beside old on the same test cases, with intervals and everything that should hold a reader back."""
    record, found = head.record, head.record["comparison"]
    old = text(record.get("compared_with", "the weights’ own head"))
    rows = [
        ("test cases", f"{found['cases']} of {found['patients']} patients", ""),
        (f"{found['metric']}, 95 % interval", interval(found["new"]), interval(found.get("old"))),
    ]
    if found.get("difference"):
        p = found.get("delong_p")
        rows.append(
            (
                "difference",
                interval(found["difference"]),
                f"DeLong p {p:.3f} (takes breasts as independent)" if p is not None else "",
            )
        )
    if point := found.get("operating"):
        counts = ", ".join(f"{number} {name}" for name, number in point["counts"].items())
        shown = [f"{point[key]:.2f}" if point[key] is not None else "–" for key in ("sensitivity", "specificity")]
        rows.append((f"at score {point['threshold']:.2f}", f"sensitivity {shown[0]}, specificity {shown[1]}", counts))
    if "kappa" in found and found["kappa"] is not None:
        rows.append(("kappa (quadratic weights)", f"{found['kappa']:.2f}", ""))
    for group in found["groups"]:
        rows.append(
            (group["group"], *(f"{group[key]:.3f}" if group[key] is not None else "–" for key in ("new", "old")))
        )
    body = "".join(f"<tr><th>{text(a)}</th><td>{text(b)}</td><td>{text(c)}</td></tr>" for a, b, c in rows)
    config = record["config"]
    taught = f"Taught on {record['train_cases']} cases of {record['train_patients']} patients, {config['depth']}, penalty {record['penalty']:g}, seed {config['seed']}; cross-validated {record['cross_validated']:.3f}."
    warned = "".join(
        f'<p class="wrong">{text(said)}</p>' for said in [*found["warnings"], *record.get("not_used", [])[:3]]
    )
    confusion = ""
    if "confusion" in found:
        lines = "".join("<tr>" + "".join(f"<td>{n}</td>" for n in line) + "</tr>" for line in found["confusion"])
        confusion = f'<p>Rows: the reader said; columns: the head says.</p><table class="findings confusion"><tbody>{lines}</tbody></table>'
    now = "answers now" if head.active else "does not answer"
    return (
        f'<div class="verdict"><p><b>{text(found["verdict"])}</b> · {now} · <a href="export/head-{head.id}.safetensors" download>file</a></p>'
        f'<table class="findings"><thead><tr><th></th><th>{text(head.name)}</th><th>{old}</th></tr></thead><tbody>{body}</tbody></table>{confusion}{warned}'
        f'<p class="source">{text(taught)}</p></div>'
    )
