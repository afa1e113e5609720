-- Who may read and write: projects (tenants), their settings and their keys.

create schema callscope;

create table callscope.project (
    project_id integer generated always as identity primary key,
    name text not null unique,
    retention_days integer not null default 20 check (retention_days > 0),
    saved_retention_months integer not null default 24 check (saved_retention_months > 0),
    saved_session_limit integer not null default 1000 check (saved_session_limit >= 0),
    meeting_idle_minutes integer not null default 10 check (meeting_idle_minutes > 0),
    large_meeting_subscribers integer not null default 100 check (large_meeting_subscribers > 0),
    created_at timestamptz not null default now()
);

-- secret_hash is SHA-256 of the whole key: 190 random bits need no slow hash.
create table callscope.api_key (
    project_id integer not null references callscope.project on delete cascade,
    key_id bigint generated always as identity,
    name text not null,
    secret_hash bytea not null unique,
    last_four text not null,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    primary key (project_id, key_id)
);
