-- What an article is found again by under another address or another source's title: hashes that the code makes of both
-- (domain/ArticleKeys). As first stored: neither changes with the title. Rows from before have none and are known by their id
-- and address, as before. Equal titles of one UTC day are one article whatever else is known, so the index may say so; of
-- titles less than a day apart over midnight the statement that saves is the judge.
ALTER TABLE info.news_articles
  ADD COLUMN page_key varchar(32) COLLATE "C" CONSTRAINT news_articles_page UNIQUE,
  ADD COLUMN title_key varchar(32) COLLATE "C",
  ADD COLUMN title_body_key varchar(32) COLLATE "C";

CREATE UNIQUE INDEX news_articles_title ON info.news_articles (title_key, ((published_at AT TIME ZONE 'UTC')::date));
CREATE INDEX news_articles_title_body ON info.news_articles (title_body_key);
