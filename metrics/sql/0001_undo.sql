-- Forget what was counted. Entries stay, and so does what they say of it.
DROP TABLE metrics_budget, metrics_price, metrics_custommetric, metrics_switch, metrics_page, metrics_past, metrics_fact, metrics_flush,
    metrics_processminute, metrics_process, metrics_name, metrics_state, metrics_seen, metrics_spend, metrics_gauge,
    metrics_exemplar, metrics_minute, metrics_total;
DROP FUNCTION metrics_drop_days(date), metrics_make_days(date, date), metrics_add(bigint[], bigint[]);
