-- Problems that telemetry shows, and who looked at which call.

create table live.issue (
    project_id integer not null,
    call_key bigint not null,
    issue_key bigint not null,
    kind text not null,
    severity text not null,
    title text not null,
    description text not null,
    recommendation text not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    is_recovered boolean not null,
    attribution text not null,
    meeting_number integer,
    participant_key bigint,
    connection_key bigint,
    stream_key bigint,
    rule_name text not null,
    rule_version integer not null,
    rule_metric text,
    rule_threshold double precision,
    rule_clear_threshold double precision,
    rule_minimum_seconds double precision,
    rule_observed double precision,
    rule_source text not null,
    primary key (project_id, call_key, issue_key)
);

create index issue_started_at on live.issue (project_id, started_at, call_key, issue_key);
create index issue_kind on live.issue (project_id, kind, started_at);
create index issue_severity on live.issue (project_id, severity, started_at);
create index issue_not_recovered on live.issue (project_id, started_at) where not is_recovered;
create index issue_of_call on live.issue (project_id, call_key, started_at, issue_key);
create index issue_of_participant on live.issue (project_id, call_key, participant_key, started_at);

create table live.inspection (
    project_id integer not null,
    call_key bigint not null,
    key_id bigint not null,
    inspected_at timestamptz not null default now(),
    primary key (project_id, call_key, key_id)
);

create index inspection_of_key on live.inspection (project_id, key_id, inspected_at);
