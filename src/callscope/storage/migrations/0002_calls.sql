-- A call's tables. project_id and call_key lead every primary key and no join leaves the call, so that the same schema
-- distributes by call. Keys are hashes of the platform's ids (storage/keys.py), so that no write needs a look-up first.

create schema live;

-- What sources told about participants, connections, streams, …: the truth from which settling derives the catalog.
create table live.record (
    project_id integer not null,
    call_key bigint not null,
    record_key bigint not null,
    kind text not null,
    body jsonb not null,
    received_at timestamptz not null default now(),
    primary key (project_id, call_key, record_key)
);

-- One row for each write that settling has not taken in yet.
create table live.call_change (
    project_id integer not null,
    call_key bigint not null,
    change_id bigint generated always as identity,
    series_keys bigint[] not null default '{}',
    changed_at timestamptz not null default now(),
    primary key (project_id, call_key, change_id)
);

create table live.call (
    project_id integer not null,
    call_key bigint not null,
    call_id text not null,
    platform text not null,
    media_mode text not null,
    tags text[] not null default '{}',
    started_at timestamptz not null,
    ended_at timestamptz not null,
    live_until timestamptz not null,
    duration_seconds double precision not null,
    last_active_at timestamptz not null,
    sampling_seconds double precision,
    received_at timestamptz not null,
    is_large boolean not null,
    call_type text not null,
    participant_count integer not null,
    connection_count integer not null,
    stream_count integer not null,
    subscriber_count integer not null,
    sip_participant_count integer not null,
    max_concurrent_connections integer not null,
    max_concurrent_streams integer not null,
    max_concurrent_subscribers integer not null,
    published_minutes double precision not null,
    subscribed_minutes double precision not null,
    streamed_minutes double precision not null,
    issue_count integer not null,
    error_count integer not null,
    sdks jsonb not null,
    endpoints jsonb not null,
    connect_attempts integer not null,
    connect_failures integer not null,
    publish_attempts integer not null,
    publish_failures integer not null,
    subscribe_attempts integer not null,
    subscribe_failures integer not null,
    last_telemetry_at timestamptz,
    missing text[] not null,
    derived_at timestamptz not null,
    revision bigint not null,
    primary key (project_id, call_key)
);

create table live.meeting (
    project_id integer not null,
    call_key bigint not null,
    number integer not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    live_until timestamptz not null,
    duration_seconds double precision not null,
    is_large boolean not null,
    call_type text not null,
    participant_count integer not null,
    connection_count integer not null,
    stream_count integer not null,
    subscriber_count integer not null,
    sip_participant_count integer not null,
    max_concurrent_connections integer not null,
    max_concurrent_streams integer not null,
    max_concurrent_subscribers integer not null,
    published_minutes double precision not null,
    subscribed_minutes double precision not null,
    streamed_minutes double precision not null,
    issue_count integer not null,
    error_count integer not null,
    sdks jsonb not null,
    endpoints jsonb not null,
    connect_attempts integer not null,
    connect_failures integer not null,
    publish_attempts integer not null,
    publish_failures integer not null,
    subscribe_attempts integer not null,
    subscribe_failures integer not null,
    last_telemetry_at timestamptz,
    missing text[] not null,
    derived_at timestamptz not null,
    primary key (project_id, call_key, number)
);

create table live.participant (
    project_id integer not null,
    call_key bigint not null,
    participant_key bigint not null,
    participant_id text not null,
    display_name text,
    kind text not null,
    city text,
    region text,
    country text,
    browser text,
    browser_version text,
    os text,
    os_version text,
    device text,
    sdk_name text,
    sdk_version text,
    user_agent text,
    devices jsonb not null,
    is_redacted boolean not null,
    appeared_at timestamptz not null,
    first_joined_at timestamptz,
    last_left_at timestamptz,
    error_count integer not null,
    issue_count integer not null,
    mean_opinion_score double precision,
    primary key (project_id, call_key, participant_key)
);

create table live.connection (
    project_id integer not null,
    call_key bigint not null,
    connection_key bigint not null,
    connection_id text not null,
    participant_key bigint not null,
    meeting_number integer,
    attempted_at timestamptz not null,
    connected_at timestamptz,
    disconnected_at timestamptz,
    duration_seconds double precision,
    outcome text not null,
    disconnect_reason text,
    error_code integer,
    error_subcode integer,
    error_message text,
    network_type text,
    transport text,
    local_candidate_type text,
    remote_candidate_type text,
    is_relayed boolean,
    network_region text,
    primary key (project_id, call_key, connection_key)
);

