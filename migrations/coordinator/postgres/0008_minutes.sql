-- Permitted checks of the newest minute in which there were any: what a burst is decided on. Beside the count of the day,
-- so that they are read and written with it. Times of records never run backwards, so one minute is enough.
ALTER TABLE agreement_use ADD COLUMN minute BIGINT NOT NULL DEFAULT 0;      -- UTC, in minutes since 1970-01-01
ALTER TABLE agreement_use ADD COLUMN minute_uses BIGINT NOT NULL DEFAULT 0 CHECK (minute_uses >= 0);
