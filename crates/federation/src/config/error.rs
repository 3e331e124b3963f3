//! What is wrong with a configuration file.

use std::path::{Path, PathBuf};

use figment::{Source, error::Kind};
use tacit_identity::Role;

/// A configuration that cannot be used. Whoever wrote it is at fault; the text names file and key, and no
/// secret, since there are none in the files.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{}: {problem}", file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// Where and what.
        problem: String,
    },
    /// A key is unknown, missing or has an unfit value.
    #[error("{place}: {key}: {problem}")]
    Key {
        /// The file, or the environment variable.
        place: String,
        /// The key with its tables, as in `limits.permit_ms`.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// The file is a portal's.
    #[error("{}: role: this file is for a portal; a file of a party of the federation is wanted", file.display())]
    Portal {
        /// The file.
        file: PathBuf,
    },
    /// The file is for another role.
    #[error("{}: role: this file is for role `{found}`, a file for role `{expected}` is wanted", file.display())]
    OtherRole {
        /// The file.
        file: PathBuf,
        /// Its role.
        found: Role,
        /// The role that was wanted.
        expected: Role,
    },
}

impl ConfigError {
    pub(super) fn of(file: &Path, error: figment::Error) -> Self {
        // The first problem: the others are often its consequences.
        let mut path = error.path.clone();
        if let Kind::MissingField(field) = &error.kind {
            path.push(field.to_string());
        }
        let key = path.join(".");
        let problem = match &error.kind {
            Kind::UnknownField(_, known) => format!("no such key here; there are: {}", known.join(", ")),
            Kind::MissingField(_) => "missing; add it".to_owned(),
            other => other.to_string(),
        };
        let variable = error.metadata.as_ref().filter(|it| !matches!(it.source, Some(Source::File(_))));
        let place = match variable.filter(|_| !key.is_empty()) {
            Some(_) => format!("environment variable TACIT_{}", key.to_uppercase().replace('.', "__")),
            None => file.display().to_string(),
        };
        if key.is_empty() {
            return Self::Form { file: file.to_owned(), problem };
        }
        Self::Key { place, key, problem }
    }
}
