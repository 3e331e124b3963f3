//! PostgreSQL: what a URL may say, and how a session is set up.
//!
//! ```text
//! postgres://USER@HOST:PORT/DATABASE[?sslmode=verify-full&sslrootcert=/PATH&sslcert=/PATH&sslkey=/PATH]
//! postgres://USER@%2Frun%2Fpostgresql/DATABASE        over a socket in that folder; also ?host=/run/postgresql
//! ```
//!
//! A URL holds no password, so it may stand in a configuration file and in its Debug output. The password comes from
//! PGPASSWORD, from PGPASSFILE, or from the file that `password_file=/PATH` names. Whoever is not on this machine
//! is spoken to under TLS only, with the server's name verified.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use sqlx::{AnyConnection, Row as _, any::AnyConnectOptions};

use crate::StoreError;

/// How a URL of PostgreSQL begins.
const SCHEMES: [&str; 2] = ["postgres:", "postgresql:"];

/// Parameters that a URL may have beside `password_file`. Others, `options` among them, could take back what
/// [`WRITER`] sets.
const PARAMETERS: [&str; 5] = ["host", "sslmode", "sslrootcert", "sslcert", "sslkey"];

/// Statements that each connection keeps prepared. Bulk statements have a few texts per table.
const PREPARED: &str = "400";

/// Oldest release that is supported, as `server_version_num`.
const VERSION_AT_LEAST: i64 = 140_000;

/// Settings of the connection that writes. Nothing here ends a commit: no statement timeout, for a canceled wait for
/// a synchronous standby would report success. `lock_timeout` bounds the wait for another writer only, and
/// `idle_in_transaction_session_timeout` takes the lock away from a process that was paused within a transaction.
/// `synchronous_commit` is at least `on`; warnings must be sent, because they tell of a canceled wait.
pub(crate) const WRITER: &str = "SET application_name = 'tacit writer'; SET client_min_messages = warning; \
    SET statement_timeout = 0; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '30s'; \
    SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; \
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
    WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)";

/// Settings of the connections that read.
pub(crate) const READER: &str = "SET application_name = 'tacit reader'; SET client_min_messages = warning; \
    SET statement_timeout = '30s'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '30s'; \
    SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = on; \
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3";

/// Whether a URL names PostgreSQL.
pub(crate) fn is_postgres(url: &str) -> bool {
    SCHEMES.iter().any(|scheme| url.starts_with(scheme))
}

/// What to connect with. The errors name what is wrong with the URL, never the URL.
pub(crate) fn options(url: &str) -> Result<AnyConnectOptions, StoreError> {
    let mut options: AnyConnectOptions =
        url.parse().map_err(|_| refuse("the URL does not parse: postgres://USER@HOST:PORT/DATABASE"))?;
    let url = &mut options.database_url;
    if url.password().is_some() {
        return Err(refuse(
            "the URL holds a password; give it by PGPASSWORD, PGPASSFILE or ?password_file=/PATH",
        ));
    }
    if url.path().trim_start_matches('/').is_empty() {
        return Err(refuse("the URL names no database"));
    }
    let mut host = url.host_str().unwrap_or_default().to_owned();
    let (mut mode, mut password_file, mut kept) = (None, None, Vec::new());
    for (key, value) in url.query_pairs() {
        let is_path = value.starts_with('/');
        match &*key {
            "password_file" if is_path => password_file = Some(value.into_owned()),
            "host" if is_path => {
                host = value.to_string();
                kept.push(("host".to_owned(), value.into_owned()));
            }
            "sslmode" => mode = Some(value.into_owned()),
            key if !PARAMETERS.contains(&key) && key != "password_file" => {
                return Err(refuse("the URL has a parameter that is not known here"));
            }
            key if is_path => kept.push((key.to_owned(), value.into_owned())),
            _ => {
                return Err(refuse("host=, password_file= and the ssl files of a URL want an absolute path"));
            }
        }
    }
    let mode = tls_mode(&host, mode)?;
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .append_pair("sslmode", &mode)
        .append_pair("statement-cache-capacity", PREPARED);
    if let Some(path) = password_file {
        let password = read_password(Path::new(&path))?;
        url.set_password(Some(&escaped(&password)))
            .map_err(|()| refuse("a URL without a host has no password"))?;
    }
    Ok(options)
}

/// The TLS mode for a host: `verify-full` for whoever is not on this machine.
fn tls_mode(host: &str, asked: Option<String>) -> Result<String, StoreError> {
    if host.is_empty() {
        return Err(refuse("the URL names no host; a socket is ?host=/FOLDER"));
    }
    if host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f") {
        return Ok("disable".to_owned());
    }
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match asked.as_deref() {
        None if is_here => Ok("prefer".to_owned()),
        None | Some("verify-full") => Ok("verify-full".to_owned()),
        Some("disable" | "prefer" | "require" | "verify-ca") if is_here => Ok(asked.unwrap_or_default()),
        Some(_) => Err(refuse("sslmode must be verify-full for a server that is not on this machine")),
    }
}

