-- Who has had their data erased, and when: what was on its way to the tables then is removed after it has been stored. A row goes
-- after 30 days.
CREATE SCHEMA IF NOT EXISTS users;

CREATE TABLE users.erasures (
  user_id text PRIMARY KEY,
  -- by the clock of Redis
  erased_at timestamptz NOT NULL
);
