-- SQLite alone needs to be told; here joins go by index whatever is known of the tables.
SELECT 1;
