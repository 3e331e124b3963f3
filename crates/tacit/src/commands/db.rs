//! `tacit db ...`: the database of a role, as its operator works on it: looked at, brought up to date, backed up,
//! put back.

mod backup;
mod manifest;
mod migrate;
mod recovery;
mod restore;
mod status;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use tacit_custodian::{Config, SeedFile};
use tacit_federation::config::{
    AuthorityFile, CoordinatorFile, CustodianFile, Environment, NodeFile, RoleFile as _, role_of,
};
use tacit_identity::{Federation, FileError, Role};
use tacit_model::MemberId;
use tacit_store::{Dialect, Migrations, Schema, StoreError, backup::BackupError};

use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

pub(super) use status::schema_words;

/// `tacit db ...`
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Exit codes: 0 done and well; 1 damage, trouble with a file, or bytes that are not the backup's; 2 a wrong call, key or configuration, or a backup of another member; 3 refused: the database is in use, newer than the backup, or newer than this program."
)]
pub(crate) enum Command {
    /// What the database holds, which schema it has, and whether it is whole. Works while the role runs.
    Status(status::Arguments),
    /// Bring the schema up to date, as the role does at its start.
    Migrate(migrate::Arguments),
    /// Write a consistent copy while the role runs: FILE, and FILE.json which says what it is.
    Backup(backup::Arguments),
    /// Put a backup in the place of the database of a role that does not run.
    Restore(restore::Arguments),
    /// Make a key that the custodian's seeds are sealed to in backups.
    RecoveryKey(recovery::Arguments),
}

/// Which role's database.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The configuration of a coordinator, custodian or node.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Status(arguments) => status::run(context, arguments).await,
            Command::Migrate(arguments) => migrate::run(context, arguments).await,
            Command::Backup(arguments) => backup::run(context, arguments).await,
            Command::Restore(arguments) => restore::run(context, arguments).await,
            Command::RecoveryKey(arguments) => recovery::run(context, arguments),
        }
    })
}

/// A role, and where its database is.
struct Site {
    role: Role,
    federation: Federation,
    member: MemberId,
    url: String,
    listen: SocketAddr,
    migrations: &'static Migrations<'static>,
    /// Of a custodian: the seeds of its pseudonym keys.
    seeds: Vec<SeedFile>,
    /// Of a coordinator: the journal of erasures.
    erasures: Option<PathBuf>,
}

impl Site {
    fn load(common: &Common) -> Result<Self, Failure> {
        let (path, environment) = (&*common.config, Environment::Read);
        Ok(match role_of(path)? {
            role @ Role::Coordinator => {
                let file = CoordinatorFile::load(path, environment)?;
                Self {
                    role,
                    federation: file.federation,
                    member: file.member,
                    url: file.database,
                    listen: file.listen,
                    migrations: &tacit_coordinator::MIGRATIONS,
                    seeds: Vec::new(),
                    erasures: Some(file.erasures),
                }
            }
            role @ Role::Custodian => {
                let file = CustodianFile::load(path, environment)?;
                let seeds = Config::from(&file).pseudonym_seeds;
                Self {
                    role,
                    federation: file.federation,
                    member: file.member,
                    url: file.database,
                    listen: file.listen,
                    migrations: &tacit_custodian::MIGRATIONS,
                    seeds,
                    erasures: None,
                }
            }
            role @ Role::Node => {
                let file = NodeFile::load(path, environment)?;
                Self {
                    role,
                    federation: file.federation,
                    member: file.member,
                    url: file.database,
                    listen: file.listen,
                    migrations: &tacit_node::store::MIGRATIONS,
                    seeds: Vec::new(),
                    erasures: None,
                }
            }
            role @ Role::Authority => {
                let file = AuthorityFile::load(path, environment)?;
                Self {
                    role,
                    federation: file.federation,
                    member: file.member,
                    url: file.database,
                    listen: file.api.http,
                    migrations: &tacit_authority::store::MIGRATIONS,
                    seeds: Vec::new(),
                    erasures: None,
                }
            }
            role @ Role::Auditor => {
                return Err(Failure::usage(format!("a role `{role}` has no database"))
                    .next("name the configuration of a coordinator, custodian, node or authority"));
            }
        })
    }
}

/// The name of a kind of database.
fn word(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgresql",
    }
}

/// Refuses a schema that this program does not know.
pub(super) fn refuse_unknown(schema: &Schema) -> Result<(), Failure> {
    if let Some(newer) = schema.unknown.iter().max() {
        return Err(Failure::new(Exit::Refused, "the database is newer than this program")
            .why(format!(
                "its schema is at version {newer}; this program knows versions up to {}",
                schema.newest
            ))
            .next("use the version of tacit that was used last, or a newer one"));
    }
    if let Some(version) = schema.unfinished.first() {
        return Err(Failure::trouble(format!("migration {version} was begun and not ended"))
            .next("restore the backup from before it; keep this database to find the cause"));
    }
    if let Some(version) = schema.changed.first() {
        return Err(Failure::trouble(format!("migration {version} is not the one that this program has"))
            .why("the database was made by a program that was built from other files")
            .next("use the program that made it"));
    }
    Ok(())
}

/// A bar over so many bytes, when a person is watching.
fn bar(context: &Context, what: &'static str, bytes: u64) -> ProgressBar {
    if !context.output.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes).with_message(what);
    if let Ok(style) =
        ProgressStyle::with_template("{msg} {bar:30} {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// A file beside another one.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Bytes as people read them.
fn human(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// There is no database yet.
fn missing(site: &Site) -> Failure {
    Failure::trouble(format!("there is no database at {}", site.url.trim_start_matches("sqlite:")))
        .why("the role has not run here yet, or the file was moved")
        .next("start the role, or put a backup back: tacit db restore")
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_io_failure() {
            return Self::trouble("the database is damaged")
                .why(error)
                .next("restore a backup: tacit db restore");
        }
        Self::trouble("the database cannot be used").why(error)
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Store(error) => error.into(),
            BackupError::InUse(why) => Self::new(Exit::Refused, "the database is in use")
                .why(why)
                .next("stop the role and everything else that has it open, then try again"),
            BackupError::NoTool(_) => Self::trouble("a program is missing").why(error),
            BackupError::Tool { .. } => Self::trouble("a program of PostgreSQL failed").why(error).next(
                "its release must not be older than the server's; the password comes from PGPASSWORD, PGPASSFILE or ?password_file=",
            ),
            BackupError::Damaged(_) => Self::trouble("the database that is there cannot be read")
                .why(error)
                .next("to put it aside and restore the backup, add --force --yes"),
            BackupError::Checksum(_) => {
                Self::trouble("this is not what was backed up").why(error).next("use another backup")
            }
            BackupError::File { .. } | BackupError::Missing(_) => {
                Self::trouble("a file cannot be used").why(error)
            }
        }
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::trouble("a file cannot be used").why(error)
    }
}
