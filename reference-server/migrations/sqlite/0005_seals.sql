-- Who writes to the database from outside is noticed: every account has a key of its own, wrapped by a root key that is
-- not in here, and a version that rises with every change of its rows; what belongs to whom is sealed.
ALTER TABLE accounts ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN seal BLOB NOT NULL DEFAULT x''; -- its passkeys and their versions
ALTER TABLE passkeys ADD COLUMN version INTEGER NOT NULL DEFAULT 0; -- the account's when the row was written
ALTER TABLE api_keys ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN seal BLOB NOT NULL DEFAULT x''; -- signature of the whole row

-- Without its key nothing of an account opens: erasing an account deletes it.
CREATE TABLE account_keys (
    account_id BLOB PRIMARY KEY NOT NULL REFERENCES accounts (account_id),
    app_id     BLOB NOT NULL REFERENCES apps (app_id),
    wrapped    BLOB NOT NULL -- id of the root key, then the key
) STRICT, WITHOUT ROWID;

-- `index`: the root of the keyed indexes, wrapped. `roll`: signature of which rows there are, at which version.
CREATE TABLE seals (
    name   TEXT PRIMARY KEY NOT NULL,
    sealed BLOB NOT NULL -- id of the root key, then the value
) STRICT, WITHOUT ROWID;
