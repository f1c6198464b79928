// Statements of pgai's documentation as they stand there (github.com/timescale/pgai, docs/vectorizer at 3e054856, PostgreSQL License): what a
// user of pgai has in scripts must run unchanged.

/** Tables that the statements are about, where the pages show them; `website.blog`, `my_table` and `blog_posts` are only named there. */
export const documentedTables = [
  `CREATE TABLE blog(
    id        SERIAL PRIMARY KEY,
    title     TEXT,
    authors   TEXT,
    contents  TEXT,
    metadata  JSONB
);`,
  `INSERT INTO blog (title, authors, contents, metadata)
VALUES
('Introduction to Vector Search', 'Ana Smith', 'Vector search is a technique...', '{"category": "AI", "tags": ["search", "vectors"]}'),
('PostgreSQL Tips', 'John Doe', 'Here are some tips for optimizing...', '{"category": "Database", "tags": ["postgres", "performance"]}');`,
  `CREATE TABLE product_names (
   id SERIAL PRIMARY KEY,
   name TEXT NOT NULL,
   name_embedding VECTOR(768)
);`,
  `INSERT INTO product_names (name) VALUES
   ('Ergonomic Office Chair'),
   ('Wireless Keyboard');`,
  `CREATE TABLE document (
    id SERIAL PRIMARY KEY,
    title TEXT NOT NULL,
    uri TEXT NOT NULL,
    content_type TEXT,
    created_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
    owner_id INTEGER,
    access_level TEXT,
    tags TEXT[]
);`,
  `CREATE TABLE documentation (
    id SERIAL PRIMARY KEY,
    title TEXT NOT NULL,
    file_uri TEXT NOT NULL,
    created_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP
);`,
  `CREATE TABLE internal_document (
    id SERIAL PRIMARY KEY,
    title TEXT NOT NULL,
    content BYTEA NOT NULL,
    created_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP
);`,
  'CREATE SCHEMA website',
  'CREATE TABLE website.blog (id SERIAL PRIMARY KEY, title TEXT, published TIMESTAMPTZ, contents TEXT)',
  'CREATE TABLE my_table (id SERIAL PRIMARY KEY, contents TEXT, file_uri_column_name TEXT, file BYTEA)',
  'CREATE TABLE blog_posts (id SERIAL PRIMARY KEY, title TEXT, author TEXT, category TEXT, published TIMESTAMPTZ, contents TEXT)',
]

/** Whole statements. Each on its own: some pages use one name for several. */
export const documentedVectorizers = [
  `SELECT ai.create_vectorizer(
    'website.blog'::regclass,
    loading => ai.loading_column('contents'),
    embedding => ai.embedding_ollama('nomic-embed-text', 768),
    chunking => ai.chunking_character_text_splitter(128, 10),
    formatting => ai.formatting_python_template('title: $title published: $published $chunk'),
    grant_to => ai.grant_to('bob', 'alice')
);`,
  `SELECT ai.create_vectorizer(
   'blog'::regclass,
   loading => ai.loading_column('contents'),
   embedding => ai.embedding_openai('text-embedding-3-small', 1536),
   destination => ai.destination_table('blog_contents_embeddings')
);`,
  `SELECT ai.create_vectorizer(
   'product_names'::regclass,
   loading => ai.loading_column('name'),
   embedding => ai.embedding_openai('text-embedding-3-small', 768),
   chunking => ai.chunking_none(),  -- Required for column destination
   destination => ai.destination_column('name_embedding')
);`,
  `SELECT ai.create_vectorizer(
   'blog'::regclass,
   loading => ai.loading_column('contents'),
   embedding => ai.embedding_openai('text-embedding-3-small', 768),
   formatting => ai.formatting_python_template('$title by $authors: $chunk'),
   destination => ai.destination_table('blog_contents_embeddings')
);`,
  `SELECT ai.create_vectorizer(
   'blog'::regclass,
   loading => ai.loading_column('contents'),
   embedding => ai.embedding_openai('text-embedding-3-small', 768),
   indexing => ai.indexing_hnsw(min_rows => 10000),
   destination => ai.destination_table('blog_contents_embeddings')
);`,
  `SELECT ai.create_vectorizer(
    'document'::regclass,
    loading => ai.loading_uri(column_name => 'uri'),
    parsing => ai.parsing_auto(), -- Optional: auto-detects parser, this is the default and can also be omitted
    chunking => ai.chunking_recursive_character_text_splitter(
        chunk_size => 700,
        separators => array[E'\\n## ', E'\\n### ', E'\\n#### ', E'\\n- ', E'\\n1. ', E'\\n\\n', E'\\n', '.', '?', '!', ' ', '', '|']
    ),
    embedding => ai.embedding_openai('text-embedding-3-small', 768),
    destination => ai.destination_table('document_embeddings')
);`,
  `SELECT ai.create_vectorizer(
    'documentation'::regclass,
    loading => ai.loading_uri(column_name => 'file_uri'),
    parsing => ai.parsing_auto(), -- Auto-detects parser, this is the default and can also be omitted
    chunking => ai.chunking_recursive_character_text_splitter(
        chunk_size => 700,
        separators => array[E'\\n## ', E'\\n### ', E'\\n#### ', E'\\n- ', E'\\n1. ', E'\\n\\n', E'\\n', '.', '?', '!', ' ', '', '|']
    ),
    embedding => ai.embedding_openai('text-embedding-3-small', 768)
);`,
  `SELECT ai.create_vectorizer(
    'internal_document'::regclass,
    loading => ai.loading_column(column_name => 'content'),
    chunking => ai.chunking_recursive_character_text_splitter(
        chunk_size => 500,
        chunk_overlap => 100,
        separators => array[E'\\n\\n', E'\\n', '.', ' ', '']
    ),
    embedding => ai.embedding_ollama('nomic-embed-text', 768, base_url => 'http://ollama:11434')
);`,
  `SELECT ai.create_vectorizer(
    'document'::regclass,
    loading => ai.loading_uri(
        column_name => 'uri',
        aws_role_arn => 'arn:aws:iam::123456789012:role/S3AccessRole'
    ),
    embedding => ai.embedding_openai('text-embedding-3-small', 768)
);`,
]

