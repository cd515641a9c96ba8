-- Where each app's log begins: the position before the oldest entry that is kept, and how much is kept.
ALTER TABLE apps ADD COLUMN log_start_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE apps ADD COLUMN log_start_hash BLOB; -- chain hash at log_start_seq; NULL for 0
ALTER TABLE apps ADD COLUMN retention_ms INTEGER; -- NULL: the server's default
ALTER TABLE apps ADD COLUMN retention_events INTEGER; -- NULL: the server's default

-- Positions that the server keeps for workers.
CREATE TABLE consumers (
    app_id     BLOB NOT NULL REFERENCES apps (app_id),
    name       TEXT NOT NULL,
    lanes      INTEGER NOT NULL, -- 1 to 64
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (app_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE consumer_lanes (
    app_id   BLOB NOT NULL,
    name     TEXT NOT NULL,
    lane     INTEGER NOT NULL, -- from 0
    lease    INTEGER NOT NULL, -- number of the present ownership; only rises
    position TEXT, -- event id; everything up to it is handled; NULL: nothing yet
    PRIMARY KEY (app_id, name, lane),
    FOREIGN KEY (app_id, name) REFERENCES consumers (app_id, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
