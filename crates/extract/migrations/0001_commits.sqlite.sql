-- Which object is which commit of a table whose store has no conditional writes.
CREATE TABLE table_commits (
    table_name TEXT NOT NULL,
    number BIGINT NOT NULL,
    object_key TEXT NOT NULL,
    PRIMARY KEY (table_name, number)
);
