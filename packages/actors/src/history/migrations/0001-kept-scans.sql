-- Finished scans of users, kept longer than their jobs in Redis: when, what, the answer, the character. No photo, no question.
CREATE SCHEMA IF NOT EXISTS scan;

CREATE TABLE scan.kept_scans (
  job_id uuid PRIMARY KEY,
  user_id text NOT NULL,
  -- of the submit, by the clock of Redis
  created_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL,
  language text NOT NULL,
  major_category text NOT NULL,
  middle_category text NOT NULL,
  minor_category text,
  user_answer text NOT NULL,
  -- the name of the character that it earned
  character text,
  simulated boolean NOT NULL
);

CREATE INDEX kept_scans_of_user ON scan.kept_scans (user_id, created_at DESC, job_id DESC);
CREATE INDEX kept_scans_by_age ON scan.kept_scans (created_at);
