-- 'secret': "hash" is the SHA-256 of the whole key. 'pair': it is the Ed25519 public key itself.
ALTER TABLE api_keys ADD COLUMN kind TEXT NOT NULL DEFAULT 'secret' CHECK (kind IN ('secret', 'pair'));
