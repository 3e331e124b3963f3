//! Databases for tests: the same tests run on SQLite and on PostgreSQL.
//!
//! Without TACIT_TEST_POSTGRES, [`url`] gives an SQLite file. With it, the URL of a superuser of a PostgreSQL server
//! that is there for tests, it gives a database of its own there. `cargo xtask test` runs the tests of the store and
//! of the roles once on each. Nothing here belongs in a server: a trouble is a panic, as it is in a test.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _, any::AnyConnectOptions};

/// Names the server to test on.
pub const VARIABLE: &str = "TACIT_TEST_POSTGRES";

/// Databases of processes that ended, before they are removed: it takes the server a checkpoint for each.
const LEFT_OVER: usize = 100;
/// How many of them go when another one is made.
const AT_ONCE: usize = 3;

/// Whether the tests run on PostgreSQL.
#[must_use]
pub fn on_postgres() -> bool {
    admin_url().is_some()
}

/// Whether a test is for another database than the one at hand. It says so aloud when nobody runs the tests on
/// PostgreSQL too: when the variable is not set. `cargo xtask test` runs on both, and sets it empty for the one.
#[must_use]
pub fn is_skipped(needs: crate::Dialect, why: &str) -> bool {
    let at_hand = if on_postgres() { crate::Dialect::Postgres } else { crate::Dialect::Sqlite };
    if at_hand != needs && std::env::var_os(VARIABLE).is_none() {
        say(&format!("SKIPPED: {why}"));
    }
    at_hand != needs
}

/// The URL of the test's database: the same one for the same folder and name within a process. It is empty at first.
///
/// # Panics
/// When the server cannot be reached.
#[must_use]
pub fn url(folder: &Path, name: &str) -> String {
    let Some(admin) = admin_url() else {
        return format!("sqlite:{}", folder.join(name).with_extension("db").display());
    };
    static MADE: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let mut hasher = DefaultHasher::new();
    (folder, name).hash(&mut hasher);
    let database = format!("tacit_test_{}_{:016x}", std::process::id(), hasher.finish());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.get_or_insert_default().insert(database.clone()) {
        // Shown when the test fails.
        say(&format!("on PostgreSQL, database {database}"));
        let (admin, database) = (admin.clone(), database.clone());
        aside(async move {
            let mut conn = connect(&admin).await;
            remove_left_over(&mut conn).await;
            run(&mut conn, format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'")).await;
        });
    }
    of_database(&admin, &database)
}

/// Runs a statement as superuser, on the server and outside of every test's database.
///
/// # Panics
/// When there is no server, or it refuses.
pub fn administer(sql: &str) {
    let (admin, sql) = (admin_url().unwrap_or_default(), sql.to_owned());
    aside(async move { run(&mut connect(&admin).await, sql).await });
}

/// Everything that the test's database holds, for a test that looks for what must not be there: the bytes of the
/// SQLite files, or every row of every PostgreSQL table with its binary columns as they are.
///
/// # Panics
/// When the database cannot be read.
#[must_use]
pub fn contents(folder: &Path, name: &str) -> Vec<u8> {
    if !on_postgres() {
        let read = |end: &str| std::fs::read(folder.join(format!("{name}.db{end}"))).unwrap_or_default();
        return [read(""), read("-wal")].concat();
    }
    let url = url(folder, name);
    aside(async move {
        let mut conn = connect(&url).await;
        let columns = "SELECT CAST(table_name AS TEXT) || ' ' || CAST(column_name AS TEXT) || ' ' || \
            CASE data_type WHEN 'bytea' THEN 'bytes' ELSE 'text' END \
            FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'";
        let mut found = Vec::new();
        for column in
            sqlx::query(columns).fetch_all(&mut conn).await.unwrap_or_else(|error| stop(&error.to_string()))
        {
            let column: String = column.try_get(0).unwrap_or_else(|error| stop(&error.to_string()));
            let mut words = column.split(' ');
            let (table, name, kind) =
                (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next());
            let value = match kind {
                Some("bytes") => name.to_owned(),
                _ => format!("convert_to(CAST({name} AS TEXT), 'UTF8')"),
            };
            let sql = format!("SELECT {value} FROM {table} WHERE {name} IS NOT NULL");
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await;
            for row in rows.unwrap_or_else(|error| stop(&error.to_string())) {
                found.extend(row.try_get::<Vec<u8>, _>(0).unwrap_or_else(|error| stop(&error.to_string())));
                found.push(0);
            }
        }
        found
    })
}

fn admin_url() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|url| !url.is_empty())
}

fn of_database(admin: &str, database: &str) -> String {
    let mut options: AnyConnectOptions =
        admin.parse().unwrap_or_else(|_| stop("TACIT_TEST_POSTGRES is no URL"));
    options.database_url.set_path(database);
    options.database_url.to_string()
}

async fn connect(url: &str) -> AnyConnection {
    crate::db::install_drivers();
    AnyConnection::connect(url)
        .await
        .unwrap_or_else(|error| stop(&format!("PostgreSQL is not there: {error}")))
}

async fn run(conn: &mut AnyConnection, sql: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await;
    done.unwrap_or_else(|error| stop(&error.to_string()));
}

/// The first column of every row.
async fn fetch(conn: &mut AnyConnection, sql: String) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(conn).await;
    let rows = rows.unwrap_or_else(|error| stop(&error.to_string()));
    rows.iter()
        .map(|row| row.try_get(0).unwrap_or_else(|error: sqlx::Error| stop(&error.to_string())))
        .collect()
}

/// Removes a few databases of processes that are no more, once they are many: each removal is a checkpoint of the whole
/// server, so a test that removed them all would wait for minutes.
async fn remove_left_over(conn: &mut AnyConnection) {
    let sql = "SELECT CAST(datname AS TEXT) FROM pg_database WHERE datname LIKE 'tacit\\_test\\_%'";
    let is_over = |name: &String| {
        let process = name.split('_').nth(2).unwrap_or_default();
        Path::new("/proc/self").exists() && !Path::new("/proc").join(process).exists()
    };
    let over: Vec<String> = fetch(conn, sql.to_owned()).await.into_iter().filter(is_over).collect();
    if over.len() > LEFT_OVER {
        for name in over.into_iter().take(AT_ONCE) {
            // Another process may be removing the same one.
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let _ = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *conn).await;
        }
    }
}

/// Waits for a future from wherever a test stands, inside a runtime or not.
fn aside<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap_or_else(|error| stop(&error.to_string())).block_on(future)
    });
    thread.join().unwrap_or_else(|_| stop("the database of a test could not be prepared"))
}

#[expect(clippy::print_stderr, reason = "read by who runs the tests")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::panic, reason = "ends a test")]
fn stop(why: &str) -> ! {
    panic!("{why}")
}
