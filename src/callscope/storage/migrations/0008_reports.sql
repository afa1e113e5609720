-- Reports as settling wrote them, beside the rows that lists read. Number 0 is the whole call's, the others are meetings'.
-- What lives ends without anything being heard of it: until then the live texts hold, which are null where it was over before.

create table live.report (
    project_id integer not null,
    call_key bigint not null,
    number integer not null,
    markdown text not null,
    digest text not null,
    live_markdown text,
    live_digest text,
    primary key (project_id, call_key, number)
);

create table saved.report (like live.report including all);

-- Calls that were settled before are settled again, and get theirs.
insert into live.call_change (project_id, call_key) select project_id, call_key from live.call;
