-- Forgetting on purpose: how long entries are kept, what holds them, and the one way out.
--
-- A ledger's minimum index is the greatest `to_seq` of its rows of audit_purge: what lies below is
-- pruned for readers from the moment that row stands, and its rows leave one batch at a time.

-- How long what is kept. No row for a ledger means 365 days, none for its data class `phi` 2,192.
CREATE TABLE audit_retention (
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    days integer NOT NULL CONSTRAINT audit_retention_days CHECK (days BETWEEN 1 AND 36500),
    kind text COLLATE "C" NOT NULL
        CONSTRAINT audit_retention_kind CHECK (kind IN ('ledger', 'category', 'data_class')),
    name text COLLATE "C" NOT NULL DEFAULT '',
    changed_by text NOT NULL,
    PRIMARY KEY (ledger_id, kind, name),
    CONSTRAINT audit_retention_name CHECK ((kind = 'ledger') = (name = ''))
);

-- Legal holds. `value` is an agent's id, a case's id or a subject's pseudonym; empty for a ledger.
CREATE TABLE audit_hold (
    id bigint GENERATED ALWAYS AS IDENTITY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_at timestamptz,
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    kind text COLLATE "C" NOT NULL
        CONSTRAINT audit_hold_kind CHECK (kind IN ('ledger', 'agent', 'subject', 'case')),
    value text COLLATE "C" NOT NULL DEFAULT '',
    key_id uuid,
    matter text NOT NULL CONSTRAINT audit_hold_matter CHECK (matter <> ''),
    reason text NOT NULL CONSTRAINT audit_hold_reason CHECK (reason <> ''),
    applied_by text NOT NULL,
    released_by text NOT NULL DEFAULT '',
    release_reason text NOT NULL DEFAULT '',
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT audit_hold_value CHECK ((kind = 'ledger') = (value = '')),
    CONSTRAINT audit_hold_key CHECK ((kind = 'subject') = (key_id IS NOT NULL)),
    CONSTRAINT audit_hold_released CHECK
        ((released_at IS NULL) = (released_by = '') AND (released_at IS NULL) = (release_reason = ''))
);
CREATE INDEX audit_hold_standing ON audit_hold (ledger_id, id) WHERE released_at IS NULL;

-- A hold is never changed: it is released, once.
CREATE FUNCTION audit_hold_is_only_released() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.released_at IS NULL AND NEW.released_at IS NOT NULL
        AND (NEW.id, NEW.applied_at, NEW.ledger_id, NEW.kind, NEW.value, NEW.key_id, NEW.matter, NEW.reason, NEW.applied_by)
            IS NOT DISTINCT FROM
            (OLD.id, OLD.applied_at, OLD.ledger_id, OLD.kind, OLD.value, OLD.key_id, OLD.matter, OLD.reason, OLD.applied_by)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a hold is released and nothing else: % refused', TG_OP USING ERRCODE = 'OBS01';
END
$$;
CREATE TRIGGER audit_only_released BEFORE UPDATE OR DELETE ON audit_hold
    FOR EACH ROW EXECUTE FUNCTION audit_hold_is_only_released();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_hold
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_hold ENABLE ALWAYS TRIGGER audit_only_released;
ALTER TABLE audit_hold ENABLE ALWAYS TRIGGER audit_no_truncate;

-- What somebody proposes to prune. A worker looks (`planned`), people approve, a worker prunes.
CREATE TABLE audit_purgeplan (
    id bigint GENERATED ALWAYS AS IDENTITY,
    proposed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    planned_at timestamptz,
    finished_at timestamptz,
    from_seq bigint NOT NULL DEFAULT 0,
    to_seq bigint,
    next_seq bigint NOT NULL DEFAULT 0,
    deleted bigint NOT NULL DEFAULT 0,
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    proposed_by text NOT NULL,
    reason text NOT NULL CONSTRAINT audit_purgeplan_reason CHECK (reason <> ''),
    state text NOT NULL DEFAULT 'asked' CONSTRAINT audit_purgeplan_state
        CHECK (state IN ('asked', 'proposed', 'nothing', 'approved', 'pruning', 'done', 'withdrawn', 'refused')),
    note text NOT NULL DEFAULT '',
    withdrawn_by text NOT NULL DEFAULT '',
    report jsonb,
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT audit_purgeplan_range CHECK
        (to_seq IS NULL OR (to_seq > from_seq AND from_seq >= 0 AND from_seq % 256 = 0 AND to_seq % 256 = 0)),
    CONSTRAINT audit_purgeplan_planned CHECK
        (state NOT IN ('proposed', 'approved', 'pruning', 'done') OR (to_seq IS NOT NULL AND planned_at IS NOT NULL AND report IS NOT NULL))
);
CREATE UNIQUE INDEX audit_purgeplan_one ON audit_purgeplan (ledger_id) WHERE state IN ('asked', 'proposed', 'approved', 'pruning');

