// One function a choice of each stage, as pgai's documentation lists them (docs/vectorizer/api-reference.md), and what is checked of them
// when a vectorizer is created. A function only writes its arguments down; the worker does what they say.

interface Choice {
  readonly name: string
  readonly stage: string
  readonly implementation: string
  /** Argument: type and default as SQL writes them. */
  readonly parameters?: readonly (readonly [name: string, type: string, key?: string])[]
}

const choices: readonly Choice[] = [
  { name: 'loading_column', stage: 'loading', implementation: 'column', parameters: [['column_name', 'name'], ['retries', 'int default 6']] },
  { name: 'loading_uri', stage: 'loading', implementation: 'uri', parameters: [['column_name', 'name'], ['retries', 'int default 6'], ['aws_role_arn', 'text default null']] },
  { name: 'parsing_auto', stage: 'parsing', implementation: 'auto' },
  { name: 'parsing_none', stage: 'parsing', implementation: 'none' },
  { name: 'parsing_docling', stage: 'parsing', implementation: 'docling' },
  { name: 'parsing_pymupdf', stage: 'parsing', implementation: 'pymupdf' },
  {
    name: 'chunking_character_text_splitter',
    stage: 'chunking',
    implementation: 'character_text_splitter',
    parameters: [['chunk_size', 'int default 800'], ['chunk_overlap', 'int default 400'], ['separator', `text default E'\\n\\n'`], ['is_separator_regex', 'boolean default false']],
  },
  {
    name: 'chunking_recursive_character_text_splitter',
    stage: 'chunking',
    implementation: 'recursive_character_text_splitter',
    parameters: [['chunk_size', 'int default 800'], ['chunk_overlap', 'int default 400'], ['separators', `text[] default array[E'\\n\\n', E'\\n', '.', '?', '!', ' ', '']`], ['is_separator_regex', 'boolean default false']],
  },
  { name: 'chunking_none', stage: 'chunking', implementation: 'none' },
  { name: 'formatting_python_template', stage: 'formatting', implementation: 'python_template', parameters: [['template', `text default '$chunk'`]] },
  {
    name: 'embedding_openai',
    stage: 'embedding',
    implementation: 'openai',
    parameters: [['model', 'text'], ['dimensions', 'int'], ['chat_user', 'text default null', 'user'], ['api_key_name', `text default 'OPENAI_API_KEY'`], ['base_url', 'text default null']],
  },
  {
    name: 'embedding_ollama',
    stage: 'embedding',
    implementation: 'ollama',
    parameters: [['model', 'text'], ['dimensions', 'int'], ['base_url', 'text default null'], ['options', 'jsonb default null'], ['keep_alive', 'text default null']],
  },
  {
    name: 'embedding_voyageai',
    stage: 'embedding',
    implementation: 'voyageai',
    parameters: [['model', 'text'], ['dimensions', 'int'], ['input_type', `text default 'document'`], ['api_key_name', `text default 'VOYAGE_API_KEY'`], ['output_dimension', 'int default null'], ['output_dtype', 'text default null']],
  },
  { name: 'embedding_litellm', stage: 'embedding', implementation: 'litellm', parameters: [['model', 'text'], ['dimensions', 'int'], ['api_key_name', 'text default null'], ['extra_options', 'jsonb default null']] },
  {
    name: 'destination_table',
    stage: 'destination',
    implementation: 'table',
    parameters: [['destination', 'name default null'], ['target_schema', 'name default null'], ['target_table', 'name default null'], ['view_schema', 'name default null'], ['view_name', 'name default null']],
  },
  { name: 'destination_column', stage: 'destination', implementation: 'column', parameters: [['embedding_column', 'name']] },
  { name: 'indexing_default', stage: 'indexing', implementation: 'default' },
  { name: 'indexing_none', stage: 'indexing', implementation: 'none' },
  {
    name: 'indexing_diskann',
    stage: 'indexing',
    implementation: 'diskann',
    parameters: [
      ['min_rows', 'int default 100000'],
      ['storage_layout', 'text default null'],
      ['num_neighbors', 'int default null'],
      ['search_list_size', 'int default null'],
      ['max_alpha', 'float8 default null'],
      ['num_dimensions', 'int default null'],
      ['num_bits_per_dimension', 'int default null'],
      ['create_when_queue_empty', 'boolean default true'],
    ],
  },
  {
    name: 'indexing_hnsw',
    stage: 'indexing',
    implementation: 'hnsw',
    parameters: [['min_rows', 'int default 100000'], ['opclass', `text default 'vector_cosine_ops'`], ['m', 'int default null'], ['ef_construction', 'int default null'], ['create_when_queue_empty', 'boolean default true']],
  },
  { name: 'text_indexing_none', stage: 'text_indexing', implementation: 'none' },
  { name: 'scheduling_default', stage: 'scheduling', implementation: 'default' },
  { name: 'scheduling_none', stage: 'scheduling', implementation: 'none' },
  {
    name: 'scheduling_timescaledb',
    stage: 'scheduling',
    implementation: 'timescaledb',
    parameters: [['schedule_interval', `interval default interval '5m'`], ['initial_start', 'timestamptz default null'], ['fixed_schedule', 'boolean default null'], ['timezone', 'text default null']],
  },
  { name: 'processing_default', stage: 'processing', implementation: 'default', parameters: [['batch_size', 'int default null'], ['concurrency', 'int default null']] },
]

