-- What an API key may be used for: a JSON array of words. Keys from before could read the stream and nothing else.

ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT '["events:read"]';

CREATE INDEX api_keys_of_app ON api_keys (app_id);
