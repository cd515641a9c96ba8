-- Identifiers are the 16 bytes behind their prefix; times are milliseconds since 1970; sealed columns are AES-256-GCM.

CREATE TABLE apps (
    app_id     BLOB PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    rp_id      TEXT NOT NULL,
    origins    TEXT NOT NULL, -- JSON array
    policy     TEXT NOT NULL, -- strict | recoverable
    epoch      TEXT NOT NULL, -- lineage of the app's log
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    key_id     TEXT PRIMARY KEY NOT NULL,
    app_id     BLOB NOT NULL REFERENCES apps (app_id),
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL, -- SHA-256 of the whole key
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    account_id   BLOB PRIMARY KEY NOT NULL,
    app_id       BLOB NOT NULL REFERENCES apps (app_id),
    email_index  BLOB NOT NULL, -- keyed: says nothing without the root key
    email_sealed BLOB NOT NULL,
    created_ms   INTEGER NOT NULL,
    UNIQUE (app_id, email_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE passkeys (
    passkey_id       BLOB PRIMARY KEY NOT NULL,
    app_id           BLOB NOT NULL REFERENCES apps (app_id),
    account_id       BLOB NOT NULL REFERENCES accounts (account_id),
    credential_index BLOB NOT NULL, -- keyed
    sealed           BLOB NOT NULL, -- credential id, public key, counter, flags
    created_ms       INTEGER NOT NULL,
    UNIQUE (app_id, credential_index)
) STRICT, WITHOUT ROWID;

CREATE INDEX passkeys_of_account ON passkeys (account_id);

CREATE TABLE sessions (
    session_id  BLOB PRIMARY KEY NOT NULL, -- sorts by time
    app_id      BLOB NOT NULL REFERENCES apps (app_id),
    account_id  BLOB NOT NULL REFERENCES accounts (account_id),
    passkey_id  BLOB NOT NULL REFERENCES passkeys (passkey_id),
    origin      TEXT NOT NULL,
    session_key BLOB NOT NULL, -- x and y, 64 bytes
    started_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    idle_ms     INTEGER NOT NULL,
    grace_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    app_id  BLOB NOT NULL REFERENCES apps (app_id),
    seq     INTEGER NOT NULL, -- from 1, without holes
    time_ms INTEGER NOT NULL,
    type    TEXT NOT NULL,
    data    TEXT NOT NULL, -- the very bytes that are chained and sent
    hash    BLOB NOT NULL, -- of this entry and everything before it
    PRIMARY KEY (app_id, seq)
) STRICT, WITHOUT ROWID;
