-- Forget alerts and incidents; what entries say of them stays. The functions keep the days of the
-- tables that are left.
DROP TABLE metrics_objective, metrics_remedy, metrics_anomaly, metrics_notification, metrics_receiver, metrics_incidentact,
    metrics_incident, metrics_alertlook, metrics_alert, metrics_alertrule, metrics_agentwork;
DROP TRIGGER metrics_minute_gone ON metrics_minute;
DROP TRIGGER metrics_processminute_gone ON metrics_processminute;
DROP FUNCTION metrics_forget_spans();
DROP TABLE metrics_span, metrics_spandone;
DELETE FROM metrics_past WHERE what = 'counted';
ALTER TABLE metrics_past DROP CONSTRAINT metrics_past_what;
ALTER TABLE metrics_past ADD CONSTRAINT metrics_past_what CHECK (what IN ('append', 'counting', 'stores'));
DO $$
DECLARE
    made text;
    dropped text;
BEGIN
    made := replace(pg_get_functiondef('metrics_make_days(date, date)'::regprocedure), ', ''metrics_gaugeminute''', '');
    dropped := regexp_replace(
        pg_get_functiondef('metrics_drop_days(date)'::regprocedure), ',\s*''public.metrics_gaugeminute''::regclass', ''
    );
    EXECUTE made;
    EXECUTE dropped;
END
$$;
DROP TABLE metrics_gaugeminute;
