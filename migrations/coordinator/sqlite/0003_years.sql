-- Where each year of the log begins: the year (UTC) of a record's time, and the index of the first record with it. The
-- log is one and never begins anew; this is how it is read and exported a year at a time. Years and indexes rise
-- together. Append-only.
CREATE TABLE log_years (
    year        INTEGER PRIMARY KEY CHECK (year BETWEEN 1970 AND 9999),
    first_index BIGINT  NOT NULL UNIQUE CHECK (first_index >= 0)
);

-- The years of the records that are there already; of a year that came back after a later one, none.
INSERT INTO log_years (year, first_index)
WITH begun AS (
    SELECT CAST(substr(text, instr(text, char(10) || 'time ') + 6, 4) AS INTEGER) AS year, MIN(idx) AS first_index
    FROM (SELECT idx, CAST(record AS TEXT) AS text FROM log_entry) AS entry
    WHERE instr(text, char(10) || 'time ') > 0
    GROUP BY 1
)
SELECT year, first_index FROM begun
WHERE year BETWEEN 1970 AND 9999
  AND NOT EXISTS (
    SELECT 1 FROM begun AS later WHERE later.year > begun.year AND later.first_index < begun.first_index
  );
