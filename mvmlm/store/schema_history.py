"""Numbered migrations of the tables, oldest first. To change the tables, add a function at the end; never edit one."""

from __future__ import annotations

import json
import re

from sqlite_utils import Database, Migrations

from .old_jobs import remove_patient_data

migrations = Migrations("mvmlm")


@migrations()
def m001_readings(db: Database) -> None:
    """Create patients, exams, views, readings, findings, predictions, embeddings, heads, jobs, and who changed what."""
    for statement in _M001.split(";;"):
        db.conn.execute(statement)


@migrations()
def m002_vectors_by_weights(db: Database) -> None:
    """Find all vectors of one set of weights at once, for similar exams and for what to label next."""
    db.conn.execute("ALTER TABLE embeddings ADD COLUMN weights TEXT NOT NULL DEFAULT ''")
    db.conn.execute("CREATE INDEX embeddings_weights ON embeddings (weights, side, exam)")
    db.conn.execute("CREATE INDEX exams_date ON exams (exam_date)")


@migrations()
def m003_informed_readings(db: Database) -> None:
    """Record whether the reader saw the model's answers before signing."""
    db.conn.execute("ALTER TABLE readings ADD COLUMN informed INTEGER NOT NULL DEFAULT 0 CHECK (informed IN (0, 1))")


@migrations()
def m004_plain_names(db: Database) -> None:
    """Rename columns, job kinds and settings: split, kind, message, finetune, import, config, filter."""
    db.conn.execute("ALTER TABLE patients RENAME COLUMN part TO split")
    db.conn.execute("ALTER TABLE readings RENAME COLUMN round TO kind")
    db.conn.execute("ALTER TABLE jobs RENAME COLUMN said TO message")
    for old, new in (("teach", "finetune"), ("keep", "import")):
        db.conn.execute("UPDATE jobs SET kind = ? WHERE kind = ?", [new, old])
    for table, column in (("heads", "record"), ("jobs", "settings")):
        for number, text in db.conn.execute(f"SELECT id, {column} FROM {table}").fetchall():
            renamed = json.dumps(with_plain_names(json.loads(text)))
            db.conn.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", [renamed, number])


@migrations()
def m005_private_jobs(db: Database) -> None:
    """Give jobs an owner and a count of attempts, and remove what jobs say about single files and patients."""
    db.conn.execute("ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT ''")
    db.conn.execute("ALTER TABLE jobs ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0")
    for number, text in db.conn.execute("SELECT id, settings FROM jobs WHERE kind = 'import'").fetchall():
        settings = json.loads(text)
        settings["uploads"] = re.split(r"[/\\]", settings.pop("folder", ""))[-1]
        db.conn.execute("UPDATE jobs SET settings = ? WHERE id = ?", [json.dumps(settings), number])
    remove_patient_data(db.conn)


@migrations()
def m006_identities(db: Database) -> None:
    """Add whose exam it is: keyed hashes of patient ID, issuer, birth date and sex.

    "" means that the files do not say, NULL that it is not known: 0.4.0 stored the hash of the patient ID alone.
    """
    for column in ("patient_hash", "issuer_hash", "birth_date_hash", "sex_hash"):
        db.conn.execute(f"ALTER TABLE exams ADD COLUMN {column} TEXT")
    db.conn.execute("CREATE INDEX exams_patient_hash ON exams (patient_hash)")


@migrations()
def m007_embedding_precision(db: Database) -> None:
    """Record the precision in which each vector was computed ("" where it is not known), and count their changes."""
    db.conn.execute("ALTER TABLE embeddings ADD COLUMN precision TEXT NOT NULL DEFAULT ''")
    db.conn.execute("CREATE TABLE embedding_changes (weights TEXT PRIMARY KEY, changes INTEGER NOT NULL) STRICT")
    for event, row in (("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old")):
        db.conn.execute(
            f"CREATE TRIGGER embeddings_changed_{event.lower()} AFTER {event} ON embeddings BEGIN "
            f"INSERT INTO embedding_changes VALUES ({row}.weights, 1) "
            "ON CONFLICT (weights) DO UPDATE SET changes = changes + 1; END"
        )


@migrations()
def m008_corrected_views(db: Database) -> None:
    """Record who named a view by hand, and the pictures that a reader took out of the standard views."""
    db.conn.execute("ALTER TABLE views ADD COLUMN named_by TEXT NOT NULL DEFAULT ''")
    db.conn.execute(
        "CREATE TABLE extra_views (id INTEGER PRIMARY KEY, exam INTEGER NOT NULL REFERENCES exams, path TEXT NOT NULL, "
        "sha256 TEXT NOT NULL, rows INTEGER NOT NULL CHECK (rows > 0), columns INTEGER NOT NULL CHECK (columns > 0)) "
        "STRICT"
    )


@migrations()
def m009_view_facts(db: Database) -> None:
    """Store beside each view where its facts came from and its marks; {} where an earlier version stored it."""
    db.conn.execute("ALTER TABLE views ADD COLUMN facts TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(facts))")


@migrations()
def m010_spelling_of_ids(db: Database) -> None:
    """Store the patient ID as it is written, as a keyed hash: IDs may differ in capital and small letters only."""
    db.conn.execute("ALTER TABLE exams ADD COLUMN spelling_hash TEXT")
    db.conn.execute("CREATE INDEX exams_spelling_hash ON exams (spelling_hash)")


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


