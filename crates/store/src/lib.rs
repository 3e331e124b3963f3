//! What all databases share: the pool, transactions, migrations, group commit, and the log's tables.
//!
//! Each role owns its tables and queries in its own `src/store/`; this crate owns how a connection is
//! opened ([`Db`]), how many small writes become one durable commit ([`Group`]), how many rows become
//! one statement ([`bulk`]), and the transparency log's tables ([`log`]).
//!
//! SQLite is the embedded default: WAL with `synchronous = FULL`, so that a commit that returned is
//! on the disk. All queries take numbered parameters and BIGINT, TEXT and BLOB columns only, so that
//! PostgreSQL can stand behind the same text.

mod db;
mod error;
mod group;
mod lease;

pub mod bulk;
pub mod log;
pub mod witness;

pub use db::{Db, Dialect};
pub use error::StoreError;
pub use group::{Group, GroupWork, Overloaded};
pub use lease::Lease;
pub use sqlx::AnyConnection as Conn;
