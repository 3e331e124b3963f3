//! PostgreSQL servers of a test's own: a primary, its synchronous standbys, and the one address that leads to whoever
//! is the primary now, as a virtual address or a pooler does.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

use crate::support::{PATIENCE, skipped};

/// Settings of every server. Shared memory is a file in its folder, so that one that was killed leaves nothing.
const SETTINGS: &str = "-c listen_addresses= -c shared_buffers=64MB -c fsync=on -c max_connections=60 \
    -c wal_keep_size=256MB -c dynamic_shared_memory_type=mmap";
/// How a standby calls itself.
const STANDBY: &str = "standby";
/// Ends the servers in the folder `$0` and removes it when standard input ends, however this process ends.
const WATCH: &str = r#"trap "" INT TERM HUP; cat >/dev/null
for file in "$0"/*/data/postmaster.pid; do
  pid=$(head -n 1 "$file" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null || continue
  for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
done
rm -rf -- "$0""#;

/// Where the servers of a test are, and with what they are made. They end with it, a little later.
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    /// PostgreSQL refuses to run as root: for root it runs as `postgres`.
    is_root: bool,
    made: AtomicU32,
    watcher: Child,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The watcher goes on by itself: thousands of files take a while.
        drop(self.watcher.stdin.take());
    }
}

impl Cluster {
    /// A place for servers; nothing, said aloud, where there is no PostgreSQL.
    pub(crate) fn new() -> Option<Arc<Self>> {
        let Some(programs) = programs() else {
            skipped("PostgreSQL's own programs (initdb, pg_ctl, pg_basebackup) are not here");
            return None;
        };
        let is_root = said(Command::new("id").arg("-u")).trim() == "0";
        let folder = tempfile::tempdir().unwrap().keep();
        if is_root && !succeeds(Command::new("chown").arg("postgres:").arg(&folder)) {
            fs::remove_dir(&folder).unwrap();
            skipped("PostgreSQL does not run as root, and there is no user postgres");
            return None;
        }
        // In a group of its own: it must outlive whatever ends this one.
        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCH]).arg(&folder).stdin(Stdio::piped()).process_group(0);
        // Whoever waits for what the tests print must not wait for it.
        watcher.stdout(Stdio::null()).stderr(Stdio::null());
        let watcher = watcher.spawn().unwrap();
        Some(Arc::new(Self { folder, programs, is_root, made: AtomicU32::new(0), watcher }))
    }

    /// A new server without a standby, at work.
    pub(crate) fn primary(self: &Arc<Self>) -> Server {
        let server = self.next();
        server.run("initdb", &["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"]);
        server.start();
        server
    }

    fn next(self: &Arc<Self>) -> Server {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Server { folder: self.folder.join(format!("server-{number}")), cluster: Arc::clone(self) }
    }

    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if self.is_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }
}

/// One server.
pub(crate) struct Server {
    folder: PathBuf,
    cluster: Arc<Cluster>,
}

impl Server {
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The socket that it listens at.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// Runs one of PostgreSQL's programs on the server's data.
    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = self.cluster.command(program);
        let done = command.arg("-D").arg(self.data()).args(arguments).output().unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start(&self) {
        let mut start = self.cluster.command("pg_ctl");
        start.arg("-D").arg(self.data()).args(["-w", "-l"]).arg(self.folder.join("log"));
        start.arg("-o").arg(format!("-k {} {SETTINGS}", self.folder.display())).arg("start");
        // Its output goes nowhere: the server would keep a pipe open.
        start.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(start.status().unwrap().success(), "{}", self.log());
    }

    /// Stops it without a word to anybody.
    pub(crate) fn stop(&self) {
        self.run("pg_ctl", &["-w", "-m", "immediate", "stop"]);
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// `kill -9` of the whole server, every session included, and its disk is gone.
    pub(crate) fn kill(self) {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let pid = file.lines().next().unwrap();
        // One after the other they would tell each other.
        let mut kill = Command::new("kill");
        kill.args(["-KILL", pid]).args(children(pid)).stderr(Stdio::null());
        // A session may have ended meanwhile.
        let _ = kill.status().unwrap();
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.socket()).is_ok() {
            assert!(begun.elapsed() < PATIENCE, "the server lives");
            std::thread::sleep(Duration::from_millis(1));
        }
        // The segment by which servers notice each other.
        if let Some(segment) = file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            let _ = succeeds(Command::new("ipcrm").args(["-m", segment]));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Makes a standby of it that every commit waits for from now on.
    pub(crate) async fn standby(&self) -> Self {
        let standby = self.cluster.next();
        let from = self.folder.to_str().unwrap();
        standby.run("pg_basebackup", &["-h", from, "-U", "postgres", "-c", "fast", "-X", "stream", "-R"]);
        let mut settings =
            File::options().append(true).open(standby.data().join("postgresql.auto.conf")).unwrap();
        // Once it is promoted it has no standby yet: what stands last counts.
        writeln!(
            settings,
            "primary_conninfo = 'host={from} user=postgres application_name={STANDBY}'\n\
             synchronous_standby_names = ''"
        )
        .unwrap();
        standby.start();
        self.query("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")).await;
        self.query("postgres", "SELECT CAST(pg_reload_conf() AS TEXT)").await;
        let begun = Instant::now();
        while !self.has_standby().await {
            assert!(begun.elapsed() < PATIENCE, "the standby does not follow: {}", standby.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        standby
    }

    /// Whether commits wait for a standby, and one is there.
    pub(crate) async fn has_standby(&self) -> bool {
        let sql = "SELECT CAST(application_name AS TEXT) FROM pg_stat_replication \
            WHERE sync_state = 'sync' AND state = 'streaming'";
        self.query("postgres", sql).await == [STANDBY]
    }

    /// Makes a primary of it.
    pub(crate) fn promote(&self) {
        self.run("pg_ctl", &["-w", "promote"]);
    }

    /// Makes an empty database.
    pub(crate) async fn create_database(&self, name: &str) {
        self.query("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await;
    }

    /// Runs a statement as superuser; the first column, which is text, of every row.
    pub(crate) async fn query(&self, database: &str, sql: &str) -> Vec<String> {
        sqlx::any::install_default_drivers();
        let host = self.folder.to_str().unwrap().replace('/', "%2F");
        let mut conn =
            AnyConnection::connect(&format!("postgres://postgres@{host}/{database}")).await.unwrap();
        let sql = AssertSqlSafe(sql.to_owned());
        let rows = sqlx::query(sql).persistent(false).fetch_all(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// The address of the primary. Whoever connects is led to the server that it stands for at that moment; when it is to
/// stand for another one, every connection through it ends.
pub(crate) struct Address {
    port: u16,
    target: watch::Sender<PathBuf>,
}

impl Address {
    /// An address that leads to `server`.
    pub(crate) async fn of(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, led) = watch::channel(server.socket());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, led.clone()));
            }
        });
        Self { port, target }
    }

    /// Leads to another server from now on.
    pub(crate) fn move_to(&self, server: &Server) {
        self.target.send_replace(server.socket());
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }
}

async fn carry(mut client: TcpStream, mut led: watch::Receiver<PathBuf>) {
    let socket = led.borrow_and_update().clone();
    // Without a server there, the connection is closed at once.
    let Ok(mut server) = UnixStream::connect(socket).await else { return };
    let _ = client.set_nodelay(true);
    tokio::select! {
        // However it ends, both ends are closed.
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = led.changed() => {}
    }
}

/// The folder of PostgreSQL's programs, the newest release that is here. Debian keeps releases apart and puts none of
/// them on the path.
fn programs() -> Option<PathBuf> {
    let releases = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = releases
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = folders.into_iter().rev().map(|(_, folder)| folder).chain(std::env::split_paths(&path));
    let has_all =
        |folder: &PathBuf| ["initdb", "pg_ctl", "pg_basebackup"].iter().all(|it| folder.join(it).exists());
    folders.find(has_all)
}

/// The processes whose parent this is.
fn children(parent: &str) -> Vec<String> {
    let is_child = |pid: &String| {
        let status = fs::read_to_string(Path::new("/proc").join(pid).join("status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("PPid:").is_some_and(|it| it.trim() == parent))
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().into_string().ok());
    numbers.filter(|name| name.parse::<u32>().is_ok()).filter(is_child).collect()
}

fn said(command: &mut Command) -> String {
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
