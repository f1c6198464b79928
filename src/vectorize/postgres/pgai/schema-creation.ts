/** `ai.create_vectorizer`, and what it makes: target table and view, queues, triggers. */
export const creationSql = `
create or replace function ai._source_pk(source regclass) returns jsonb language sql stable as $$
  select jsonb_agg(jsonb_build_object('attnum', a.attnum, 'pknum', k.place, 'attname', a.attname, 'typname', format_type(a.atttypid, a.atttypmod)) order by k.place)
  from pg_constraint c
  cross join lateral unnest(c.conkey) with ordinality as k(attnum, place)
  join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
  where c.conrelid = source and c.contype = 'p'
$$;

-- The key's columns in the table's order, each through a pattern of format(): %1$I is the column, %2$s its type.
create or replace function ai._key_list(source_pk jsonb, pattern text, separator text default ', ') returns text language sql immutable as $$
  select string_agg(format(pattern, x.attname, x.typname), separator order by x.attnum)
  from jsonb_to_recordset(source_pk) as x(attnum int, attname name, typname text)
$$;

create or replace function ai._vector_type(dimensions int) returns text language sql stable as $$
  select format('%I.vector(%s)', n.nspname, dimensions)
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'
$$;

create or replace function ai._grant(privileges text, schema_name name, object name, roles name[]) returns void language plpgsql as $$
declare
  role name;
begin
  foreach role in array coalesce(roles, '{}') loop
    execute format('grant usage on schema %I to %s', schema_name, case role when 'public' then 'public' else quote_ident(role) end);
    execute format('grant %s on %I.%I to %s', privileges, schema_name, object, case role when 'public' then 'public' else quote_ident(role) end);
  end loop;
end $$;

create or replace function ai._create_target(source regclass, source_pk jsonb, destination jsonb, dimensions int, roles name[]) returns void language plpgsql as $$
declare
  target_schema name := destination->>'target_schema';
  target_table name := destination->>'target_table';
  view_schema name := destination->>'view_schema';
  view_name name := destination->>'view_name';
  shown text;
begin
  if to_regclass(format('%I.%I', view_schema, view_name)) is not null then
    raise exception 'an object named %.% already exists. specify an alternate destination or view_name explicitly', view_schema, view_name using errcode = 'duplicate_object';
  end if;
  if to_regclass(format('%I.%I', target_schema, target_table)) is not null then
    raise exception 'an object named %.% already exists. specify an alternate destination or target_table explicitly', target_schema, target_table using errcode = 'duplicate_object';
  end if;
  execute format(
    'create table %I.%I (embedding_uuid uuid not null primary key default gen_random_uuid(), %s, chunk_seq int not null, chunk text not null, embedding %s not null, unique (%s, chunk_seq))',
    target_schema, target_table, ai._key_list(source_pk, '%1$I %2$s not null'), ai._vector_type(dimensions), ai._key_list(source_pk, '%1$I'));
  -- Vectors are read with every row: out of line they would cost a second read.
  execute format('alter table %I.%I alter column embedding set storage main', target_schema, target_table);
  -- The key comes from the target, so that a query of chunks alone needs no join.
  select string_agg(format(case when source_pk @> jsonb_build_array(jsonb_build_object('attnum', a.attnum)) then 't.%I' else 's.%I' end, a.attname), ', ' order by a.attnum) into shown
  from pg_attribute a where a.attrelid = source and a.attnum > 0 and not a.attisdropped;
  execute format(
    'create view %I.%I as select t.embedding_uuid, t.chunk_seq, t.chunk, t.embedding, %s from %I.%I t left join %s s on %s',
    view_schema, view_name, shown, target_schema, target_table, source, ai._key_list(source_pk, 't.%1$I = s.%1$I', ' and '));
  perform ai._grant('select, insert, update, delete', target_schema, target_table, roles);
  perform ai._grant('select', view_schema, view_name, roles);
end $$;

create or replace function ai._create_queues(source_pk jsonb, queue_schema name, queue_table name, failed_table name, roles name[]) returns void language plpgsql as $$
begin
  execute format('create table %I.%I (%s, queued_at timestamptz not null default now(), loading_retries int not null default 0, loading_retry_after timestamptz)',
    queue_schema, queue_table, ai._key_list(source_pk, '%1$I %2$s not null'));
  execute format('create index on %I.%I (%s)', queue_schema, queue_table, ai._key_list(source_pk, '%1$I'));
  execute format($f$create table %I.%I (%s, created_at timestamptz not null default now(), failure_step text not null default '')$f$,
    queue_schema, failed_table, ai._key_list(source_pk, '%1$I %2$s not null'));
  execute format('create index on %I.%I (%s)', queue_schema, failed_table, ai._key_list(source_pk, '%1$I'));
  perform ai._grant('select, insert, update, delete', queue_schema, queue_table, roles);
  perform ai._grant('select, insert, update, delete', queue_schema, failed_table, roles);
end $$;

-- Whatever happens to a row puts its key into the queue, a deletion too: a worker that was reading the row meanwhile would otherwise
-- store chunks of what is gone, and nobody would look again.
create or replace function ai._create_triggers(source regclass, source_pk jsonb, trigger_name name, queue_schema name, queue_table name, destination jsonb) returns void language plpgsql as $$
declare
  enqueue_new text := format('insert into %I.%I (%s) values (%s);', queue_schema, queue_table, ai._key_list(source_pk, '%1$I'), ai._key_list(source_pk, 'new.%1$I'));
  enqueue_old text := format('insert into %I.%I (%s) values (%s);', queue_schema, queue_table, ai._key_list(source_pk, '%1$I'), ai._key_list(source_pk, 'old.%1$I'));
  forget_old text := '';
  truncate_all text := format('truncate table %I.%I;', queue_schema, queue_table);
  ignored text := '''{}''::text[]';
begin
  if destination->>'implementation' = 'table' then
    forget_old := format('delete from %I.%I t where %s;', destination->>'target_schema', destination->>'target_table', ai._key_list(source_pk, 't.%1$I = old.%1$I', ' and '));
    truncate_all := truncate_all || format('truncate table %I.%I;', destination->>'target_schema', destination->>'target_table');
  else
    -- Storing an embedding in the row itself is no change of it.
    ignored := format('array[%L]', destination->>'embedding_column');
  end if;
  execute format($f$
    create function %I.%I() returns trigger language plpgsql security definer set search_path to pg_catalog, pg_temp as $body$
    begin
      if tg_op = 'TRUNCATE' then
        %s
      elsif tg_op = 'INSERT' then
        %s
      elsif tg_op = 'DELETE' then
        %s %s
      elsif %s then
        %s %s %s
      elsif to_jsonb(old) - %s is distinct from to_jsonb(new) - %s then
        %s
      end if;
      return null;
    end $body$ $f$,
    queue_schema, trigger_name, truncate_all, enqueue_new, forget_old, enqueue_old,
    ai._key_list(source_pk, 'old.%1$I is distinct from new.%1$I', ' or '), forget_old, enqueue_old, enqueue_new,
    ignored, ignored, enqueue_new);
  execute format('revoke all on function %I.%I() from public', queue_schema, trigger_name);
  execute format('create trigger %I after insert or update or delete on %s for each row execute function %I.%I()', trigger_name, source, queue_schema, trigger_name);
  execute format('create trigger %I after truncate on %s for each statement execute function %I.%I()', trigger_name || '_truncate', source, queue_schema, trigger_name);
end $$;

create or replace function ai._settle_destination(destination jsonb, source_schema name, source_table name) returns jsonb language sql immutable as $$
  select case destination->>'implementation'
    when 'column' then jsonb_build_object('implementation', 'column', 'config_type', 'destination', 'embedding_column', destination->>'embedding_column')
    else jsonb_build_object(
      'implementation', 'table', 'config_type', 'destination',
      'target_schema', coalesce(destination->>'target_schema', source_schema),
      'target_table', coalesce(destination->>'target_table', (destination->>'destination') || '_store', source_table || '_embedding_store'),
      'view_schema', coalesce(destination->>'view_schema', source_schema),
      'view_name', coalesce(destination->>'view_name', destination->>'destination', source_table || '_embedding'))
  end
$$;

create or replace function ai.create_vectorizer(
  source regclass,
  name text default null,
  destination jsonb default ai.destination_table(),
  loading jsonb default null,
  parsing jsonb default ai.parsing_auto(),
  embedding jsonb default null,
  chunking jsonb default ai.chunking_recursive_character_text_splitter(),
  indexing jsonb default ai.indexing_default(),
  text_indexing jsonb default ai.text_indexing_none(),
  formatting jsonb default ai.formatting_python_template(),
  scheduling jsonb default ai.scheduling_default(),
  processing jsonb default ai.processing_default(),
  queue_schema name default null,
  queue_table name default null,
  grant_to name[] default ai.grant_to(),
  enqueue_existing boolean default true,
  if_not_exists boolean default false
) returns int language plpgsql as $$
declare
  source_schema name;
  source_name name;
  source_owner oid;
  source_pk jsonb := ai._source_pk(source);
  dimensions int;
  new_id int;
  trigger_name name;
  failed_table name;
  missing name[];
  stages jsonb;
begin
  select array_agg(role) into missing from unnest(grant_to) as role where role <> 'public' and to_regrole(quote_ident(role)) is null;
  if missing is not null then
    raise warning 'one or more grant_to roles do not exist: %', missing;
    select coalesce(array_agg(role), '{}') into grant_to from unnest(grant_to) as role where role <> all (missing);
  end if;
  if embedding is null then raise exception 'embedding configuration is required'; end if;
  if loading is null then raise exception 'loading configuration is required'; end if;
  select n.nspname, c.relname, c.relowner into strict source_schema, source_name, source_owner
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = source;
  if not pg_has_role(source_owner, 'member') then
    raise exception 'only a superuser or the owner of the source table may create a vectorizer on it';
  end if;
  if jsonb_typeof(embedding->'dimensions') is distinct from 'number' then raise exception 'dimensions argument is required'; end if;
  dimensions := (embedding->>'dimensions')::int;
  if source_pk is null then raise exception 'source table must have a primary key constraint'; end if;
  indexing := ai._resolve_default(indexing, 'indexing');
  scheduling := ai._resolve_default(scheduling, 'scheduling');
  stages := jsonb_build_object('loading', loading, 'parsing', parsing, 'embedding', embedding, 'chunking', chunking, 'indexing', indexing, 'text_indexing', text_indexing,
    'formatting', formatting, 'scheduling', scheduling, 'processing', processing, 'destination', destination);
  perform ai._validate_stages(stages);
  perform ai._validate_for_table(stages, source);

  destination := ai._settle_destination(destination, source_schema, source_name);
  name := coalesce(name, case destination->>'implementation'
    when 'table' then format('%s_%s', destination->>'target_schema', destination->>'target_table')
    else format('%s_%s_%s', source_schema, source_name, destination->>'embedding_column') end);
  select v.id into new_id from ai.vectorizer v where v.name = create_vectorizer.name;
  if new_id is not null then
    if not if_not_exists then raise exception 'a vectorizer named % already exists.', name using errcode = 'duplicate_object'; end if;
    raise notice 'a vectorizer named % already exists, skipping', name;
    return new_id;
  end if;
  new_id := nextval(pg_get_serial_sequence('ai.vectorizer', 'id'));
  trigger_name := '_vectorizer_src_trg_' || new_id;
  queue_schema := coalesce(queue_schema, 'ai');
  queue_table := coalesce(queue_table, '_vectorizer_q_' || new_id);
  failed_table := '_vectorizer_q_failed_' || new_id;
  if to_regclass(format('%I.%I', queue_schema, queue_table)) is not null then
    raise exception 'an object named %.% already exists. specify an alternate queue_table explicitly', queue_schema, queue_table using errcode = 'duplicate_object';
  end if;

  perform ai._grant('select', source_schema, source_name, grant_to);
  if destination->>'implementation' = 'table' then
    perform ai._create_target(source, source_pk, destination, dimensions, grant_to);
  elsif exists (select from pg_attribute a where a.attrelid = source and a.attname = destination->>'embedding_column' and not a.attisdropped) then
    raise notice 'embedding column % already exists in %, skipping creation', destination->>'embedding_column', source;
  else
    execute format('alter table %s add column %I %s default null', source, destination->>'embedding_column', ai._vector_type(dimensions));
    execute format('alter table %s alter column %I set storage main', source, destination->>'embedding_column');
  end if;
  perform ai._create_queues(source_pk, queue_schema, queue_table, failed_table, grant_to);
  perform ai._create_triggers(source, source_pk, trigger_name, queue_schema, queue_table, destination);
  insert into ai.vectorizer (id, source_schema, source_table, source_pk, trigger_name, queue_schema, queue_table, queue_failed_table, config, name)
  values (new_id, source_schema, source_name, source_pk, trigger_name, queue_schema, queue_table, failed_table,
    stages || jsonb_build_object('destination', destination, 'version', 'windlass'), name);
  perform ai._grant('select', 'ai', object, grant_to) from unnest(array['vectorizer', 'vectorizer_errors', 'vectorizer_status']::name[]) as object;
  perform ai._grant('select, insert, update, delete', 'ai', object, grant_to)
  from unnest(array['_vectorizer_errors', '_windlass_loaded', 'vectorizer_worker_process', 'vectorizer_worker_progress']::name[]) as object;
  if enqueue_existing then
    execute format('insert into %I.%I (%s) select %s from %s x', queue_schema, queue_table, ai._key_list(source_pk, '%1$I'), ai._key_list(source_pk, 'x.%1$I'), source);
  end if;
  return new_id;
end $$;
`
