"""Stored JSON with the keys of 0.4.0 -> with those of today."""

from __future__ import annotations


def with_plain_names(record: dict) -> dict:
    """Return the record of a head or head file, or the settings of a job, with today's keys.

    0.4.0 called the fine-tuning configuration `lesson`, and the exam filter in it `wanted`.
    """
    if "lesson" not in record:
        return record
    config = dict(record["lesson"])
    if "wanted" in config:
        config["exam_filter"] = config.pop("wanted")
    return {"config" if key == "lesson" else key: config if key == "lesson" else value for key, value in record.items()}
