//! What all databases share: the pool, transactions, migrations, group commit, and the log's tables.
//!
//! Each role owns its tables and queries in its own `src/store/`; this crate owns how a connection is
//! opened ([`Db`]), how many small writes become one durable commit ([`Group`]), how many rows become
//! one statement ([`bulk`]), and the transparency log's tables ([`log`]).
//!
//! SQLite is the embedded default: WAL with `synchronous = FULL`, so that a commit that returned is
//! on the disk. Columns are BIGINT, TEXT and BLOB only. A query with parameters of its own numbers them
//! (`$1`), which SQLite and PostgreSQL both read. The texts that roles hand to [`bulk`], [`Writes`] and
//! [`Reads`] have the nameless `?` instead: SQLite finds a numbered parameter by walking over all of
//! them, which thousands of parameters do not bear, and statements that go together count theirs through.
//! PostgreSQL does not know `?`: these three write `$n` there.

mod db;
mod disk;
mod error;
mod group;
mod inspect;
mod lease;
mod postgres;
mod reads;
mod transaction;
mod writes;

pub mod backup;
pub mod bulk;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod log;
pub mod witness;

pub use db::{Db, Dialect, Migrations};
pub use disk::disk_failed;
pub use error::{StoreError, UnknownCommit};
pub use group::{Group, GroupTx, GroupWork, Overloaded};
pub use inspect::{Inspector, Pending, Schema, Size, Table, file_of, free_bytes};
pub use lease::Lease;
pub use reads::{ReadId, Reads, Rows};
pub use sqlx::AnyConnection as Conn;
pub use transaction::{Tx, begin, execute_alone};
pub use writes::Writes;