_M001 = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;;
CREATE TABLE patients (
    id INTEGER PRIMARY KEY,
    pseudonym TEXT NOT NULL UNIQUE,
    id_hash TEXT UNIQUE,
    part TEXT NOT NULL CHECK (part IN ('train', 'test'))
) STRICT;;
CREATE TABLE exams (
    id INTEGER PRIMARY KEY,
    patient INTEGER NOT NULL REFERENCES patients,
    name TEXT NOT NULL UNIQUE,
    uid_hash TEXT UNIQUE,
    exam_date TEXT,
    age_years INTEGER,
    vendor TEXT,
    added TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'draft', 'signed')),
    readers TEXT NOT NULL DEFAULT '',
    density TEXT,
    disagreement INTEGER NOT NULL DEFAULT 0,
    score REAL
) STRICT;;
CREATE INDEX exams_patient ON exams (patient);;
CREATE INDEX exams_state ON exams (state, added);;
CREATE INDEX exams_added ON exams (added);;
CREATE INDEX exams_score ON exams (score);;
CREATE INDEX exams_density ON exams (density);;
CREATE TABLE views (
    id INTEGER PRIMARY KEY,
    exam INTEGER NOT NULL REFERENCES exams,
    view TEXT NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    rows INTEGER NOT NULL CHECK (rows > 0),
    columns INTEGER NOT NULL CHECK (columns > 0),
    UNIQUE (exam, view)
) STRICT;;
CREATE TABLE readings (
    id INTEGER PRIMARY KEY,
    exam INTEGER NOT NULL REFERENCES exams,
    reader TEXT NOT NULL CHECK (reader <> ''),
    round TEXT NOT NULL CHECK (round IN ('first', 'after the model', 'consensus')),
    form_version INTEGER NOT NULL,
    birads_edition TEXT NOT NULL,
    started TEXT NOT NULL,
    seconds REAL NOT NULL DEFAULT 0 CHECK (seconds >= 0),
    signed TEXT,
    UNIQUE (exam, reader, round)
) STRICT;;
CREATE TABLE reading_fields (
    reading INTEGER NOT NULL REFERENCES readings,
    side TEXT NOT NULL CHECK (side IN ('R', 'L', '')),
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (reading, side, field)
) STRICT;;
CREATE TABLE findings (
    id INTEGER PRIMARY KEY,
    reading INTEGER NOT NULL REFERENCES readings,
    number INTEGER NOT NULL CHECK (number > 0),
    side TEXT NOT NULL CHECK (side IN ('R', 'L')),
    label TEXT NOT NULL,
    what TEXT,
    UNIQUE (reading, number)
) STRICT;;
CREATE TABLE boxes (
    id INTEGER PRIMARY KEY,
    finding INTEGER NOT NULL REFERENCES findings ON DELETE CASCADE,
    view TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('box', 'point', 'region')),
    points TEXT NOT NULL CHECK (json_valid(points))
) STRICT;;
CREATE INDEX boxes_finding ON boxes (finding);;
CREATE TABLE predictions (
    exam INTEGER NOT NULL REFERENCES exams,
    model TEXT NOT NULL,
    task TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('R', 'L', '')),
    class TEXT NOT NULL,
    by TEXT NOT NULL,
    probability REAL NOT NULL CHECK (probability BETWEEN 0 AND 1),
    at TEXT NOT NULL,
    PRIMARY KEY (exam, model, task, side, class, by)
) STRICT;;
CREATE TABLE embeddings (
    exam INTEGER NOT NULL REFERENCES exams,
    source TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('R', 'L', '')),
    vector BLOB NOT NULL,
    PRIMARY KEY (exam, source, side)
) STRICT;;
CREATE TABLE prompt_sets (name TEXT PRIMARY KEY, prompts TEXT NOT NULL CHECK (json_valid(prompts))) STRICT;;
CREATE TABLE heads (
    id INTEGER PRIMARY KEY,
    task TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    weights TEXT NOT NULL,
    created TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 0 CHECK (active IN (0, 1)),
    record TEXT NOT NULL CHECK (json_valid(record)),
    tensors BLOB NOT NULL
) STRICT;;
CREATE UNIQUE INDEX heads_active ON heads (task, weights) WHERE active;;
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    settings TEXT NOT NULL CHECK (json_valid(settings)),
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    cancel INTEGER NOT NULL DEFAULT 0,
    progress REAL NOT NULL DEFAULT 0,
    said TEXT NOT NULL DEFAULT '',
    log TEXT NOT NULL DEFAULT '',
    result TEXT,
    worker TEXT,
    created TEXT NOT NULL,
    ended TEXT
) STRICT;;
CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    about TEXT NOT NULL,
    before TEXT,
    after TEXT
) STRICT;;
CREATE INDEX history_about ON history (about);;
CREATE TRIGGER history_is_append_only_update BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;;
CREATE TRIGGER history_is_append_only_delete BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;;
CREATE VIRTUAL TABLE exam_words USING fts5 (name, pseudonym, readers, note, vendor, tokenize = 'unicode61')
"""  # noqa: E501

#: every migration that this program knows, oldest first
MIGRATION_NAMES = [migration.name for migration in migrations.pending(Database(memory=True))]
