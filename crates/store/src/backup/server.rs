//! PostgreSQL: a copy by `pg_dump`, put back by `pg_restore` into one transaction of `psql`.

use std::{path::Path, process::Stdio, time::Duration};

use sqlx::Row as _;
use tokio::io::AsyncWriteExt as _;

use super::{
    BackupError, Progress, Restore, refuse_sessions,
    tools::{command, failed, not_started},
};
use crate::{Inspector, Size, StoreError, Table, inspect::quoted};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Copies the database into the file `to`, and tells what the copy holds: both read the same snapshot.
pub(super) async fn copy(
    source: &mut Inspector,
    url: &str,
    to: &Path,
    progress: Progress<'_>,
) -> Result<(i64, Vec<Table>, Vec<Size>), BackupError> {
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    sqlx::raw_sql(begin).execute(source.conn()).await.map_err(StoreError::from)?;
    let row = sqlx::query("SELECT pg_export_snapshot()").persistent(false).fetch_one(source.conn()).await;
    let snapshot: String = row.and_then(|row| row.try_get(0)).map_err(StoreError::from)?;
    let (schema, tables, sizes) =
        (source.schema().await?.version, source.tables().await?, source.sizes().await?);
    let mut dump = command("pg_dump", url)?;
    dump.args(["--format=custom", "--no-owner", "--no-privileges", "--no-password"]);
    // The file is there already, for its owner alone.
    dump.arg(format!("--snapshot={snapshot}")).arg("--file").arg(to);
    let dumping = dump.output();
    tokio::pin!(dumping);
    let done = loop {
        tokio::select! {
            done = &mut dumping => break done.map_err(|error| not_started("pg_dump", &error))?,
            () = tokio::time::sleep(TELL_EVERY) => progress(to.metadata().map_or(0, |it| it.len())),
        }
    };
    // It only read.
    let _ = sqlx::raw_sql("ROLLBACK").execute(source.conn()).await;
    if done.status.success() { Ok((schema, tables, sizes)) } else { Err(failed("pg_dump", &done.stderr)) }
}

/// Replaces all tables by those of the copy, in one transaction, with the mark of a restored database.
pub(super) async fn restore(restore: &Restore<'_>) -> Result<(), BackupError> {
    let missing = || BackupError::Missing("the server".to_owned());
    let mut target = Inspector::open(restore.url, restore.migrations).await?.ok_or_else(missing)?;
    let found = async {
        refuse_sessions(&mut target).await?;
        let row = sqlx::query("SELECT CAST(current_schema() AS TEXT)").persistent(false);
        let row = row.fetch_one(target.conn()).await.map_err(StoreError::from)?;
        let schema: String = row.try_get(0).map_err(StoreError::from)?;
        Ok::<_, BackupError>((quoted(&schema), target.names().await?))
    };
    let found = found.await;
    target.close().await;
    let (schema, tables) = found?;

    let mut archive = command("pg_restore", restore.url)?;
    archive.args(["--no-owner", "--no-privileges", "--file=-"]).arg(restore.from).stdout(Stdio::piped());
    let mut session = command("psql", restore.url)?;
    session.args(["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"]);
    // What a row holds has no place in an error.
    session.args(["--set=VERBOSITY=terse", "--set=SHOW_CONTEXT=never", "--file=-"]).stdin(Stdio::piped());
    // Started only once both were found.
    let mut session = session.spawn().map_err(|error| not_started("psql", &error))?;
    let mut archive = archive.spawn().map_err(|error| not_started("pg_restore", &error))?;
    let (Some(mut from), Some(mut to)) = (archive.stdout.take(), session.stdin.take()) else {
        return Err(BackupError::Tool { tool: "psql", said: "it has no standard input".to_owned() });
    };
    let mut first = "SET client_min_messages = warning; BEGIN; SET LOCAL statement_timeout = 0;\n".to_owned();
    for table in tables {
        first.push_str(&format!("DROP TABLE IF EXISTS {schema}.{} CASCADE;\n", quoted(&table)));
    }
    let text = schema.replace('\'', "''");
    let (mark, marked) = (restore.restored_ms, "(only_row, restored_ms)");
    let last = format!(
        "\nDO $tacit$ BEGIN IF to_regclass('{text}.witness_restored') IS NOT NULL THEN \
         DELETE FROM {schema}.witness_restored; \
         INSERT INTO {schema}.witness_restored {marked} VALUES (1, {mark}); END IF; END $tacit$;\n"
    );
    let fed = async {
        to.write_all(first.as_bytes()).await?;
        tokio::io::copy(&mut from, &mut to).await?;
        to.write_all(last.as_bytes()).await
    };
    // When psql gave up it reads no more; what it said is the reason then.
    let fed: std::io::Result<()> = fed.await;
    drop(from);
    let archived = archive.wait_with_output().await.map_err(|error| not_started("pg_restore", &error))?;
    let is_whole = fed.is_ok() && archived.status.success();
    // Without it everything is undone.
    let committed = if is_whole { to.write_all(b"COMMIT;\n").await } else { Ok(()) };
    drop(to);
    let ended = session.wait_with_output().await.map_err(|error| not_started("psql", &error))?;
    if !ended.status.success() {
        return Err(failed("psql", &ended.stderr));
    }
    if !is_whole {
        return Err(failed("pg_restore", &archived.stderr));
    }
    committed.map_err(|error| not_started("psql", &error))
}
