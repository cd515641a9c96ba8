-- What the browser called itself when the session was opened, so that a person recognises their sessions. Gone with the row.
ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
