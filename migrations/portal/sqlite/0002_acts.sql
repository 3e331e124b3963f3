-- The journal of who acted for whom at the subject desk (SQLite).

-- `subject_key` is a keyed hash of the subject's code and `sealed` is ciphertext, both under the portal's store key, so that
-- this table alone says of nobody that somebody acted for them. The id is that of the request, which begins with its time.
CREATE TABLE portal_act (
    act_id      TEXT NOT NULL PRIMARY KEY CHECK (length(act_id) = 26),
    subject_key BLOB NOT NULL CHECK (length(subject_key) = 32),
    sealed      BLOB NOT NULL                              -- who, how, what, and how it ended
) WITHOUT ROWID;
CREATE INDEX portal_act_subject ON portal_act (subject_key, act_id);

-- Which store key that is: under another one nothing of the journal would be found again.
CREATE TABLE portal_act_key (
    one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    mark BLOB NOT NULL CHECK (length(mark) = 32)
) WITHOUT ROWID;
