-- What the planner is to think of `found`: a tree of a million things, of which a name in a folder is one. Without
-- it, a tree is taken for ten rows, and each file that is laid beside a listing reads the whole of it.
ANALYZE found;
DELETE FROM sqlite_stat1 WHERE tbl = 'found';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('found', 'found', '1000000 500000 1'),
    ('found', 'found_name', '1000000 500000 100 2'),
    ('found', 'found_content', '1000000 500000 10 2');
ANALYZE sqlite_schema;