-- Once planned, what was proposed stays as people have seen it.
CREATE FUNCTION audit_purgeplan_keeps_range() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND (NEW.id, NEW.ledger_id, NEW.proposed_at, NEW.proposed_by, NEW.reason)
            IS NOT DISTINCT FROM (OLD.id, OLD.ledger_id, OLD.proposed_at, OLD.proposed_by, OLD.reason)
        AND (OLD.planned_at IS NULL
             OR (NEW.from_seq, NEW.to_seq, NEW.report, NEW.planned_at) IS NOT DISTINCT FROM (OLD.from_seq, OLD.to_seq, OLD.report, OLD.planned_at))
        AND OLD.state NOT IN ('done', 'withdrawn', 'refused', 'nothing')
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what was proposed stays as it was proposed: % refused', TG_OP USING ERRCODE = 'OBS01';
END
$$;
CREATE TRIGGER audit_keeps_range BEFORE UPDATE OR DELETE ON audit_purgeplan
    FOR EACH ROW EXECUTE FUNCTION audit_purgeplan_keeps_range();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_purgeplan
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_purgeplan ENABLE ALWAYS TRIGGER audit_keeps_range;
ALTER TABLE audit_purgeplan ENABLE ALWAYS TRIGGER audit_no_truncate;

-- Who agreed to a plan. Two different people, each in a transaction of their own.
CREATE TABLE audit_purgeapproval (
    approved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    plan_id bigint NOT NULL,
    transaction_id bigint NOT NULL DEFAULT 0,  -- not xmin, which is another one within a savepoint
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    user_id integer NOT NULL,
    username text NOT NULL DEFAULT '',
    PRIMARY KEY (ledger_id, plan_id, user_id)
);

CREATE FUNCTION audit_approval_is_a_persons() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- The name is the account's, whatever the statement says, and the time is now.
    NEW.approved_at := clock_timestamp();
    NEW.transaction_id := pg_current_xact_id()::text::bigint;
    SELECT u.username INTO NEW.username
    FROM public.auth_user AS u
    WHERE u.id = NEW.user_id
      AND u.is_active
      AND u.is_staff
      AND (u.is_superuser
           OR EXISTS (
               SELECT FROM public.auth_permission AS p
               JOIN public.django_content_type AS t ON t.id = p.content_type_id
               WHERE t.app_label = 'audit'
                 AND p.codename = 'add_purgeapproval'
                 AND (p.id IN (SELECT permission_id FROM public.auth_user_user_permissions WHERE user_id = u.id)
                      OR p.id IN (SELECT g.permission_id FROM public.auth_group_permissions AS g
                                  JOIN public.auth_user_groups AS m ON m.group_id = g.group_id
                                  WHERE m.user_id = u.id))
           ));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account % may not approve a purge', NEW.user_id USING ERRCODE = 'OBS02';
    END IF;
    IF NOT EXISTS (
        SELECT FROM public.audit_purgeplan
        WHERE ledger_id = NEW.ledger_id AND id = NEW.plan_id AND state = 'proposed'
    ) THEN
        RAISE EXCEPTION 'plan % is not open for approval', NEW.plan_id USING ERRCODE = 'OBS02';
    END IF;
    IF EXISTS (
        SELECT FROM public.audit_purgeapproval
        WHERE ledger_id = NEW.ledger_id AND plan_id = NEW.plan_id
          AND (user_id = NEW.user_id OR transaction_id = NEW.transaction_id)
    ) THEN
        RAISE EXCEPTION 'two people approve, each for themselves' USING ERRCODE = 'OBS02';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_a_person BEFORE INSERT ON audit_purgeapproval
    FOR EACH ROW EXECUTE FUNCTION audit_approval_is_a_persons();
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_purgeapproval
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_purgeapproval
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_purgeapproval ENABLE ALWAYS TRIGGER audit_a_person;
ALTER TABLE audit_purgeapproval ENABLE ALWAYS TRIGGER audit_no_change;
ALTER TABLE audit_purgeapproval ENABLE ALWAYS TRIGGER audit_no_truncate;

