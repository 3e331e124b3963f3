//! A PostgreSQL server for one run of the tests: its own cluster in a temporary folder, reached over a socket there
//! and not over the network, with fsync on. PostgreSQL refuses to run as root, so for root it runs as `postgres`.
//!
//! It ends with this process, however that ends: a shell waits at a pipe that only this process holds, and then
//! stops the server and removes its folder.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::command::{Error, output};
use crate::needs;

/// Stops the server (its words are `$@`) and removes the folder `$0` when standard input ends.
const WATCH: &str = r#"trap "" INT TERM HUP; cat >/dev/null; "$@" >/dev/null 2>&1; rm -rf -- "$0""#;

/// A running server.
pub(crate) struct Server {
    folder: PathBuf,
    watcher: Child,
}

impl Server {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Result<Self, Error> {
        let programs = needs::postgres()?;
        let is_root = needs::is_root()?;
        let folder = std::env::temp_dir().join(format!("tacit-postgres-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|source| Error::Read { path: folder.clone(), source })?;
        if is_root {
            let mut chown = Command::new("chown");
            chown.arg("postgres:").arg(&folder);
            output(chown)?;
        }
        let data = folder.join("data");
        let program = |name: &str| -> Vec<OsString> {
            let user: &[&str] = if is_root { &["runuser", "-u", "postgres", "--"] } else { &[] };
            let mut words: Vec<OsString> = user.iter().map(Into::into).collect();
            words.push(programs.join(name).into());
            words.push("-D".into());
            words.push(data.clone().into());
            words
        };
        let mut stop = program("pg_ctl");
        stop.extend(["-m", "immediate", "stop"].map(Into::into));
        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCH]).arg(&folder).args(&stop).stdin(Stdio::piped());
        let watcher = watcher.spawn().map_err(|source| Error::start(&watcher, source))?;
        // From here on it is removed also when this fails.
        let server = Self { folder, watcher };
        let mut initdb = program("initdb");
        initdb.extend(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"].map(Into::into));
        output(command(&initdb))?;
        let mut start = program("pg_ctl");
        let settings = format!(
            "-k {} -c listen_addresses= -c max_connections=300 -c shared_buffers=64MB -c fsync=on",
            server.folder.display()
        );
        start.extend(["-w", "-l"].map(Into::into));
        start.push(server.folder.join("server.log").into());
        start.extend(["-o".into(), settings.into(), "start".into()]);
        // Its output goes nowhere: the server would keep a pipe open.
        let mut start = command(&start);
        start.stdout(Stdio::null());
        let started = start.status().map_err(|source| Error::start(&start, source))?;
        if started.success() { Ok(server) } else { Err(Error::failed(&start)) }
    }

    /// Where a superuser reaches it without a password.
    pub(crate) fn url(&self) -> String {
        url(&self.folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        // The watcher says nothing; what it could not stop is left behind.
        let _ = self.watcher.wait();
    }
}

fn command(words: &[OsString]) -> Command {
    let mut command = Command::new(words.first().cloned().unwrap_or_default());
    command.args(words.iter().skip(1)).current_dir("/");
    command
}

/// A URL has the folder of a socket in the place of the host, percent-encoded.
fn url(folder: &Path) -> String {
    let host: String = folder
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("postgres://postgres@{host}/postgres")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_folder_is_a_host() {
        assert_eq!(url(Path::new("/tmp/a-1")), "postgres://postgres@%2Ftmp%2Fa%2D1/postgres");
    }

    #[test]
    fn a_server_runs_while_it_is_held_and_leaves_nothing_behind() {
        let server = match Server::start() {
            Ok(server) => server,
            Err(error) => {
                eprintln!("SKIPPED: no PostgreSQL server could be started here: {error}");
                return;
            }
        };
        let folder = server.folder.clone();
        assert!(folder.join(".s.PGSQL.5432").exists());
        drop(server);
        assert!(!folder.exists());
    }
}
