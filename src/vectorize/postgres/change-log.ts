import { WindlassError } from '../../base/errors.ts'
import type { Database, Sql } from './database.ts'
import { ident, literal, tableIdent, type TableName } from './identifiers.ts'
import { columnOf, describeTable, keyExpression } from './source-table.ts'

// A table notes the keys of rows that changed, with the transaction that did it. A listing names the oldest transaction that was still
// running when it began: whatever began before is visible to it, finished or not at all, and whatever comes later is listed by the next
// one. Sequence numbers or times would lose what commits late. (Snapshots as in section 8.5 of the PostgreSQL manual, "System Information
// Functions": pg_snapshot_xmin.)

/** What a table notes for one vectorizer. */
export interface ChangeLogRequest {
  readonly vectorizer: string
  readonly table: TableName
  /** Changes of others are not noted. */
  readonly columns: readonly string[]
}

const setupSql = `
create schema if not exists windlass;
create table if not exists windlass.change_logs (
  vectorizer text primary key,
  id uuid not null unique default gen_random_uuid(),
  source_schema name not null,
  source_table name not null,
  trigger_name name not null,
  pruned_before xid8 not null default '0'
);
create table if not exists windlass.changes (
  log uuid not null references windlass.change_logs (id) on delete cascade,
  xid xid8 not null default pg_current_xact_id(),
  key text
);
create index if not exists changes_log_xid_idx on windlass.changes (log, xid);
comment on column windlass.changes.key is 'primary key of the row; null: the table was truncated';
`

/**
 * Lets a table note its changes, from an empty log: the next listing is of the whole table.
 * @returns The table as SQL writes it.
 * @throws {WindlassError} `not-found`, `invalid` for a table without primary key or without one of the columns, `denied`.
 */
export async function installChangeLog(database: Database, { vectorizer, table: name, columns }: ChangeLogRequest): Promise<string> {
  return database.transaction(async (sql) => {
    await sql.query(setupSql)
    const table = await describeTable(sql, name)
    for (const column of columns) columnOf(table, column, 'source')
    await dropTriggers(sql, vectorizer)
    await sql.query('delete from windlass.change_logs where vectorizer = $1', [vectorizer])
    const trigger = `windlass_${vectorizer}`
    const [log] = await sql.query<{ id: string }>('insert into windlass.change_logs (vectorizer, source_schema, source_table, trigger_name) values ($1, $2, $3, $4) returning id', [vectorizer, name.schema, name.name, trigger])
    const note = (key: string) => `insert into windlass.changes (log, key) values (${literal(log!.id)}, ${key});`
    const watched = columns.map((column) => `old.${ident(column)} is distinct from new.${ident(column)}`).join(' or ')
    const place = `windlass.${ident(trigger)}`
    // Runs as its owner: whoever writes into the table need not be allowed to write here.
    await sql.query(`
      create function ${place}() returns trigger language plpgsql security definer set search_path to pg_catalog, pg_temp as $body$
      begin
        if tg_op = 'TRUNCATE' then
          ${note('null')}
        elsif tg_op = 'INSERT' then
          ${note(keyExpression(table, 'new'))}
        elsif tg_op = 'DELETE' then
          ${note(keyExpression(table, 'old'))}
        elsif ${keyExpression(table, 'old')} <> ${keyExpression(table, 'new')} then
          ${note(keyExpression(table, 'old'))}
          ${note(keyExpression(table, 'new'))}
        elsif ${watched === '' ? 'true' : watched} then
          ${note(keyExpression(table, 'new'))}
        end if;
        return null;
      end $body$;
      revoke all on function ${place}() from public;
      create trigger ${ident(trigger)} after insert or update or delete on ${tableIdent(name)} for each row execute function ${place}();
      create trigger ${ident(`${trigger}_truncate`)} after truncate on ${tableIdent(name)} for each statement execute function ${place}();`)
    return tableIdent(name)
  })
}

/** Takes triggers and log of a vectorizer away. @returns whether there were any. */
export async function uninstallChangeLog(database: Database, vectorizer: string): Promise<boolean> {
  return database.transaction(async (sql) => {
    const [there] = await sql.query<{ is_there: boolean }>(`select to_regclass('windlass.change_logs') is not null as is_there`)
    if (!there?.is_there) return false
    await dropTriggers(sql, vectorizer)
    const gone = await sql.query('delete from windlass.change_logs where vectorizer = $1 returning id', [vectorizer])
    return gone.length > 0
  })
}

