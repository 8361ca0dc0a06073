-- Articles. `published_at` has milliseconds, as cursors have, and neither it, the id, the category nor the source ever changes:
-- lists are paged by (published_at, id), and an article that moved would be seen twice or not at all. Ids sort by their bytes,
-- as they do in Redis. A deleted article keeps its row, so that it is not collected again.
CREATE SCHEMA IF NOT EXISTS info;

CREATE TABLE info.news_articles (
  id varchar(64) COLLATE "C" PRIMARY KEY,
  url text NOT NULL CONSTRAINT news_articles_url UNIQUE,
  title text NOT NULL,
  snippet varchar(500) NOT NULL,
  source text NOT NULL,
  source_name text,
  source_icon_url text,
  thumbnail_url text,
  video_url text,
  category text NOT NULL,
  keywords text[] NOT NULL,
  ai_tag text,
  published_at timestamptz(3) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  is_deleted boolean NOT NULL DEFAULT false
);

CREATE INDEX news_articles_newest ON info.news_articles (published_at, id) WHERE NOT is_deleted;
CREATE INDEX news_articles_newest_of ON info.news_articles (category, published_at, id) WHERE NOT is_deleted;
