-- The node's database (SQLite): receipts are listed by who asked, newest first. Null: settled before this was kept.

ALTER TABLE requester_record ADD COLUMN officer_key BLOB CHECK (length(officer_key) = 32); -- keyed hash
CREATE INDEX requester_record_officer ON requester_record (officer_key, id) WHERE outcome = 'answered';
