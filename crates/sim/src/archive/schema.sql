-- The two tables of the public project in their real shapes: log-only rows know no local files.
CREATE TABLE all_tweets (
    id                    VARCHAR(64)  NOT NULL PRIMARY KEY,
    username              VARCHAR(100) NOT NULL,
    display_name          VARCHAR(200),
    tweet_text            TEXT         NOT NULL,
    tweet_date            DATETIME     NOT NULL,
    tweet_url             VARCHAR(500) NOT NULL,
    media_urls            TEXT,
    local_media           TEXT,
    huggingface_urls      TEXT,
    created_at            DATETIME,
    sensitive             BOOLEAN DEFAULT 0,
    checked_for_event     BOOLEAN DEFAULT 0,
    hydrus_expected_count INTEGER DEFAULT 0,
    hydrus_imported_count INTEGER DEFAULT 0
);
CREATE INDEX ix_all_tweets_username   ON all_tweets (username);
CREATE INDEX ix_all_tweets_tweet_date ON all_tweets (tweet_date);

CREATE TABLE log_only_tweets (
    id               VARCHAR(64)  NOT NULL PRIMARY KEY,
    username         VARCHAR(100) NOT NULL,
    display_name     VARCHAR(200),
    tweet_text       TEXT         NOT NULL,
    tweet_date       DATETIME     NOT NULL,
    tweet_url        VARCHAR(500) NOT NULL,
    media_urls       TEXT,
    huggingface_urls TEXT,
    created_at       DATETIME,
    sensitive        BOOLEAN DEFAULT 0,
    uploaded_to_hf   BOOLEAN DEFAULT 0
);
CREATE INDEX ix_log_only_tweets_username   ON log_only_tweets (username);
CREATE INDEX ix_log_only_tweets_tweet_date ON log_only_tweets (tweet_date);

-- Somebody else's table in the same database.
CREATE TABLE twitter_retry_queue (
    username     VARCHAR(100) NOT NULL PRIMARY KEY,
    payload_json TEXT         NOT NULL,
    updated_at   DATETIME     NOT NULL
);
INSERT INTO twitter_retry_queue VALUES ('hanako_art', '{"tries": 2}', '2025-07-01 01:07:00.000000');