function functionOf({ name, stage, implementation, parameters = [] }: Choice): string {
  const written = parameters.map(([parameter, , key = parameter]) => `, '${key}', ${parameter}`).join('')
  return `create or replace function ai.${name}(${parameters.map(([parameter, type]) => `${parameter} ${type}`).join(', ')})
returns jsonb language sql immutable as $$
  select jsonb_strip_nulls(jsonb_build_object('implementation', '${implementation}', 'config_type', '${stage}'${written}))
$$;`
}

const grantSql = `
create or replace function ai.grant_to_default() returns name[] language sql stable as $$
  select coalesce(array_agg(trim(role)::name), '{}') from unnest(string_to_array(current_setting('ai.grant_to_default', true), ',')) as role where trim(role) <> ''
$$;

create or replace function ai.grant_to(variadic grantees name[]) returns name[] language sql stable as $$
  select coalesce(array_agg(distinct role), '{}') from unnest(grantees || ai.grant_to_default()) as role
$$;

create or replace function ai.grant_to() returns name[] language sql stable as $$
  select ai.grant_to_default()
$$;
`

const validationSql = `
-- "default" stands for what ai.indexing_default and ai.scheduling_default are set to in the database, and for none where they are not.
create or replace function ai._resolve_default(config jsonb, stage text) returns jsonb language plpgsql stable as $$
declare
  setting text := current_setting(format('ai.%s_default', stage), true);
begin
  if config->>'implementation' is distinct from 'default' or stage not in ('indexing', 'scheduling') then return config; end if;
  if setting = 'indexing_diskann' then return ai.indexing_diskann(); end if;
  if setting = 'indexing_hnsw' then return ai.indexing_hnsw(); end if;
  if setting = 'scheduling_timescaledb' then return ai.scheduling_timescaledb(); end if;
  return case stage when 'indexing' then ai.indexing_none() else ai.scheduling_none() end;
end $$;

-- What holds of stages whatever the table is.
create or replace function ai._validate_stages(stages jsonb) returns void language plpgsql stable as $$
declare
  stage text;
  config jsonb;
  known jsonb := '{
    "loading": ["column", "uri"], "parsing": ["auto", "none", "pymupdf", "docling"],
    "chunking": ["character_text_splitter", "recursive_character_text_splitter", "none"], "formatting": ["python_template"],
    "embedding": ["openai", "ollama", "voyageai", "litellm", "windlass"], "destination": ["table", "column"],
    "indexing": ["none", "diskann", "hnsw"], "text_indexing": ["none"], "scheduling": ["none", "timescaledb"], "processing": ["default"]
  }';
begin
  for stage, config in select * from jsonb_each(stages) loop
    if jsonb_typeof(config) is distinct from 'object' then
      raise exception '% config is not a jsonb object', stage;
    end if;
    if config->>'config_type' is distinct from stage then
      raise exception 'invalid config_type for % config', stage;
    end if;
    if config->>'implementation' is null and stage in ('embedding', 'indexing', 'text_indexing', 'scheduling', 'processing') then
      raise exception '% implementation not specified', stage;
    end if;
    if not (known->stage) ? coalesce(config->>'implementation', '') then
      case
        when stage in ('loading', 'parsing', 'chunking') then raise exception 'invalid % config implementation', stage;
        when stage = 'formatting' then raise exception 'unrecognized formatting implementation';
        when stage = 'destination' then raise exception 'invalid implementation for destination config';
        when stage in ('scheduling', 'processing') then raise exception 'unrecognized % implementation: "%"', stage, config->>'implementation';
        else raise exception 'invalid % implementation: "%"', stage, config->>'implementation';
      end case;
    end if;
  end loop;
  perform ai._validate_numbers(stages);
end $$;

create or replace function ai._validate_numbers(stages jsonb) returns void language plpgsql stable as $$
declare
  field text;
  value jsonb;
  most int;
begin
  for field, most in values ('batch_size', 2048), ('concurrency', 50) loop
    value := stages->'processing'->field;
    continue when value is null;
    if jsonb_typeof(value) <> 'number' then raise exception '% must be a number', field; end if;
    if value::int > most then raise exception '% must be less than or equal to %', field, most; end if;
    if value::int < 1 then raise exception '% must be greater than 0', field; end if;
  end loop;
  if stages->'indexing'->>'storage_layout' not in ('memory_optimized', 'plain') then raise exception 'invalid storage_layout'; end if;
  if stages->'indexing'->>'opclass' not in ('vector_ip_ops', 'vector_cosine_ops', 'vector_l1_ops', 'vector_l2_ops') then raise exception 'invalid opclass'; end if;
  if stages->'embedding'->>'implementation' = 'voyageai' and stages->'embedding'->>'input_type' not in ('query', 'document') then
    raise exception 'invalid input_type for voyage ai "%"', stages->'embedding'->>'input_type';
  end if;
  if stages->'chunking'->>'implementation' <> 'none' then
    if coalesce((stages->'chunking'->>'chunk_size')::int, 800) < 1 then raise exception 'chunk_size must be greater than 0'; end if;
    if (stages->'chunking'->>'chunk_overlap')::int > (stages->'chunking'->>'chunk_size')::int then
      raise exception 'chunk_overlap is %, which is more than chunk_size, %', stages->'chunking'->>'chunk_overlap', stages->'chunking'->>'chunk_size';
    end if;
  end if;
end $$;

-- What holds of stages on a table.
create or replace function ai._validate_for_table(stages jsonb, source regclass) returns void language plpgsql stable as $$
declare
  loading jsonb := stages->'loading';
  parsing text := stages->'parsing'->>'implementation';
  column_name name := loading->>'column_name';
  column_type name;
begin
  if column_name is null then raise exception 'invalid loading config, missing column_name'; end if;
  if jsonb_typeof(loading->'retries') is distinct from 'number' or (loading->>'retries')::numeric < 0 then
    raise exception 'invalid loading config, retries must be a non-negative integer';
  end if;
  if loading->>'aws_role_arn' not like 'arn:aws:iam::%:role/%' then
    raise exception 'invalid loading config, aws_role_arn must match arn:aws:iam::*:role/*';
  end if;
  select t.typname into column_type
  from pg_attribute a join pg_type t on t.oid = a.atttypid
  where a.attrelid = source and a.attname = column_name and a.attnum > 0 and not a.attisdropped;
  if column_type is null then raise exception 'column_name in config does not exist in the table: %', column_name; end if;
  if column_type not in ('text', 'varchar', 'char', 'bpchar', 'bytea') then
    raise exception 'column_name % in config is of invalid type %. Supported types are: text, varchar, char, bpchar, bytea', column_name, column_type;
  end if;
  if loading->>'implementation' = 'uri' and column_type = 'bytea' then
    raise exception 'the type of the column \`%\` in config is not compatible with \`uri\` loading implementation (type should be either text, varchar, char, bpchar)', column_name;
  end if;
  if parsing = 'none' and column_type = 'bytea' then raise exception 'cannot use parsing_none with bytea columns'; end if;
  if loading->>'implementation' = 'column' and parsing in ('pymupdf', 'docling') and column_type <> 'bytea' then
    raise exception 'parsing_% must be used with a bytea column', parsing;
  end if;
  if coalesce(stages->'formatting'->>'template', '') not like '%$chunk%' and coalesce(stages->'formatting'->>'template', '') not like '%\${chunk}%' then
    raise exception 'template must contain $chunk placeholder';
  end if;
  if exists (select from pg_attribute a where a.attrelid = source and a.attname = 'chunk' and a.attnum > 0 and not a.attisdropped) then
    raise exception 'formatting_python_template may not be used when source table has a column named "chunk"';
  end if;
  if stages->'destination'->>'implementation' = 'column' and stages->'chunking'->>'implementation' <> 'none' then
    raise exception 'chunking must be none for column destination';
  end if;
end $$;
`

/** Functions that write settings of stages down, and those that check them. */
export const stagesSql = [...choices.map(functionOf), grantSql, validationSql].join('\n\n')
