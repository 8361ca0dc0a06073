-- Rows from before the keys of 0002 have none, so they are known by id and address alone. The code fills them in, in batches
-- (store/ArticleKeyFill): after this migration, and before a process first saves. The index holds only such rows.
CREATE INDEX news_articles_unkeyed ON info.news_articles (id) WHERE page_key IS NULL;
