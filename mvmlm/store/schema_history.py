"""Numbered migrations of the tables, oldest first. To change the tables, add a function at the end; never edit one."""

from __future__ import annotations

import json
import re

from sqlite_utils import Database, Migrations

from .old_jobs import remove_patient_data
from .old_names import with_plain_names

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


@migrations()
def m011_lists_of_exams(db: Database) -> None:
    """Add named lists of exams, in the order in which they are read."""
    db.conn.execute(
        "CREATE TABLE lists (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, made TEXT NOT NULL, who TEXT NOT NULL, "
        "exam_filter TEXT CHECK (exam_filter IS NULL OR json_valid(exam_filter))) STRICT"
    )
    db.conn.execute(
        "CREATE TABLE list_exams (list INTEGER NOT NULL REFERENCES lists, position INTEGER NOT NULL, "
        "exam INTEGER NOT NULL REFERENCES exams, PRIMARY KEY (list, position), UNIQUE (list, exam)) STRICT"
    )


@migrations()
def m012_start_of_jobs(db: Database) -> None:
    """Record when a job began, from which the time that is left is estimated."""
    db.conn.execute("ALTER TABLE jobs ADD COLUMN started TEXT")


@migrations()
def m013_reads(db: Database) -> None:
    """Store the kinds of reads: first, second, arbitration; a changed version beside the read that it amends.

    0.4.0 called every read by one reader alone "first", a later version of it "after the model", and what one reader
    entered for all "consensus". Its signed reads could not change: they are final.
    """
    for table in ("reading_fields", "findings", "boxes"):  # they point at the table that is made anew
        db.conn.execute(f"CREATE TEMP TABLE old_{table} AS SELECT * FROM {table}")
    for table in ("boxes", "findings", "reading_fields"):
        db.conn.execute(f"DELETE FROM {table}")
    for statement in _M013.split(";;"):
        db.conn.execute(statement)
    for table in ("reading_fields", "findings", "boxes"):
        db.conn.execute(f"INSERT INTO {table} SELECT * FROM old_{table}")
        db.conn.execute(f"DROP TABLE old_{table}")
    db.conn.execute("ALTER TABLE findings ADD COLUMN suspicion INTEGER CHECK (suspicion BETWEEN 1 AND 5)")


@migrations()
def m014_sessions(db: Database) -> None:
    """Store reading sessions, and what became of each exam in them."""
    db.conn.execute(
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY, reader TEXT NOT NULL, title TEXT NOT NULL, "
        "scale TEXT NOT NULL, sequence TEXT NOT NULL, seed INTEGER NOT NULL, size INTEGER NOT NULL CHECK (size > 0), "
        "reads INTEGER NOT NULL CHECK (reads IN (1, 2)), arbitration INTEGER NOT NULL CHECK (arbitration IN (0, 1)), "
        "candidates TEXT NOT NULL CHECK (json_valid(candidates)), started TEXT NOT NULL, ended TEXT) STRICT"
    )
    db.conn.execute("CREATE UNIQUE INDEX sessions_open ON sessions (reader) WHERE ended IS NULL")
    db.conn.execute(
        "CREATE TABLE session_exams (session INTEGER NOT NULL REFERENCES sessions, exam INTEGER NOT NULL REFERENCES "
        "exams, position INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', at TEXT NOT NULL, "
        "PRIMARY KEY (session, exam)) STRICT"
    )
    db.conn.execute("CREATE INDEX session_exams_state ON session_exams (exam, state)")


@migrations()
def m015_words_of_final_reads(db: Database) -> None:
    """Search and show on the worklist what final reads say: a second reader sees no draft of another."""
    of_final = "FROM reading_fields f JOIN readings r ON r.id = f.reading WHERE r.final IS NOT NULL"
    db.conn.execute(
        f"UPDATE exams SET density = (SELECT f.value {of_final} AND r.exam = exams.id AND f.field = 'density' "
        "ORDER BY r.started DESC, r.id DESC LIMIT 1)"
    )
    db.conn.execute(
        f"UPDATE exam_words SET note = coalesce((SELECT group_concat(f.value, ' ') {of_final} "
        "AND r.exam = exam_words.rowid AND f.field = 'note'), '')"
    )


@migrations()
def m016_skips(db: Database) -> None:
    """Count how often an exam was skipped in a session, and find the signed reads that are not final at once."""
    db.conn.execute("ALTER TABLE session_exams ADD COLUMN skips INTEGER NOT NULL DEFAULT 0")
    db.conn.execute("CREATE INDEX readings_not_final ON readings (signed) WHERE final IS NULL")


