-- Buckets added place by place; a row of before a new edge came is as long as it was. In PL/pgSQL,
-- which adds in place: a query in SQL is planned for each row, and took four times as long.
CREATE OR REPLACE FUNCTION metrics_add(a bigint[], b bigint[]) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF a IS NULL OR b IS NULL THEN
        RETURN coalesce(a, b);
    END IF;
    FOR place IN 1 .. cardinality(b) LOOP
        a[place] := coalesce(a[place], 0) + coalesce(b[place], 0);
    END LOOP;
    RETURN a;
END
$$;
