-- The partition of a month (UTC). Running roles own nothing, so the function runs as the owner.
-- It may be called again: an existing month is left as it is.

CREATE FUNCTION audit_make_month(a_day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    first_day date := date_trunc('month', a_day);
    month_name text := 'audit_entry_' || to_char(first_day, 'YYYYMM');
    a_role text;
BEGIN
    IF to_regclass('public.' || month_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('audit_make_month'));  -- held while two callers would race
    -- Not to_regclass again: its cache does not know what another made while we waited.
    IF EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = month_name) THEN
        RETURN false;
    END IF;
    -- Made apart and then attached: PARTITION OF would lock out every reader of the entries.
    EXECUTE format('CREATE TABLE public.%I (LIKE public.audit_entry INCLUDING ALL)', month_name);
    EXECUTE format(
        'ALTER TABLE public.audit_entry ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
        month_name,
        first_day::text || ' 00:00:00+00',
        (first_day + interval '1 month')::date::text || ' 00:00:00+00'
    );
    -- A TRUNCATE trigger is not inherited by partitions.
    EXECUTE format(
        'CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_change()',
        month_name
    );
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER audit_no_truncate', month_name);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER audit_no_change', month_name);
    -- Entries are reached through the parent alone; default privileges would open the partition.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('REVOKE ALL ON public.%I FROM %I', month_name, a_role);
    END LOOP;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION audit_make_month(date) FROM PUBLIC;

SELECT audit_make_month((CURRENT_DATE + make_interval(months => ahead))::date) FROM generate_series(0, 3) AS ahead;
