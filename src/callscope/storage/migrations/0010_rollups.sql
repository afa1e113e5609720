-- What charts of long and of large calls read: samples by the minute, and of metrics with many series the distribution of all
-- samples. Settling keeps both, bucket by bucket, for what changed.

-- The samples of one series in one minute; "at" is the minute's start, "total" their sum in order of time.
create table live.metric_rollup (
    project_id integer not null,
    sample_count integer not null,
    call_key bigint not null,
    series_key bigint not null,
    at timestamptz not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    minimum double precision not null,
    maximum double precision not null,
    total double precision not null,
    primary key (project_id, call_key, series_key, at)
) /* time-partitioned */;

create table saved.metric_rollup (like live.metric_rollup including all);

-- The samples of all series of a metric, media and direction in step_seconds from "at" on, in bins of values (storage/sketches.py):
-- each with its number, how many samples, and the least and the greatest of them.
create table live.metric_sketch (
    project_id integer not null,
    step_seconds integer not null,
    call_key bigint not null,
    metric text not null,
    media text not null,
    direction text not null,
    at timestamptz not null,
    bins integer[] not null,
    sample_counts integer[] not null,
    minimums double precision[] not null,
    maximums double precision[] not null,
    primary key (project_id, call_key, metric, media, direction, step_seconds, at)
);

create table saved.metric_sketch (like live.metric_sketch including all);

-- What a change brought: from when to when its samples and its events are (null where it brought none), and which records were
-- new (null where that was not noted: then any may be).
alter table live.call_change add column samples_from timestamptz, add column samples_to timestamptz,
    add column events_from timestamptz, add column events_to timestamptz, add column record_keys bigint[];
alter table saved.call_change add column samples_from timestamptz, add column samples_to timestamptz,
    add column events_from timestamptz, add column events_to timestamptz, add column record_keys bigint[];

-- Large calls that go on are followed change by change: what was found that way is worked out once more as a whole when they rest.
alter table live.call add column is_provisional boolean not null default false;
alter table saved.call add column is_provisional boolean not null default false;
create index call_provisional on live.call (derived_at) where is_provisional;

-- The 95th percentile is worked out when it is asked for.
alter table live.metric_series drop column p95;
alter table saved.metric_series drop column p95;

-- Connections that something else of the call proves were never attempted before anyone's eyes.
alter table live.connection add column is_implied boolean not null default false;
alter table saved.connection add column is_implied boolean not null default false;

-- What is there already: the partitions that its rollups need, and these.
do $$
declare
    part regclass;
    name text;
begin
    for part in
        select inhrelid::regclass from pg_inherits join pg_class parent on parent.oid = inhparent
        where inhparent = 'live.metric_sample'::regclass and parent.relkind = 'p'
    loop
        name := replace((select relname from pg_class where oid = part), 'metric_sample_p', 'metric_rollup_p');
        execute format('create table live.%I partition of live.metric_rollup %s', name,
            (select pg_get_expr(relpartbound, oid) from pg_class where oid = part));
    end loop;
end
$$;

do $$
declare
    place text;
begin
    foreach place in array array['live', 'saved'] loop
        execute format(
            'insert into %1$I.metric_rollup (project_id, call_key, series_key, at, sample_count, first_at, last_at, minimum, maximum,
                total)
            select project_id, call_key, series_key, date_bin(''1 minute'', at, ''epoch''), count(*), min(at), max(at), min(value),
                max(value), sum(value order by at)
            from %1$I.metric_sample group by 1, 2, 3, 4', place);
    end loop;
end
$$;
