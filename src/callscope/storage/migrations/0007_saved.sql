-- Saved sessions: a call's rows in tables of the same shape, which nothing that happens to the live ones touches. What changes
-- the shape of a call's tables later changes both kinds (storage/migrations.py says how).

create schema saved;

create table saved.record (like live.record including all);
create table saved.call_change (like live.call_change including all);
create table saved.call (like live.call including all);
create table saved.meeting (like live.meeting including all);
create table saved.participant (like live.participant including all);
create table saved.connection (like live.connection including all);
create table saved.stream (like live.stream including all);
create table saved.subscriber (like live.subscriber including all);
create table saved.data_warning (like live.data_warning including all);
create table saved.event (like live.event including all);
create table saved.metric_series (like live.metric_series including all);
create table saved.metric_sample (like live.metric_sample including all);
create table saved.issue (like live.issue including all);

-- One for each saved call. The texts in lower case (of any language, which not every collation can) are looked for and
-- ordered by.
create table callscope.saved_session (
    project_id integer not null,
    call_key bigint not null,
    call_id text not null,
    name text not null,
    tags text[] not null,
    folded_name text not null,
    folded_tags text[] not null,
    saved_at timestamptz not null,
    updated_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (project_id, call_key)
);

create index saved_session_saved_at on callscope.saved_session (project_id, saved_at, call_key);
create index saved_session_name on callscope.saved_session (project_id, folded_name, call_key);
create index saved_session_expires_at on callscope.saved_session (project_id, expires_at, call_key);

-- What a key's mutations that name themselves did, so that one which is sent again does nothing again.
create table callscope.mutation (
    project_id integer not null,
    key_id bigint not null,
    mutation_key bytea not null,
    outcome jsonb,
    made_at timestamptz not null default now(),
    primary key (project_id, key_id, mutation_key)
);

create index mutation_made_at on callscope.mutation (project_id, key_id, made_at);
