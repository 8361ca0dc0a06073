-- What users say is wrong with an answer: one row a scan, the latest word. For the owner of the service.
CREATE TABLE scan.feedback (
  job_id uuid PRIMARY KEY,
  user_id text NOT NULL,
  given_at timestamptz NOT NULL,
  language text NOT NULL,
  -- what the answer took it for
  major_category text NOT NULL,
  middle_category text NOT NULL,
  minor_category text,
  model text,
  -- what the user says it is: a middle of the recyclables, or another major; null: the user does not know
  category text,
  comment text
);

CREATE INDEX feedback_of_user ON scan.feedback (user_id, given_at);
CREATE INDEX feedback_by_time ON scan.feedback (given_at DESC, job_id DESC);