async function dropTriggers(sql: Sql, vectorizer: string): Promise<void> {
  const [log] = await sql.query<{ source: string | null; trigger_name: string }>(
    `select to_regclass(format('%I.%I', source_schema, source_table))::text as source, trigger_name::text from windlass.change_logs where vectorizer = $1`,
    [vectorizer],
  )
  if (!log) return
  if (log.source !== null) {
    await sql.query(`drop trigger if exists ${ident(log.trigger_name)} on ${log.source}`)
    await sql.query(`drop trigger if exists ${ident(`${log.trigger_name}_truncate`)} on ${log.source}`)
  }
  await sql.query(`drop function if exists windlass.${ident(log.trigger_name)}()`)
}

/** A log as it stands, before anything of its table is read. */
export interface ChangeLog {
  readonly id: string
  /** To be kept, once everything that is listed from now on is done. */
  readonly cursor: string
  /** Whether the log knows everything that changed since a cursor. */
  knows(since: string): Promise<boolean>
}

/** The log of a vectorizer's table; null where there is none, or where its triggers do not run. */
export async function openChangeLog(sql: Sql, vectorizer: string, table: TableName): Promise<ChangeLog | null> {
  const [there] = await sql.query<{ is_there: boolean }>(`select to_regclass('windlass.change_logs') is not null as is_there`)
  if (!there?.is_there) return null
  const [log] = await sql.query<{ id: string; pruned_before: string; xmin: string; history: string; triggers: number }>(
    `select l.id::text, l.pruned_before::text, pg_snapshot_xmin(pg_current_snapshot())::text as xmin,
       (select system_identifier::text from pg_control_system()) || '-' || (select timeline_id from pg_control_checkpoint()) as history,
       (select count(*)::int from pg_trigger t where t.tgrelid = to_regclass($2) and t.tgname in (l.trigger_name, l.trigger_name || '_truncate') and t.tgenabled in ('O', 'A')) as triggers
     from windlass.change_logs l where l.vectorizer = $1`,
    [vectorizer, tableIdent(table)],
  )
  if (!log || log.triggers !== 2) return null
  // Transactions are numbered anew in a database that was restored elsewhere, and twice in one that was set back.
  const place = `${log.history}/${log.id}`
  return {
    id: log.id,
    cursor: `${place}/${log.xmin}`,
    async knows(since) {
      const at = since.lastIndexOf('/')
      const from = since.slice(at + 1)
      if (since.slice(0, at) !== place || !/^\d+$/.test(from)) return false
      if (BigInt(from) < BigInt(log.pruned_before) || BigInt(from) > BigInt(log.xmin)) return false
      const truncations = await sql.query('select from windlass.changes where log = $1::uuid and xid >= $2::text::xid8 and key is null limit 1', [log.id, from])
      return truncations.length === 0
    },
  }
}

/** Keys of rows that changed since a cursor, each once, some hundreds at a time. */
export async function* changedKeys(sql: Sql, { id }: ChangeLog, since: string, pageKeys: number): AsyncIterable<string[]> {
  const from = since.slice(since.lastIndexOf('/') + 1)
  for (let after: string | null = null; ; ) {
    const rows: { key: string }[] = await sql.query<{ key: string }>(
      `select distinct key collate "C" as key from windlass.changes where log = $1::uuid and xid >= $2::text::xid8 and ($3::text is null or key collate "C" > $3) order by 1 limit $4`,
      [id, from, after, pageKeys],
    )
    if (rows.length === 0) return
    yield rows.map(({ key }) => key)
    after = rows.at(-1)!.key
  }
}

/** Forgets what changed before a cursor that has been kept. Housekeeping: a role that may only read leaves it to others. */
export async function pruneChanges(sql: Sql, { id }: ChangeLog, since: string): Promise<void> {
  const from = since.slice(since.lastIndexOf('/') + 1)
  await sql
    .query(
      `with pruned as (update windlass.change_logs set pruned_before = $2::text::xid8 where id = $1::uuid and pruned_before < $2::text::xid8 returning id)
       delete from windlass.changes c using pruned where c.log = pruned.id and c.xid < $2::text::xid8`,
      [id, from],
    )
    .catch((error: unknown) => {
      if (!(error instanceof WindlassError)) throw error
    })
}
