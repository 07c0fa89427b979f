-- What a verify needs: whose things are, and quick ways from a destination's object to its file and from a content to its objects.

-- People's names as the source gave them at the crawl; NULL where a program did it, or the source does not say.
ALTER TABLE file ADD COLUMN created_by TEXT;
ALTER TABLE file ADD COLUMN modified_by TEXT;

-- The person who changed it last at the destination.
ALTER TABLE found ADD COLUMN changed_by TEXT;

CREATE INDEX file_item ON file (item) WHERE item IS NOT NULL;
CREATE INDEX found_content ON found (tree, size, digests);
