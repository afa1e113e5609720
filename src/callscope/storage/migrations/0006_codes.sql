-- What the platforms' codes mean: the table that the package brings (analysis/codes.csv), a row for each key that finds one.
-- It is the same for all projects and holds nothing of theirs. Migrating fills it anew where the package brings another one.
create table callscope.code_explanation (
    key text not null,
    position integer not null,
    platform text not null,
    code integer,
    subcode integer,
    category text not null,
    meaning text not null,
    advice text not null,
    source text not null,
    primary key (key, position)
);

-- Which content a table of the package was filled with last.
create table callscope.reference_table (
    name text primary key,
    digest text not null,
    filled_at timestamptz not null default now()
);
