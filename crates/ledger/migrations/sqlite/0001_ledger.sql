-- The ledger, first version. Numbers of files and folders hold their job above bit 32.
-- Moments are microseconds since 1970 UTC; booleans are 0 and 1; words are numbers of the table word.

CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    identity TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    next_file BIGINT NOT NULL,
    next_folder BIGINT NOT NULL,
    holder TEXT NOT NULL,
    opened BIGINT NOT NULL
);

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    job BIGINT NOT NULL,
    command TEXT NOT NULL,
    started BIGINT NOT NULL,
    ended BIGINT,
    resumed SMALLINT NOT NULL,
    summary TEXT NOT NULL
);
CREATE INDEX run_job ON run (job, id);

CREATE TABLE source (
    id INTEGER PRIMARY KEY,
    job BIGINT NOT NULL,
    label TEXT NOT NULL,
    identity TEXT NOT NULL,
    root BIGINT NOT NULL,
    cursor TEXT,
    pass BIGINT NOT NULL,
    whole SMALLINT NOT NULL,
    complete SMALLINT NOT NULL,
    UNIQUE (job, label)
);

CREATE TABLE folder (
    id INTEGER PRIMARY KEY,
    source BIGINT NOT NULL,
    key TEXT NOT NULL,
    parent BIGINT,
    name TEXT,
    path TEXT,
    path_fold BIGINT,
    created BIGINT,
    modified BIGINT,
    child_count BIGINT,
    standing SMALLINT NOT NULL,
    target TEXT,
    target_hash BIGINT NOT NULL,
    dest_item TEXT,
    timed SMALLINT NOT NULL,
    seen BIGINT NOT NULL,
    UNIQUE (source, key)
);
CREATE INDEX folder_path ON folder (source, path);
CREATE INDEX folder_parent ON folder (parent);
CREATE INDEX folder_path_fold ON folder (path_fold);
CREATE INDEX folder_target ON folder (target_hash) WHERE standing = 1;

CREATE TABLE file (
    id INTEGER PRIMARY KEY,
    source BIGINT NOT NULL,
    folder BIGINT NOT NULL,
    standing SMALLINT NOT NULL,
    skip SMALLINT,
    state SMALLINT NOT NULL,
    reason SMALLINT,
    proven SMALLINT,
    leg SMALLINT,
    via SMALLINT,
    attempts BIGINT NOT NULL,
    last SMALLINT NOT NULL,
    intended SMALLINT NOT NULL,
    size BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    name_fold BIGINT NOT NULL,
    fold BIGINT,
    target BIGINT NOT NULL,
    not_before BIGINT,
    changed_at BIGINT NOT NULL,
    unchanged_at BIGINT,
    hash_at BIGINT,
    bytes_at BIGINT,
    created BIGINT,
    modified BIGINT,
    ours_size BIGINT,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    revision TEXT,
    dest_name TEXT,
    comment TEXT,
    digests BLOB,
    ours BLOB,
    item TEXT,
    item_revision TEXT,
    item_size BIGINT,
    item_digests BLOB,
    UNIQUE (source, key)
);
CREATE INDEX file_name ON file (folder, name_fold);
CREATE INDEX file_target ON file (target) WHERE standing = 1;
CREATE INDEX file_open ON file (id) WHERE standing = 1 AND state <> 3;
CREATE INDEX file_unsettled ON file (id) WHERE standing = 0;
-- Holds all that a tally adds up, so that one of a million files reads 30 MB and not 600.
CREATE INDEX file_tally ON file (source, standing, state, skip, reason, proven, leg, via, size);

CREATE TABLE moved (folder INTEGER PRIMARY KEY, before TEXT, after TEXT);

CREATE TABLE event (
    job BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    file BIGINT NOT NULL,
    name SMALLINT NOT NULL,
    before SMALLINT NOT NULL,
    after SMALLINT NOT NULL,
    reason SMALLINT,
    comment TEXT,
    at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (job, seq)
) WITHOUT ROWID;

CREATE TABLE tree (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    cursor TEXT,
    pass BIGINT NOT NULL,
    whole SMALLINT NOT NULL,
    complete SMALLINT NOT NULL
);

CREATE TABLE found (
    tree BIGINT NOT NULL,
    item TEXT NOT NULL,
    parent TEXT NOT NULL,
    fold BIGINT NOT NULL,
    name TEXT NOT NULL,
    folder SMALLINT NOT NULL,
    size BIGINT NOT NULL,
    digests BLOB,
    revision TEXT,
    created BIGINT,
    modified BIGINT,
    seen BIGINT NOT NULL,
    PRIMARY KEY (tree, item)
) WITHOUT ROWID;
CREATE INDEX found_name ON found (tree, parent, fold);

CREATE TABLE memo (
    job BIGINT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    sealed SMALLINT NOT NULL,
    body BLOB NOT NULL,
    expires BIGINT,
    PRIMARY KEY (job, kind, key)
) WITHOUT ROWID;
