-- Tracing, its sampling and the levels of single loggers can be switched as well.
ALTER TABLE metrics_switch
    DROP CONSTRAINT metrics_switch_name,
    ADD CONSTRAINT metrics_switch_name CHECK (
        name IN ('metrics', 'logging', 'log_level', 'log_levels', 'detail', 'tracing', 'sampling')
    );