fn read_password(path: &Path) -> Result<String, StoreError> {
    let file = |source| StoreError::File { path: path.display().to_string(), source };
    let mode = path.metadata().map_err(file)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(refuse("the file of password_file= may be read by others; its mode must be 0600"));
    }
    let text = std::fs::read_to_string(path).map_err(file)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Percent-encoded byte by byte: a URL takes `%` itself as it stands.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut escaped, byte| {
        // Writing to a String cannot fail.
        let _ = write!(escaped, "%{byte:02X}");
        escaped
    })
}

/// Refuses a session that cannot keep what was promised: another server than the primary, one that is too old, or
/// one that does not wait for its disk.
pub(crate) async fn check_session(conn: &mut AnyConnection) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END, \
         CAST(current_setting('server_version_num') AS BIGINT), current_setting('fsync'), \
         current_setting('full_page_writes'), current_setting('server_encoding')",
    )
    .persistent(false)
    .fetch_one(conn)
    .await?;
    let [fsync, pages, encoding]: [&str; 3] = [row.try_get(2)?, row.try_get(3)?, row.try_get(4)?];
    if row.try_get::<i32, _>(0)? != 0 {
        return Err(refuse("this PostgreSQL server is a standby; the URL must lead to the primary"));
    }
    if row.try_get::<i64, _>(1)? < VERSION_AT_LEAST {
        return Err(refuse("PostgreSQL 14 or newer is needed"));
    }
    if fsync != "on" || pages != "on" {
        return Err(refuse(
            "this PostgreSQL server has fsync or full_page_writes off: a commit could be lost",
        ));
    }
    if encoding != "UTF8" {
        return Err(refuse("the database's encoding must be UTF8"));
    }
    Ok(())
}

fn refuse(why: &str) -> StoreError {
    StoreError::Unsupported(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "hunter2%20?&#";

    fn refusal(url: &str) -> String {
        match options(url) {
            Err(error @ StoreError::Unsupported(_)) => error.to_string(),
            other => panic!("{url}: {other:?}"),
        }
    }

    fn mode(url: &str) -> String {
        let options = options(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        options.database_url.query_pairs().find(|(key, _)| key == "sslmode").unwrap().1.into_owned()
    }

    #[test]
    fn a_server_elsewhere_is_spoken_to_under_verified_tls_only() {
        for host in ["db.example.org", "10.0.0.5", "[2001:db8::1]"] {
            assert_eq!(mode(&format!("postgres://tacit@{host}/log")), "verify-full");
            assert_eq!(mode(&format!("postgres://tacit@{host}/log?sslmode=verify-full")), "verify-full");
            for weak in ["disable", "allow", "prefer", "require", "verify-ca", "VERIFY-CA", ""] {
                let refused = refusal(&format!("postgres://tacit@{host}/log?sslmode={weak}"));
                assert!(refused.contains("verify-full"), "{refused}");
            }
        }
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"] {
            assert_eq!(mode(&format!("postgres://tacit@{host}/log")), "prefer");
            assert_eq!(mode(&format!("postgresql://tacit@{host}/log?sslmode=disable")), "disable");
            assert_eq!(mode(&format!("postgres://tacit@{host}/log?sslmode=verify-full")), "verify-full");
        }
        assert_eq!(mode("postgres:///log?host=/run/postgresql"), "disable");
        assert_eq!(mode("postgres://tacit@%2Frun%2Fpostgresql/log"), "disable");
    }

    #[test]
    fn a_url_that_could_weaken_a_session_is_refused() {
        for url in [
            "postgres://localhost/log?options=-c%20synchronous_commit%3Doff",
            "postgres://localhost/log?hostaddr=10.0.0.5",
            "postgres://localhost/log?host=db.example.org",
            "postgres://localhost/log?password=x",
            "postgres://localhost/log?passfile=/x",
            "postgres://localhost/log?password_file=relative",
            "postgres://localhost/log?sslrootcert=relative",
            "postgres://localhost/",
            "postgres:///log",
            "postgres://",
        ] {
            refusal(url);
        }
    }

    #[test]
    fn a_password_is_taken_from_a_private_file_only_and_is_in_no_error() {
        for url in [
            "postgres://tacit:hunter2@localhost/log",
            "postgres://tacit:hunter2@db.example.org/log?sslmode=disable",
            "postgres://tacit:hunter2@db.example.org:port/log",
        ] {
            let error = options(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let url = format!("postgres://tacit@localhost/log?password_file={}", path.display());
        assert!(matches!(options(&url), Err(StoreError::File { .. })));
        std::fs::write(&path, format!("{SECRET}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(refusal(&url).contains("0600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let options = options(&url).unwrap();
        assert_eq!(options.database_url.password().unwrap(), escaped(SECRET));
        assert!(options.database_url.query_pairs().all(|(key, _)| key != "password_file"));
    }
}
