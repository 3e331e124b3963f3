//! The portal's tables: every SQL statement of this crate stands below here.

pub(crate) mod acts;
pub(crate) mod sessions;

use sqlx::migrate::Migrator;
use tacit_store::{Db, Migrations, StoreError};

static SQLITE: Migrator = sqlx::migrate!("../../migrations/portal/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/portal/postgres");

/// Schema of the portal's database.
pub static MIGRATIONS: Migrations<'static> = Migrations { sqlite: &SQLITE, postgres: Some(&POSTGRES) };

/// Opens the portal's database (`sqlite:PATH` or `postgres://USER@HOST/DATABASE`) and brings its schema up to date.
///
/// # Errors
/// As [`Db::open`].
pub async fn open(url: &str) -> Result<Db, StoreError> {
    Db::open(url, &MIGRATIONS).await
}