/** Arguments that the pages show with `-- other parameters...` after them. */
export const documentedArguments = [
  `loading => ai.loading_column('contents')`,
  `loading => ai.loading_uri('file_uri_column_name')`,
  `loading => ai.loading_uri(
    column_name => 'file_uri_column_name',
    retries => 6,              -- Optional: number of retry attempts (default: 6)
    aws_role_arn => 'arn:aws:iam::123456789012:role/S3AccessRole'  -- Optional: for S3 access using role assumption
)`,
  `parsing => ai.parsing_auto()`,
  `parsing => ai.parsing_none()`,
  `loading => ai.loading_column('file'), parsing => ai.parsing_docling()`,
  `loading => ai.loading_column('file'), parsing => ai.parsing_pymupdf()`,
  `chunking => ai.chunking_character_text_splitter(128, 10, E'\\n')`,
  `chunking => ai.chunking_recursive_character_text_splitter(
        256,
        20,
        separators => array[E'\\n;', ' ']
      )`,
  `embedding => ai.embedding_litellm(
          'huggingface/microsoft/codebert-base',
          768,
          api_key_name => 'HUGGINGFACE_API_KEY',
          extra_options => '{"wait_for_model": true}'::jsonb
        )`,
  `embedding => ai.embedding_litellm(
          'vertex_ai/text-embedding-005',
          768
        )`,
  `embedding => ai.embedding_openai(
          'text-embedding-3-small',
          768,
          chat_user => 'bob',
          api_key_name => 'MY_OPENAI_API_KEY_NAME'
        )`,
  `embedding => ai.embedding_ollama(
      'nomic-embed-text',
      768,
      base_url => 'http://my.ollama.server:443',
      options => '{ "num_ctx": 1024 }',
      keep_alive => '10m'
    )`,
  `embedding => ai.embedding_voyageai(
      'voyage-3-lite',
      512,
      api_key_name => 'TEST_API_KEY'
    )`,
  `formatting => ai.formatting_python_template('$chunk')`,
  `formatting => ai.formatting_python_template('BEGIN DOCUMENT\\n$chunk\\nEND DOCUMENT')`,
  `indexing => ai.indexing_default()`,
  `indexing => ai.indexing_none()`,
  `indexing => ai.indexing_diskann(min_rows => 500000, storage_layout => 'memory_optimized')`,
  `indexing => ai.indexing_hnsw(min_rows => 50000, opclass => 'vector_l1_ops')`,
  `scheduling => ai.scheduling_default()`,
  `scheduling => ai.scheduling_none()`,
  `scheduling => ai.scheduling_timescaledb()`,
  `scheduling => ai.scheduling_timescaledb(interval '1 hour')`,
  `scheduling => ai.scheduling_timescaledb(
        interval '30 minutes',
        initial_start => '2024-01-01 00:00:00'::timestamptz,
        timezone => 'America/New_York'
      )`,
  `scheduling => ai.scheduling_timescaledb(
        interval '1 day',
        fixed_schedule => true,
        timezone => 'UTC'
      )`,
  `processing => ai.processing_default(batch_size => 200, concurrency => 5)`,
  `grant_to => ai.grant_to('bob', 'alice')`,
]

/** What is asked of a vectorizer with the id 1. */
export const documentedManagement = [
  'SELECT * FROM ai.vectorizer_status;',
  'SELECT * FROM ai.vectorizer_status WHERE pending_items > 0;',
  `-- Alert if any vectorizer has more than 1000 pending items
   SELECT id, source_table, pending_items
   FROM ai.vectorizer_status
   WHERE pending_items > 1000;`,
  'SELECT ai.vectorizer_queue_pending(1);',
  'SELECT ai.vectorizer_queue_pending(1, exact_count=>true);',
  'SELECT * FROM ai.vectorizer_errors;',
  'SELECT * FROM ai.vectorizer_errors WHERE id = 1;',
  'SELECT * FROM ai._vectorizer_q_1',
  'SELECT ai.disable_vectorizer_schedule(1);',
  'SELECT ai.enable_vectorizer_schedule(1);',
  'SELECT ai.drop_vectorizer(1);',
]
