-- What was sealed, what is owed to the sources' owners, what a verify saw.

-- What is kept of a sealing, as core's Sealed saves it; NULL where the bytes were not sealed.
ALTER TABLE file ADD COLUMN sealed TEXT;

-- How many things were ever owed by the job: a number that was settled is never given again.
ALTER TABLE job ADD COLUMN next_owed BIGINT NOT NULL DEFAULT 0;

CREATE TABLE owed (
    job BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    source BIGINT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (job, seq)
) WITHOUT ROWID;

CREATE TABLE look (
    job BIGINT NOT NULL,
    subject TEXT NOT NULL,
    owner TEXT NOT NULL,
    section TEXT NOT NULL,
    answer SMALLINT NOT NULL,
    finding TEXT,
    detail TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (job, subject)
) WITHOUT ROWID;
-- Findings are few among looks: a page of them must not read the looks between.
CREATE INDEX look_finding ON look (job, subject) WHERE finding IS NOT NULL;
