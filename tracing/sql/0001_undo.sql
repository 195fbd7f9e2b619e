-- Forget spans, lines and profiles. Entries made of them stay.
DROP TABLE tracing_profile, tracing_capture, tracing_line, tracing_trace, tracing_span;
DROP FUNCTION tracing_drop_days(text, date), tracing_make_days(date, date);
