-- Characters, who earned which, and what a user is shown of them. Ids are UUIDv5 of what makes a row unique
-- (domain/CharacterId), so that a message that comes twice finds its row. No foreign keys: a character that an operator
-- deletes is still the user's who earned it.
CREATE SCHEMA IF NOT EXISTS character;
CREATE SCHEMA IF NOT EXISTS users;

CREATE TABLE character.characters (
  id uuid PRIMARY KEY,
  code text NOT NULL UNIQUE,
  name text NOT NULL,
  -- the middle category it stands for; null: none
  match_label text,
  type text NOT NULL,
  dialog text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE character.character_ownerships (
  id uuid PRIMARY KEY,
  user_id text NOT NULL,
  character_id uuid NOT NULL,
  character_code text NOT NULL,
  source text NOT NULL,
  status text NOT NULL,
  acquired_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CONSTRAINT character_ownerships_once UNIQUE (user_id, character_code)
);

CREATE TABLE users.user_characters (
  id uuid PRIMARY KEY,
  user_id text NOT NULL,
  character_id uuid NOT NULL,
  code text NOT NULL,
  name text NOT NULL,
  type text NOT NULL,
  dialog text NOT NULL,
  source text NOT NULL,
  status text NOT NULL,
  acquired_at timestamptz NOT NULL,
  -- when name, type and dialog were so: what is older does not overwrite them
  updated_at timestamptz NOT NULL,
  CONSTRAINT user_characters_once UNIQUE (user_id, code)
);
