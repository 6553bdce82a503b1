"""The SQL of the two longest migrations, which never changes: one statement after the other, divided by `;;`."""

M001 = """
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
M013 = """
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
