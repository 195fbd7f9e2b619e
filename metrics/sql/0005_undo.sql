-- The same in SQL, as it was.
CREATE OR REPLACE FUNCTION metrics_add(a bigint[], b bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN a IS NULL THEN b
        WHEN b IS NULL THEN a
        ELSE (SELECT array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY place)
              FROM unnest(a, b) WITH ORDINALITY AS both_(x, y, place))
    END
$$;
