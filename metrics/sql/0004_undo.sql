-- Forget the switches that came with it; each goes by its default again.
DELETE FROM metrics_switch WHERE name IN ('log_levels', 'tracing', 'sampling');
ALTER TABLE metrics_switch
    DROP CONSTRAINT metrics_switch_name,
    ADD CONSTRAINT metrics_switch_name CHECK (name IN ('metrics', 'logging', 'log_level', 'detail'));
