-- What changed since a size of the log: replicas tell those who watch at them what was changed at another.
CREATE INDEX consent_by_log_index ON consent (log_index);
