-- A step of a chart of a month is six hours: one row of each series, and not two of three hours.
ALTER TABLE metrics_span DROP CONSTRAINT metrics_span_minutes;
ALTER TABLE metrics_span ADD CONSTRAINT metrics_span_minutes CHECK (minutes IN (15, 180, 360));