-- The purges that two people approved; audit_prune() alone writes them.
CREATE TABLE audit_purge (
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    from_seq bigint NOT NULL,
    to_seq bigint NOT NULL,
    plan_id bigint NOT NULL,
    ledger_id integer NOT NULL,
    first_approver text NOT NULL,
    second_approver text NOT NULL,
    PRIMARY KEY (ledger_id, to_seq),
    CONSTRAINT audit_purge_from UNIQUE (ledger_id, from_seq),
    CONSTRAINT audit_purge_plan UNIQUE (ledger_id, plan_id),
    CONSTRAINT audit_purge_range CHECK (from_seq >= 0 AND to_seq > from_seq AND from_seq % 256 = 0 AND to_seq % 256 = 0),
    CONSTRAINT audit_purge_two_people CHECK (first_approver <> '' AND second_approver <> '' AND first_approver <> second_approver)
);

-- The rule itself, where neither web nor worker nor a session setting gets past it.
CREATE FUNCTION audit_purge_needs_two_people() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.from_seq <> coalesce((SELECT max(to_seq) FROM public.audit_purge WHERE ledger_id = NEW.ledger_id), 0) THEN
        RAISE EXCEPTION 'a purge begins where the last one ended' USING ERRCODE = 'OBS02';
    END IF;
    IF NOT EXISTS (
        SELECT FROM public.audit_purgeplan AS p
        JOIN public.audit_head AS h ON h.ledger_id = p.ledger_id
        WHERE p.ledger_id = NEW.ledger_id AND p.id = NEW.plan_id AND p.state = 'approved'
          AND p.from_seq = NEW.from_seq AND p.to_seq = NEW.to_seq AND p.to_seq <= h.size
    ) THEN
        RAISE EXCEPTION 'no approved plan % covers this range', NEW.plan_id USING ERRCODE = 'OBS02';
    END IF;
    IF 2 > (
        SELECT count(DISTINCT a.user_id) FROM public.audit_purgeapproval AS a
        JOIN public.auth_user AS u ON u.id = a.user_id AND u.is_active
        WHERE a.ledger_id = NEW.ledger_id AND a.plan_id = NEW.plan_id
    ) THEN
        RAISE EXCEPTION 'plan % has not the approval of two people', NEW.plan_id USING ERRCODE = 'OBS02';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_two_people BEFORE INSERT ON audit_purge
    FOR EACH ROW EXECUTE FUNCTION audit_purge_needs_two_people();
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_purge
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_purge
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_purge ENABLE ALWAYS TRIGGER audit_two_people;
ALTER TABLE audit_purge ENABLE ALWAYS TRIGGER audit_no_change;
ALTER TABLE audit_purge ENABLE ALWAYS TRIGGER audit_no_truncate;

-- Where no reader finds an entry any more.
CREATE VIEW audit_minimum AS
SELECT ledger_id, max(to_seq) AS minimum
FROM audit_purge
GROUP BY ledger_id;

-- What each projection had counted up to a minimum index: a rebuild goes on from there.
CREATE TABLE audit_carry (
    frozen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    to_seq bigint NOT NULL,
    ledger_id integer NOT NULL,
    projection text COLLATE "C" NOT NULL,
    digest bytea NOT NULL CONSTRAINT audit_carry_digest CHECK (octet_length(digest) = 32),
    rows bytea NOT NULL,
    PRIMARY KEY (ledger_id, to_seq, projection)
);
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_carry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_carry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_carry ENABLE ALWAYS TRIGGER audit_no_change;
ALTER TABLE audit_carry ENABLE ALWAYS TRIGGER audit_no_truncate;

-- When a worker has checked the file of a dense bundle; only such entries may be pruned.
ALTER TABLE audit_export ADD COLUMN verified_at timestamptz;

