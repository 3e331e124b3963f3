//! `tacit db migrate`: brings the schema up to date.

use serde_json::json;
use tacit_store::{Db, Inspector};

use super::{Common, Site, refuse_unknown};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `db migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Only say what would be applied.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let site = Site::load(&arguments.common)?;
    let before = match Inspector::open(&site.url, site.migrations).await? {
        Some(mut inspector) => {
            let schema = inspector.schema().await;
            inspector.close().await;
            Some(schema?)
        }
        None => None,
    };
    if let Some(schema) = &before {
        refuse_unknown(schema)?;
    }
    let is_new = before.is_none();
    let pending = before.map(|schema| schema.pending).unwrap_or_default();
    let is_needed = is_new || !pending.is_empty();
    if is_needed && !arguments.dry_run {
        Db::open(&site.url, site.migrations).await?.close().await;
    }
    let steps: Vec<_> = pending.iter().map(|it| format!("{:04} {}", it.version, it.description)).collect();
    context.output.result(
        &json!({
            "new": is_new, "applied": is_needed && !arguments.dry_run,
            "migrations": pending.iter().map(|it| it.version).collect::<Vec<_>>(),
        }),
        || match (is_needed, arguments.dry_run) {
            (false, _) => "The schema is up to date.".to_owned(),
            (true, true) if is_new => "There is no database yet; it would be made.".to_owned(),
            (true, true) => format!("To be applied:\n  {}", steps.join("\n  ")),
            (true, false) if is_new => "The database was made.".to_owned(),
            (true, false) => format!("Applied:\n  {}", steps.join("\n  ")),
        },
    )?;
    Ok(Exit::Done)
}
