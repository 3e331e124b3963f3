-- The node's database (PostgreSQL): who found the facts of a record, and who decided to list. Empty when not stated; the
-- listing body is the holder then.

ALTER TABLE record ADD COLUMN fact_finding_body TEXT NOT NULL DEFAULT '' CHECK (length(fact_finding_body) <= 200);
ALTER TABLE record ADD COLUMN listing_body TEXT NOT NULL DEFAULT '' CHECK (length(listing_body) <= 200);
ALTER TABLE record_history ADD COLUMN fact_finding_body TEXT NOT NULL DEFAULT '';
ALTER TABLE record_history ADD COLUMN listing_body TEXT NOT NULL DEFAULT '';
