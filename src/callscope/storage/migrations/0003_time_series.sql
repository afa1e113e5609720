-- Time series, partitioned by "at": TimescaleDB hypertables where the extension is there, native range partitions
-- where it is not (storage/timeseries.py replaces the marks below).

create table live.event (
    project_id integer not null,
    call_key bigint not null,
    at timestamptz not null,
    event_key bigint not null,
    category text not null,
    name text not null,
    severity text not null,
    outcome text,
    code integer,
    subcode integer,
    message text,
    payload jsonb,
    duration_ms double precision,
    participant_key bigint,
    connection_key bigint,
    stream_key bigint,
    -- False where settling finds the participant by way of the connection or stream.
    tells_participant boolean not null,
    primary key (project_id, call_key, at, event_key)
) /* time-partitioned */;

create index event_at on live.event (project_id, at, call_key, event_key);
create index event_category on live.event (project_id, category, at);
create index event_name on live.event (project_id, name, at);
create index event_severity on live.event (project_id, severity, at) where severity <> 'INFO';
create index event_outcome on live.event (project_id, outcome, at) where outcome is not null;
create index event_code on live.event (project_id, code, at) where code is not null;
create index event_subcode on live.event (project_id, subcode, at) where subcode is not null;
create index event_of_participant on live.event (project_id, call_key, participant_key, at) where participant_key is not null;
create index event_of_connection on live.event (project_id, call_key, connection_key, at) where connection_key is not null;
create index event_of_stream on live.event (project_id, call_key, stream_key, at) where stream_key is not null;

-- The dimension of metric_sample: derived by settling, so its figures agree with the call's revision.
create table live.metric_series (
    project_id integer not null,
    call_key bigint not null,
    series_key bigint not null,
    participant_key bigint not null,
    connection_key bigint,
    stream_key bigint,
    subscriber_key bigint,
    metric text not null,
    unit text not null,
    media text not null,
    direction text not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    sample_count integer not null,
    minimum double precision,
    maximum double precision,
    average double precision,
    p95 double precision,
    primary key (project_id, call_key, series_key)
);

create index metric_series_metric on live.metric_series (project_id, metric, call_key, series_key);
create index metric_series_of_participant on live.metric_series (project_id, call_key, participant_key);
create index metric_series_of_stream on live.metric_series (project_id, call_key, stream_key) where stream_key is not null;
create index metric_series_of_subscriber on live.metric_series (project_id, call_key, subscriber_key)
    where subscriber_key is not null;
create index metric_series_of_connection on live.metric_series (project_id, call_key, connection_key)
    where connection_key is not null;

create table live.metric_sample (
    project_id integer not null,
    call_key bigint not null,
    series_key bigint not null,
    at timestamptz not null,
    value double precision not null,
    primary key (project_id, call_key, series_key, at)
) /* time-partitioned */;
