-- When what nobody saved can no longer be read. Settling writes it, from the project's days; a change of these moves it.

do $$
declare
    place text;
begin
    foreach place in array array['live', 'saved'] loop
        -- received_at: when the first of it arrived. is_outlived: whether another meeting of its call can be read longer.
        execute format('alter table %I.meeting add column received_at timestamptz', place);
        execute format('alter table %I.meeting add column expires_at timestamptz', place);
        execute format('alter table %I.meeting add column is_outlived boolean not null default false', place);
        -- removed_meetings: the numbers of those that retention took, which are given to no others.
        execute format('alter table %I.call add column expires_at timestamptz', place);
        execute format('alter table %I.call add column removed_meetings integer[] not null default ''{}''', place);
        execute format(
            'update %1$I.meeting set received_at = own.received_at,
                expires_at = greatest(meeting.started_at, own.received_at) + project.retention_days * interval ''24 hours''
            from %1$I.call own join callscope.project using (project_id)
            where meeting.project_id = own.project_id and meeting.call_key = own.call_key',
            place
        );
        execute format(
            'update %1$I.call set expires_at = coalesce(
                (
                    select max(own.expires_at) from %1$I.meeting own
                    where own.project_id = call.project_id and own.call_key = call.call_key
                ),
                call.received_at + project.retention_days * interval ''24 hours''
            ) from callscope.project where project.project_id = call.project_id',
            place
        );
        execute format(
            'update %1$I.meeting set is_outlived = true from %1$I.call own
            where meeting.project_id = own.project_id and meeting.call_key = own.call_key and meeting.expires_at < own.expires_at',
            place
        );
        execute format('alter table %I.meeting alter column received_at set not null', place);
        execute format('alter table %I.meeting alter column expires_at set not null', place);
        execute format('alter table %I.call alter column expires_at set not null', place);
    end loop;
end
$$;

create index call_expires_at on live.call (project_id, expires_at, call_key);
create index meeting_outlived on live.meeting (project_id, expires_at) where is_outlived;

create function live.move_expiry() returns trigger language plpgsql as $$
declare
    more interval := (new.retention_days - old.retention_days) * interval '24 hours';
begin
    update live.meeting set expires_at = expires_at + more where project_id = new.project_id;
    update live.call set expires_at = expires_at + more where project_id = new.project_id;
    return null;
end
$$;

create trigger project_retention_days after update of retention_days on callscope.project
for each row when (new.retention_days <> old.retention_days) execute function live.move_expiry();

-- That someone was erased from a call: when, by which key (null: by the command), how many rows of what was told. Not whom.
create table callscope.erasure (
    project_id integer not null,
    erasure_id bigint generated always as identity,
    erased_at timestamptz not null default now(),
    key_id bigint,
    call_key bigint not null,
    row_count bigint not null,
    primary key (project_id, erasure_id)
);
