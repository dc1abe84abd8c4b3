-- SQLite stores texts as they are.
SELECT 1;
