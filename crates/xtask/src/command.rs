//! Starting other programs, and the one error type of the chores.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why a chore could not be done at all. What a check *found* is not an error.
#[derive(Debug)]
pub(crate) enum Error {
    /// A file could not be read.
    Read { path: PathBuf, source: io::Error },
    /// A file could not be written.
    Write { path: PathBuf, source: io::Error },
    /// A program could not be started or awaited.
    Start { program: OsString, source: io::Error },
    /// A program that has to succeed did not; its own output says why.
    Failed { program: OsString, arguments: Vec<OsString> },
    /// The output of a program, or a file, is not what it should be.
    Shape { what: String },
    /// Something is missing and cannot be installed from here.
    Missing { what: &'static str, remedy: &'static str },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Write { path, source } => write!(f, "cannot write {}: {source}", path.display()),
            Self::Start { program, source } => write!(f, "cannot run {}: {source}", program.display()),
            Self::Failed { program, arguments } => {
                write!(f, "failed: {}", program.display())?;
                arguments.iter().try_for_each(|argument| write!(f, " {}", argument.display()))
            }
            Self::Shape { what } => write!(f, "unexpected content: {what}"),
            Self::Missing { what, remedy } => write!(f, "{what} is missing; {remedy}"),
        }
    }
}

impl Error {
    pub(crate) fn start(command: &Command, source: io::Error) -> Self {
        Self::Start { program: command.get_program().to_owned(), source }
    }

    pub(crate) fn failed(command: &Command) -> Self {
        Self::Failed {
            program: command.get_program().to_owned(),
            arguments: command.get_args().map(ToOwned::to_owned).collect(),
        }
    }
}

/// A `cargo` command at the root, without what `cargo run` told this process about the xtask package:
/// build scripts of outside crates (ring's) watch those variables, and would run again at every chore.
pub(crate) fn cargo(root: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        let told = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME"
        });
        if told {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program with this terminal's output; true when it succeeded.
pub(crate) fn run(mut command: Command) -> Result<bool, Error> {
    let status = command.status().map_err(|source| Error::start(&command, source))?;
    Ok(status.success())
}

/// Runs a program that has to succeed and returns what it wrote to standard output.
pub(crate) fn output(mut command: Command) -> Result<Vec<u8>, Error> {
    command.stderr(std::process::Stdio::inherit());
    let output = command.output().map_err(|source| Error::start(&command, source))?;
    if output.status.success() { Ok(output.stdout) } else { Err(Error::failed(&command)) }
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}
