//! `tacit db status`: what a database holds, and whether it is whole.

use std::collections::BTreeMap;

use serde_json::json;
use tacit_store::{Inspector, Schema, free_bytes};

use super::{Common, Site, human, missing, word};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
};

/// Arguments of `db status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Do not look through all pages of an SQLite file, which takes its time with a large one.
    #[arg(long)]
    quick: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let site = Site::load(&arguments.common)?;
    let mut inspector = Inspector::open(&site.url, site.migrations).await?.ok_or_else(|| missing(&site))?;
    let damage = if arguments.quick { None } else { Some(inspector.damage().await?) };
    let (schema, tables) = (inspector.schema().await?, inspector.tables().await?);
    let (sizes, bytes) = (inspector.sizes().await?, inspector.bytes().await?);
    let free = inspector.path().and_then(|path| free_bytes(path).ok());
    let is_well = damage.as_ref().is_none_or(Vec::is_empty) && schema.is_known();
    let sizes: BTreeMap<&str, u64> = sizes.iter().map(|it| (it.name, it.value)).collect();
    let value = json!({
        "role": site.role, "federation": site.federation.as_str(), "member": site.member,
        "database": word(inspector.dialect()), "place": inspector.place(), "bytes": bytes, "free_bytes": free,
        "schema": {
            "version": schema.version, "newest": schema.newest,
            "pending": schema.pending.iter().map(|it| it.version).collect::<Vec<_>>(),
            "unknown": schema.unknown, "changed": schema.changed, "unfinished": schema.unfinished,
        },
        "sizes": sizes,
        "tables": tables.iter().map(|it| (it.name.as_str(), it.rows)).collect::<BTreeMap<_, _>>(),
        "damage": damage, "well": is_well,
    });
    context.output.result(&value, || {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let mut rows = vec![
            row("member", format!("{} of {}, {}", site.member, site.federation, site.role)),
            row("database", format!("{}, {}", word(inspector.dialect()), inspector.place())),
            row("size", human(bytes)),
        ];
        if let Some(free) = free {
            rows.push(row("free", format!("{} on its disk", human(free))));
        }
        rows.push(row("schema", schema_words(&schema)));
        for (name, meaning) in [
            ("log", "records in the log"),
            ("cosigned", "records that a quorum of witnesses stands behind"),
            ("witnessed", "records of the log, verified"),
            ("changes", "changes of own records"),
        ] {
            if let Some(size) = sizes.get(name) {
                rows.push(row(name, format!("{size} {meaning}")));
            }
        }
        rows.push(row(
            "integrity",
            match &damage {
                None => "not looked at".to_owned(),
                Some(found) if found.is_empty() => "whole".to_owned(),
                Some(found) => format!("DAMAGED: {}", found.join("; ")),
            },
        ));
        rows.push(Vec::new());
        rows.push(row("TABLE", "ROWS".to_owned()));
        rows.extend(tables.iter().map(|table| row(&table.name, table.rows.to_string())));
        columns(&rows)
    })?;
    inspector.close().await;
    Ok(if is_well { Exit::Done } else { Exit::Trouble })
}

pub(crate) fn schema_words(schema: &Schema) -> String {
    let list = |versions: &[i64]| versions.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    if !schema.unknown.is_empty() {
        return format!("version {}, NEWER than this program, which knows {}", schema.version, schema.newest);
    }
    if !schema.unfinished.is_empty() {
        return format!("BROKEN: migration {} was begun and not ended", list(&schema.unfinished));
    }
    if !schema.changed.is_empty() {
        return format!("OF ANOTHER PROGRAM: migration {} differs", list(&schema.changed));
    }
    if schema.pending.is_empty() {
        return format!("version {}, up to date", schema.version);
    }
    let pending: Vec<i64> = schema.pending.iter().map(|it| it.version).collect();
    format!("version {}; to be applied: {} (tacit db migrate)", schema.version, list(&pending))
}
