//! The programs of PostgreSQL: where they are, and how they are told where to go. Nothing secret is ever on a command
//! line, which every user of the machine can read: the password goes through the environment.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::BackupError;
use crate::postgres;

/// Where Debian and others keep the programs of each release.
const RELEASES: &str = "/usr/lib/postgresql";

/// Variables that could lead elsewhere than the URL.
const ELSEWHERE: [&str; 8] = [
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGHOSTADDR",
    "PGOPTIONS",
    "PGCLUSTER",
    "PGREQUIRESSL",
    "PGTARGETSESSIONATTRS",
    "PGDATESTYLE",
];

/// A program that reaches the database of `url`.
pub(super) fn command(tool: &'static str, url: &str) -> Result<Command, BackupError> {
    let program =
        find(tool, std::env::var_os("PATH"), Path::new(RELEASES)).ok_or(BackupError::NoTool(tool))?;
    let url = postgres::options(url)?.database_url;
    let mut command = Command::new(program);
    for name in ELSEWHERE {
        command.env_remove(name);
    }
    let mut host = decoded(url.host_str().unwrap_or_default().trim_matches(['[', ']']));
    let mut has_root = false;
    for (key, value) in url.query_pairs() {
        match &*key {
            "host" => host = value.into_owned(),
            "sslmode" => {
                command.env("PGSSLMODE", &*value);
            }
            "sslrootcert" => {
                has_root = true;
                command.env("PGSSLROOTCERT", &*value);
            }
            "sslcert" => {
                command.env("PGSSLCERT", &*value);
            }
            "sslkey" => {
                command.env("PGSSLKEY", &*value);
            }
            _ => {}
        }
    }
    if !has_root && url.query_pairs().any(|(key, value)| key == "sslmode" && value == "verify-full") {
        // The machine's certificate authorities, as our own connections take them.
        command.env("PGSSLROOTCERT", "system");
    }
    command
        .env("PGHOST", host)
        .env("PGPORT", url.port().unwrap_or(5432).to_string())
        .env("PGDATABASE", decoded(url.path().trim_start_matches('/')))
        .env("PGCONNECT_TIMEOUT", "10");
    if !url.username().is_empty() {
        command.env("PGUSER", decoded(url.username()));
    }
    if let Some(password) = url.password() {
        command.env("PGPASSWORD", decoded(password));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

/// Cannot be started.
pub(super) fn not_started(tool: &'static str, error: &std::io::Error) -> BackupError {
    BackupError::Tool { tool, said: error.to_string() }
}

/// Failed, with the first line of what it said.
pub(super) fn failed(tool: &'static str, stderr: &[u8]) -> BackupError {
    let text = String::from_utf8_lossy(stderr);
    let said = text.lines().map(str::trim).find(|line| !line.is_empty());
    BackupError::Tool { tool, said: said.unwrap_or("it said nothing").to_owned() }
}

/// In PATH, else of the newest release.
fn find(tool: &str, path: Option<OsString>, releases: &Path) -> Option<PathBuf> {
    let in_path = path.iter().flat_map(std::env::split_paths).map(|folder| folder.join(tool));
    if let Some(found) = in_path.into_iter().find(|it| it.is_file()) {
        return Some(found);
    }
    let number =
        |path: &Path| path.file_name().and_then(|it| it.to_str()).and_then(|it| it.parse::<u32>().ok());
    let mut known: Vec<_> = std::fs::read_dir(releases)
        .ok()?
        .filter_map(|entry| entry.ok().map(|it| it.path()))
        .filter_map(|path| number(&path).map(|number| (number, path.join("bin").join(tool))))
        .filter(|(_, program)| program.is_file())
        .collect();
    known.sort();
    known.pop().map(|(_, program)| program)
}

/// Without the percent signs of a URL. What is not encoded stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_path_first_then_of_the_newest_release() {
        let folder = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let (old, new) = (make("releases/9/bin/pg_dump"), make("releases/17/bin/pg_dump"));
        let releases = folder.path().join("releases");
        let empty = || Some(folder.path().as_os_str().to_owned());
        assert_eq!(find("pg_dump", empty(), &releases), Some(new.clone()));
        assert_ne!(find("pg_dump", None, &releases), Some(old));
        assert_eq!(find("psql", empty(), &releases), None);
        assert_eq!(find("pg_dump", empty(), &folder.path().join("none")), None);
        let first = make("bin/pg_dump");
        assert_eq!(find("pg_dump", Some(first.parent().unwrap().into()), &releases), Some(first));
    }

    #[test]
    fn a_url_becomes_an_environment_and_its_password_is_on_no_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hunter2 %41").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let url =
            format!("postgres://ta%20cit@%2Frun%2Fpostgresql/the%20log?password_file={}", file.display());
        let Ok(command) = command("sh", &url) else { panic!("there is a shell") };
        let command = command.as_std();
        let value = |name: &str| {
            let found = command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
            found.and_then(|it| it.to_str()).map(str::to_owned)
        };
        assert_eq!(value("PGHOST").as_deref(), Some("/run/postgresql"));
        assert_eq!(value("PGUSER").as_deref(), Some("ta cit"));
        assert_eq!(value("PGDATABASE").as_deref(), Some("the log"));
        assert_eq!(value("PGPASSWORD").as_deref(), Some("hunter2 %41"));
        assert_eq!(value("PGSSLMODE").as_deref(), Some("disable"));
        assert_eq!(command.get_args().count(), 0);
        let elsewhere = super::command("sh", "postgres://u@db.example.org:6432/log").ok().unwrap();
        let root = elsewhere.as_std().get_envs().find(|(key, _)| *key == "PGSSLROOTCERT");
        assert_eq!(root.and_then(|(_, value)| value), Some("system".as_ref()));
    }
}
