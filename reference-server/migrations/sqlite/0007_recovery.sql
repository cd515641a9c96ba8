-- How long a recovery waits in milliseconds; NULL: the app recovers accounts by another passkey only.
ALTER TABLE apps ADD COLUMN recovery_hold_ms INTEGER;
-- The keyed hash of the recovery code and how far a recovery has come, sealed by the account's key; x'': neither.
ALTER TABLE accounts ADD COLUMN recovery BLOB NOT NULL DEFAULT x'';
-- 1 while a recovery runs, so that it is found after a restart. The account's seal covers it.
ALTER TABLE accounts ADD COLUMN recovery_runs INTEGER NOT NULL DEFAULT 0;
