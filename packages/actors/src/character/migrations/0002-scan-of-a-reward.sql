-- Which scan a user's character was first earned by, so that its result can say that the character is new. Null: by none, or by
-- one of an earlier version.
ALTER TABLE users.user_characters ADD COLUMN scan_id text;