@migrations()
def m017_calibrations(db: Database) -> None:
    """Add calibrations of a model's scores to the site."""
    _add_site_versions(db, "calibrations")


@migrations()
def m018_operating_points(db: Database) -> None:
    """Add thresholds for the scores of a model at the site."""
    _add_site_versions(db, "operating_points")


@migrations()
def m019_watches(db: Database) -> None:
    """Add watches for drift, and whether an exam is unlike known mammograms."""
    _add_site_versions(db, "watches")
    db.conn.execute(
        "CREATE TABLE familiarity (exam INTEGER NOT NULL REFERENCES exams, weights TEXT NOT NULL, "
        "source TEXT NOT NULL, unlike INTEGER NOT NULL CHECK (unlike IN (0, 1)), PRIMARY KEY (exam, weights)) STRICT"
    )


def _add_site_versions(db: Database, table: str) -> None:
    db.conn.execute(
        f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, task TEXT NOT NULL, weights TEXT NOT NULL, "
        "head TEXT NOT NULL DEFAULT '', created TEXT NOT NULL, record TEXT NOT NULL CHECK (json_valid(record)), "
        "active INTEGER NOT NULL DEFAULT 0 CHECK (active IN (0, 1))) STRICT"
    )
    db.conn.execute(f"CREATE UNIQUE INDEX {table}_active ON {table} (task, weights) WHERE active = 1")


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

# The first read of an exam is the one that was signed first; drafts come after signed ones.
_M013 = """
CREATE TEMP TABLE old_kinds AS SELECT id, kind FROM readings;;
CREATE TABLE new_readings (
    id INTEGER PRIMARY KEY,
    exam INTEGER NOT NULL REFERENCES exams,
    reader TEXT NOT NULL CHECK (reader <> ''),
    kind TEXT NOT NULL CHECK (kind IN ('first', 'second', 'arbitration')),
    authors TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(authors)),
    amends INTEGER REFERENCES readings,
    form_version INTEGER NOT NULL,
    birads_edition TEXT NOT NULL,
    started TEXT NOT NULL,
    seconds REAL NOT NULL DEFAULT 0 CHECK (seconds >= 0),
    signed TEXT,
    final TEXT CHECK (final IS NULL OR signed IS NOT NULL),
    informed INTEGER NOT NULL DEFAULT 0 CHECK (informed IN (0, 1)),
    model_shown TEXT
) STRICT;;
INSERT INTO new_readings
    (id, exam, reader, kind, form_version, birads_edition, started, seconds, signed, final, informed)
SELECT id, exam, reader, CASE WHEN kind = 'consensus' THEN 'arbitration' ELSE 'first' END,
    form_version, birads_edition, started, seconds, signed, signed, informed OR kind = 'after the model'
FROM readings;;
DROP TABLE readings;;
ALTER TABLE new_readings RENAME TO readings;;
UPDATE readings SET amends = (
    SELECT before.id FROM readings before JOIN old_kinds k ON k.id = before.id AND k.kind = 'first'
    WHERE before.exam = readings.exam AND before.reader = readings.reader
) WHERE id IN (SELECT id FROM old_kinds WHERE kind = 'after the model');;
UPDATE readings SET kind = 'second' WHERE kind = 'first' AND EXISTS (
    SELECT 1 FROM readings earlier WHERE earlier.exam = readings.exam AND earlier.reader <> readings.reader
    AND earlier.kind = 'first' AND earlier.amends IS NULL
    AND (ifnull(earlier.signed, '9'), earlier.id) < (
        SELECT ifnull(own.signed, '9'), own.id FROM readings own
        WHERE own.exam = readings.exam AND own.reader = readings.reader
        AND own.kind <> 'arbitration' AND own.amends IS NULL
    )
);;
CREATE INDEX readings_exam ON readings (exam);;
CREATE UNIQUE INDEX readings_own ON readings (exam, reader, kind) WHERE amends IS NULL;;
CREATE UNIQUE INDEX readings_versions ON readings (amends) WHERE amends IS NOT NULL;;
CREATE INDEX readings_open ON readings (signed) WHERE signed IS NOT NULL AND final IS NULL;;
DROP TABLE old_kinds
"""

#: every migration that this program knows, oldest first
MIGRATION_NAMES = [migration.name for migration in migrations.pending(Database(memory=True))]
