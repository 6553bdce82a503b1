"""Numbered migrations of the tables, oldest first. To change the tables, add a function at the end; never edit one."""

from __future__ import annotations

import json
import re

from sqlite_utils import Database, Migrations

from .old_jobs import remove_patient_data
from .old_names import with_plain_names
from .schema_texts import M001, M013

migrations = Migrations("mvmlm")


@migrations()
def m001_readings(db: Database) -> None:
    """Create patients, exams, views, readings, findings, predictions, embeddings, heads, jobs, and who changed what."""
    for statement in M001.split(";;"):
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
    for statement in M013.split(";;"):
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


@migrations()
def m020_accounts(db: Database) -> None:
    """Add the accounts of people who log in: whose name is whose, what they may do, and the hash of their password."""
    db.conn.execute(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, role TEXT NOT NULL "
        "CHECK (role IN ('viewer', 'reader', 'trainer', 'admin')), password TEXT NOT NULL, made TEXT NOT NULL, "
        "closed TEXT) STRICT"
    )


@migrations()
def m021_api_keys(db: Database) -> None:
    """Add the keys of programs that call the app: what each is for, and its hash."""
    db.conn.execute(
        "CREATE TABLE api_keys (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, "
        "hash TEXT NOT NULL UNIQUE, made TEXT NOT NULL, revoked TEXT) STRICT"
    )


def _add_site_versions(db: Database, table: str) -> None:
    db.conn.execute(
        f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, task TEXT NOT NULL, weights TEXT NOT NULL, "
        "head TEXT NOT NULL DEFAULT '', created TEXT NOT NULL, record TEXT NOT NULL CHECK (json_valid(record)), "
        "active INTEGER NOT NULL DEFAULT 0 CHECK (active IN (0, 1))) STRICT"
    )
    db.conn.execute(f"CREATE UNIQUE INDEX {table}_active ON {table} (task, weights) WHERE active = 1")


#: every migration that this program knows, oldest first
MIGRATION_NAMES = [migration.name for migration in migrations.pending(Database(memory=True))]