create table live.stream (
    project_id integer not null,
    call_key bigint not null,
    stream_key bigint not null,
    stream_id text not null,
    participant_key bigint not null,
    connection_key bigint not null,
    meeting_number integer,
    name text,
    source text not null,
    has_audio boolean not null,
    has_video boolean not null,
    is_scalable boolean not null,
    audio_codec text,
    video_codec text,
    attempted_at timestamptz not null,
    published_at timestamptz,
    unpublished_at timestamptz,
    duration_seconds double precision,
    outcome text not null,
    unpublish_reason text,
    error_code integer,
    error_subcode integer,
    error_message text,
    totals jsonb not null,
    primary key (project_id, call_key, stream_key)
);

create table live.subscriber (
    project_id integer not null,
    call_key bigint not null,
    subscriber_key bigint not null,
    subscriber_id text not null,
    stream_key bigint not null,
    participant_key bigint not null,
    connection_key bigint not null,
    meeting_number integer,
    attempted_at timestamptz not null,
    subscribed_at timestamptz,
    ended_at timestamptz,
    duration_seconds double precision,
    outcome text not null,
    error_code integer,
    error_subcode integer,
    error_message text,
    totals jsonb not null,
    primary key (project_id, call_key, subscriber_key)
);

create table live.data_warning (
    project_id integer not null,
    call_key bigint not null,
    warning_key bigint not null,
    kind text not null,
    message text not null,
    participant_key bigint,
    primary key (project_id, call_key, warning_key)
);

-- Each list in its order, and each filter that leaves few rows of many.

create index call_call_id on live.call (project_id, call_id);
create index call_started_at on live.call (project_id, started_at, call_key);
create index call_last_active_at on live.call (project_id, last_active_at, call_key);
create index call_duration on live.call (project_id, duration_seconds, call_key);
create index call_participant_count on live.call (project_id, participant_count, call_key);
create index call_issue_count on live.call (project_id, issue_count, call_key);
create index call_live_until on live.call (project_id, live_until);
create index call_platform on live.call (project_id, platform, started_at, call_key);
create index call_call_type on live.call (project_id, call_type, started_at, call_key);
create index call_with_issues on live.call (project_id, started_at, call_key) where issue_count > 0;
create index call_with_errors on live.call (project_id, started_at, call_key) where error_count > 0;
create index call_large on live.call (project_id, started_at, call_key) where is_large;
create index call_tags on live.call using gin (tags);

create index meeting_started_at on live.meeting (project_id, started_at, call_key, number);
create index meeting_duration on live.meeting (project_id, duration_seconds, call_key, number);
create index meeting_participant_count on live.meeting (project_id, participant_count, call_key, number);
create index meeting_issue_count on live.meeting (project_id, issue_count, call_key, number);
create index meeting_with_issues on live.meeting (project_id, started_at, call_key, number) where issue_count > 0;
create index meeting_large on live.meeting (project_id, started_at, call_key, number) where is_large;

create index participant_appeared_at on live.participant (project_id, appeared_at, call_key, participant_key);
create index participant_of_call on live.participant (project_id, call_key, appeared_at, participant_key);
create index participant_participant_id on live.participant (project_id, participant_id);
create index participant_kind on live.participant (project_id, kind, appeared_at);
create index participant_country on live.participant (project_id, country, call_key);
create index participant_sdk_name on live.participant (project_id, sdk_name, call_key);
create index participant_browser on live.participant (project_id, browser, call_key);
create index participant_with_errors on live.participant (project_id, appeared_at) where error_count > 0;
create index participant_with_issues on live.participant (project_id, appeared_at) where issue_count > 0;

create index connection_attempted_at on live.connection (project_id, attempted_at, call_key, connection_key);
create index connection_of_call on live.connection (project_id, call_key, attempted_at, connection_key);
create index connection_of_participant on live.connection (project_id, call_key, participant_key, attempted_at);
create index connection_connection_id on live.connection (project_id, connection_id);
create index connection_not_succeeded on live.connection (project_id, outcome, attempted_at) where outcome <> 'SUCCEEDED';

create index stream_attempted_at on live.stream (project_id, attempted_at, call_key, stream_key);
create index stream_of_call on live.stream (project_id, call_key, attempted_at, stream_key);
create index stream_of_participant on live.stream (project_id, call_key, participant_key, attempted_at);
create index stream_of_connection on live.stream (project_id, call_key, connection_key, attempted_at);
create index stream_stream_id on live.stream (project_id, stream_id);
create index stream_source on live.stream (project_id, source, attempted_at);
create index stream_not_succeeded on live.stream (project_id, outcome, attempted_at) where outcome <> 'SUCCEEDED';

create index subscriber_of_call on live.subscriber (project_id, call_key, attempted_at, subscriber_key);
create index subscriber_of_stream on live.subscriber (project_id, call_key, stream_key, attempted_at);
create index subscriber_of_participant on live.subscriber (project_id, call_key, participant_key, attempted_at);
create index subscriber_of_connection on live.subscriber (project_id, call_key, connection_key, attempted_at);
