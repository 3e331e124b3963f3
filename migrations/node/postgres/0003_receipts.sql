-- The node's database (PostgreSQL): receipts are listed by time (the records' primary key begins with it) and by case.

CREATE INDEX requester_request_case ON requester_request (case_key, hash);
CREATE INDEX requester_record_answered ON requester_record (request, id) WHERE outcome = 'answered';