-- What keeps entries of [a_from, a_to): the first seq of each reason. None: all of it may go.
-- One definition, for the dry run and for the act; the reader may ask for a part at a time.
CREATE FUNCTION audit_kept(a_ledger integer, a_from bigint, a_to bigint)
RETURNS TABLE (seq bigint, why text, what text)
LANGUAGE sql STABLE AS $$
    WITH kept_for AS (
        SELECT
            coalesce((SELECT r.days FROM public.audit_retention AS r WHERE r.ledger_id = a_ledger AND r.kind = 'ledger'), 365) AS days,
            coalesce((SELECT r.days FROM public.audit_retention AS r WHERE r.ledger_id = a_ledger AND r.kind = 'data_class' AND r.name = 'phi'), 2192) AS phi_days
    ), entry AS (
        SELECT e.* FROM public.audit_entry AS e
        WHERE e.ledger_id = a_ledger AND e.seq >= a_from AND e.seq < a_to
    ), hold AS (
        SELECT h.* FROM public.audit_hold AS h WHERE h.ledger_id = a_ledger AND h.released_at IS NULL
    )
    SELECT min(entry.seq), 'young', ''
    FROM entry
    CROSS JOIN kept_for
    LEFT JOIN public.audit_retention AS of_category
        ON of_category.ledger_id = a_ledger AND of_category.kind = 'category' AND of_category.name = entry.category
    WHERE entry.received_at > now() - make_interval(days => greatest(
        kept_for.days,
        of_category.days,
        CASE WHEN 'phi' = ANY(entry.data_classes) THEN kept_for.phi_days END,
        (SELECT max(r.days) FROM public.audit_retention AS r
         WHERE entry.data_classes IS NOT NULL AND r.ledger_id = a_ledger
           AND r.kind = 'data_class' AND r.name = ANY(entry.data_classes))
    ))
    HAVING min(entry.seq) IS NOT NULL
    UNION ALL
    SELECT a_from, 'held', hold.id::text FROM hold WHERE hold.kind = 'ledger' AND a_from < a_to
    UNION ALL
    SELECT min(entry.seq), 'held', hold.id::text
    FROM hold
    JOIN entry ON
        (hold.kind = 'agent' AND entry.agent_id = hold.value)
        -- A pseudonym is 64 hex digits that stand nowhere by chance.
        OR (hold.kind = 'subject' AND position(convert_to(hold.value, 'UTF8') IN entry.record) > 0)
        -- Canonical JSON has one spelling, so most records are told by their bytes alone.
        OR (hold.kind = 'case'
            AND position(convert_to('"case":{', 'UTF8') IN entry.record) > 0
            AND convert_from(entry.record, 'UTF8')::jsonb #>> '{event,case,id}' = hold.value)
    GROUP BY hold.id
$$;

-- The one way out. The first call for an approved plan writes its row of audit_purge; each call
-- deletes at most `most` entries and returns how many; 0 means that the plan is done. A month that
-- holds nothing but pruned entries is dropped instead. Runs as the owner: the worker may delete
-- nothing itself.
CREATE FUNCTION audit_prune(a_ledger integer, a_plan bigint, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    plan public.audit_purgeplan;
    kept record;
    gone bigint;
    a_month text;
BEGIN
    SELECT * INTO plan FROM public.audit_purgeplan WHERE ledger_id = a_ledger AND id = a_plan FOR UPDATE;
    IF NOT FOUND OR plan.state NOT IN ('approved', 'pruning') THEN
        RAISE EXCEPTION 'plan % is not approved', a_plan USING ERRCODE = 'OBS02';
    END IF;
    IF plan.state = 'approved' THEN
        -- Policies and holds may have changed since people agreed, and may not while we look.
        LOCK TABLE public.audit_hold, public.audit_retention IN SHARE MODE;
        SELECT * INTO kept FROM public.audit_kept(a_ledger, plan.from_seq, plan.to_seq) ORDER BY 1 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'entry % must stay: % %', kept.seq, kept.why, kept.what USING ERRCODE = 'OBS02';
        END IF;
        INSERT INTO public.audit_purge (from_seq, to_seq, plan_id, ledger_id, first_approver, second_approver)
        SELECT plan.from_seq, plan.to_seq, a_plan, a_ledger, (array_agg(username ORDER BY approved_at))[1], (array_agg(username ORDER BY approved_at))[2]
        FROM public.audit_purgeapproval
        WHERE ledger_id = a_ledger AND plan_id = a_plan;
        UPDATE public.audit_purgeplan SET state = 'pruning' WHERE ledger_id = a_ledger AND id = a_plan;
    END IF;
    WITH next AS (
        SELECT e.seq, e.received_at FROM public.audit_entry AS e
        WHERE e.ledger_id = a_ledger AND e.seq < plan.to_seq
        ORDER BY e.seq
        LIMIT most
    )
    DELETE FROM public.audit_entry AS e USING next
    WHERE e.ledger_id = a_ledger AND e.seq = next.seq AND e.received_at = next.received_at;
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE public.audit_purgeplan
    SET deleted = deleted + gone,
        state = CASE WHEN gone = 0 THEN 'done' ELSE 'pruning' END,
        finished_at = CASE WHEN gone = 0 THEN clock_timestamp() END
    WHERE ledger_id = a_ledger AND id = a_plan;
    RETURN gone;
END
$$;
REVOKE ALL ON FUNCTION audit_prune(integer, bigint, integer) FROM PUBLIC;

-- Drop a month that holds nothing but pruned entries; false when it still holds others. The guard
-- of docker/postgres/event_trigger.sql, where it stands, looks for itself before it lets go.
CREATE FUNCTION audit_drop_month(a_day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    month_name text := 'audit_entry_' || to_char(date_trunc('month', a_day), 'YYYYMM');
    kept boolean;
BEGIN
    IF to_regclass('public.' || month_name) IS NULL OR a_day >= date_trunc('month', CURRENT_DATE) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'SELECT EXISTS (SELECT FROM public.%I AS e LEFT JOIN public.audit_minimum AS m USING (ledger_id) WHERE e.seq >= coalesce(m.minimum, 0))',
        month_name
    ) INTO kept;
    IF kept THEN
        RETURN false;
    END IF;
    IF to_regprocedure('obs_guard.drop_month(text)') IS NOT NULL THEN
        EXECUTE 'SELECT obs_guard.drop_month($1)' USING month_name;
    ELSE
        EXECUTE format('DROP TABLE public.%I', month_name);
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION audit_drop_month(date) FROM PUBLIC;

-- As 0001, but that entries of an approved purge may go. docker/postgres/event_trigger.sql knows
-- this wording, and lets the older one become it.
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME LIKE 'audit\_entry%' THEN
        IF EXISTS (
            SELECT FROM public.audit_purge AS p
            WHERE p.ledger_id = OLD.ledger_id AND OLD.seq >= p.from_seq AND OLD.seq < p.to_seq
        ) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'OBS01', HINT = 'A correction is a new event that names the old one.';
END
$$;

-- What lies in quarantine follows the retention of its ledger: then its content goes, its row stays.
CREATE OR REPLACE FUNCTION audit_quarantine_keeps_content() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND (NEW.ledger_id, NEW.id, NEW.event_id, NEW.digest, NEW.source, NEW.source_id, NEW.key_id, NEW.request_id, NEW.traceparent, NEW.received_at, NEW.quarantined_at, NEW.reason, NEW.error)
            IS NOT DISTINCT FROM
            (OLD.ledger_id, OLD.id, OLD.event_id, OLD.digest, OLD.source, OLD.source_id, OLD.key_id, OLD.request_id, OLD.traceparent, OLD.received_at, OLD.quarantined_at, OLD.reason, OLD.error)
        AND (NEW.event = OLD.event
             OR (NEW.event = '' AND OLD.received_at <= now() - make_interval(days => coalesce(
                    (SELECT max(days) FROM public.audit_retention WHERE ledger_id = OLD.ledger_id AND kind = 'ledger'), 365))))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what is in quarantine stays as it came: % refused', TG_OP USING ERRCODE = 'OBS01';
END
$$;

-- A run that began at the minimum index has read all there is.
CREATE INDEX audit_verification_kept ON audit_verification (ledger_id, to_seq DESC)
    WHERE state = 'done' AND kind IN ('nightly', 'manual');

CREATE OR REPLACE VIEW audit_standing AS
SELECT
    ledger.id AS ledger_id,
    CASE
        WHEN finding.id IS NOT NULL THEN 'tampered'
        WHEN doubt.id IS NOT NULL THEN 'not_proven'
        WHEN reach.to_seq > 0 THEN 'intact'
        ELSE 'not_proven'
    END AS result,
    coalesce(reach.to_seq, 0) AS intact_to,
    latest.finished_at,
    finding.id AS finding_id,
    coalesce(finding.broken, 0) AS broken,
    doubt.id AS doubt_id
FROM audit_ledger AS ledger
LEFT JOIN audit_minimum AS least ON least.ledger_id = ledger.id
LEFT JOIN LATERAL (
    SELECT max(furthest.to_seq) AS to_seq
    FROM (
        -- In two parts, since each has an index of its own.
        (
            SELECT run.to_seq
            FROM audit_verification AS run
            WHERE run.ledger_id = ledger.id
              AND run.state = 'done'
              AND (run.kind = 'new' OR run.from_seq = 0)
              AND run.result = 'intact'
            ORDER BY run.to_seq DESC
            LIMIT 1
        )
        UNION ALL
        (
            SELECT run.to_seq
            FROM audit_verification AS run
            WHERE run.ledger_id = ledger.id
              AND run.state = 'done'
              AND run.kind IN ('nightly', 'manual')
              AND run.from_seq <= least.minimum
              AND run.result = 'intact'
            ORDER BY run.to_seq DESC
            LIMIT 1
        )
    ) AS furthest
) AS reach ON true
LEFT JOIN LATERAL (
    SELECT run.finished_at
    FROM audit_verification AS run
    WHERE run.ledger_id = ledger.id
      AND run.state = 'done'
    ORDER BY run.id DESC
    LIMIT 1
) AS latest ON true
LEFT JOIN LATERAL (
    SELECT run.id, run.broken
    FROM audit_verification AS run
    WHERE run.ledger_id = ledger.id
      AND run.result = 'tampered'
      AND NOT EXISTS (
          SELECT
          FROM audit_verification AS later
          WHERE later.ledger_id = ledger.id
            AND later.started_at > run.finished_at
            AND later.state = 'done'
            AND later.result = 'intact'
            AND later.from_seq <= greatest(run.from_seq, least.minimum)
            AND later.to_seq >= run.to_seq
      )
    ORDER BY run.id DESC
    LIMIT 1
) AS finding ON true
LEFT JOIN LATERAL (
    SELECT run.id
    FROM audit_verification AS run
    WHERE run.ledger_id = ledger.id
      AND run.result = 'not_proven'
      AND run.checked > 0
      AND NOT EXISTS (
          SELECT
          FROM audit_verification AS later
          WHERE later.ledger_id = ledger.id
            AND later.started_at > run.finished_at
            AND later.state = 'done'
            AND later.result = 'intact'
            AND later.from_seq <= greatest(run.from_seq, least.minimum)
            AND later.to_seq >= run.to_seq
      )
    ORDER BY run.id DESC
    LIMIT 1
) AS doubt ON true;

DO $$
DECLARE
    a_role text;
    a_table text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        FOREACH a_table IN ARRAY ARRAY['audit_retention', 'audit_hold', 'audit_purgeplan', 'audit_purgeapproval', 'audit_purge', 'audit_minimum', 'audit_carry'] LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', a_table, a_role);
            EXECUTE format('GRANT SELECT ON %I TO %I', a_table, a_role);
        END LOOP;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT INSERT (ledger_id, kind, name, days, changed_by), UPDATE (days, changed_at, changed_by), DELETE ON audit_retention TO obs_web;
        GRANT INSERT (ledger_id, kind, value, key_id, matter, reason, applied_by) ON audit_hold TO obs_web;
        GRANT UPDATE (released_at, released_by, release_reason) ON audit_hold TO obs_web;
        -- A plan may be asked for, approved and withdrawn here; what is in it is the worker's to say.
        GRANT INSERT (ledger_id, proposed_by, reason) ON audit_purgeplan TO obs_web;
        GRANT UPDATE (state, withdrawn_by, finished_at) ON audit_purgeplan TO obs_web;
        GRANT INSERT (ledger_id, plan_id, user_id) ON audit_purgeapproval TO obs_web;
        REVOKE ALL ON FUNCTION audit_prune(integer, bigint, integer), audit_drop_month(date) FROM obs_web;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT UPDATE (planned_at, finished_at, from_seq, to_seq, next_seq, state, note, report) ON audit_purgeplan TO obs_worker;
        GRANT INSERT ON audit_carry TO obs_worker;
        GRANT UPDATE (event) ON audit_quarantine TO obs_worker;
        GRANT EXECUTE ON FUNCTION audit_prune(integer, bigint, integer), audit_drop_month(date) TO obs_worker;
    END IF;
END
$$;
