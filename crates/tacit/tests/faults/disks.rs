//! Databases on file systems of their own: one that is full, one that loses its power.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rand_core::Rng as _;
use tacit_client::ClientError;
use tacit_model::{Reason, entropy::os_rng};

use crate::{
    load::{Acknowledged, Load, ask_once, auditor, authority, gateway, pseudonym, terms},
    support::{self, Federation, PATIENCE, codes, skipped},
};

/// Size of the file system that fills up.
const SMALL: &str = "size=48m";
/// What is left for the databases when it is full.
const LEFT: u64 = 200 << 10;
/// Ends a mounted ext4 as a power cut does: nothing that was not synced comes to the disk any more, not even the
/// journal (`EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`).
const POWER_CUT: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A mounted file system; let go when it is dropped, also while it is in use.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", text(&self.0)]);
    }
}

impl Mount {
    fn new(arguments: &[&str], at: &Path) -> Option<Self> {
        run("mount", &[arguments, &[text(at)]].concat()).then(|| Self(at.to_owned()))
    }

    /// Waits until nobody uses it, and lets it go as a whole: as long as something of it lives, mounting what is under it
    /// brings it back as it is.
    fn end(self) {
        let begun = Instant::now();
        while !run("umount", &[text(&self.0)]) {
            assert!(begun.elapsed() < PATIENCE, "{} stays in use", self.0.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        std::mem::forget(self);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Fills a file until only some bytes are left beside it.
fn fill(ballast: &Path, left: u64) {
    let mut file = File::create(ballast).unwrap();
    let mut written = 0u64;
    let chunk = vec![0; 4096];
    while file.write_all(&chunk).is_ok() {
        written += chunk.len() as u64;
    }
    file.set_len(written.saturating_sub(left)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_half_done_and_it_goes_on_when_there_is_space() {
    let codes = codes(40);
    let mut federation = Federation::found();
    let data = federation.folder().join("data");
    let Some(_mount) = Mount::new(&["-t", "tmpfs", "-o", SMALL, "tmpfs"], &data) else {
        return skipped("a file system of its own cannot be mounted here: that needs root");
    };
    federation.start_all();
    federation.publish(&codes);
    let authority = authority(&federation).await;
    let subject = pseudonym(&authority, &codes[0]).await;
    let rounds = support::runs(1, 5);
    let (mut kept, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    for round in 0..rounds {
        let ballast = data.join("ballast");
        fill(&ballast, LEFT);
        // Until somebody finds no space: acknowledged before that is acknowledged.
        let begun = Instant::now();
        let reason = loop {
            assert!(begun.elapsed() < PATIENCE, "the disk does not fill");
            match authority.grant_under(terms(), subject, &mut os_rng()).await {
                Ok(_) => kept += 1,
                Err(ClientError::NoAnswer { reason, .. }) => break reason,
                Err(error) => panic!("another error: {error}"),
            }
        };
        assert_eq!(reason, Reason::Unavailable, "it can be seen that this is trouble, and passing");
        refused += 1;
        let mut client = gateway(&federation);
        let answered = ask_once(&mut client, &codes[0], "T-5", true).await;
        assert!(answered.is_none(), "no answer without a record");
        let log = federation.log_of("coordinator");
        assert!(log.contains("full"), "the operator is told: {log}");

        fs::remove_file(&ballast).unwrap();
        let space = Instant::now();
        loop {
            assert!(space.elapsed() < PATIENCE, "it does not go on");
            if let Some((_, right)) = ask_once(&mut client, &codes[0], "T-5", true).await {
                assert!(right);
                break;
            }
        }
        slowest = slowest.max(space.elapsed());
        for member in support::members() {
            assert!(federation.runs(member), "{member} ended: {}", federation.log_of(member));
        }
        let consents = authority.list(&[]).await.unwrap().len();
        assert!(consents >= kept, "an acknowledged consent was lost");
        federation.verify_log();
        support::progress(&format!("round {} of {rounds}", round + 1));
    }
    let figures = format!(
        "{refused} refusals `unavailable`, {kept} acknowledged changes kept; answers again at most {} ms after space",
        slowest.as_millis()
    );
    support::report("disk full (tmpfs)", rounds, &figures);
}

/// Lets no party do anything more, as when the power goes. Under a program that runs on, a file system that is shut down
/// can report a sync as done whose journal commit it gave up: in 120 cuts eight programs that only append and sync saw
/// that 48 times when they ran on, and never when they were stopped first.
fn stop_at_once(federation: &Federation) {
    let pids: Vec<String> = support::members().map(|member| federation.pid(member).to_string()).collect();
    assert!(run("kill", &[&["-STOP"], &pids.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat()));
    for pid in pids {
        while !is_stopped(&pid) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether each thread is stopped, or in the kernel and stopped before it is out again.
fn is_stopped(pid: &str) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok()).all(|stat| {
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        matches!(state, Some('T' | 'D' | 'Z' | 'X'))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_loses_nothing_acknowledged() {
    let codes = codes(200);
    let mut federation = Federation::found();
    let data = federation.folder().join("data");
    let image = federation.folder().join("disk.img");
    File::create(&image).unwrap().set_len(256 << 20).unwrap();
    let made = run("mkfs.ext4", &["-q", "-F", text(&image)]);
    let mount = || Mount::new(&["-o", "loop", text(&image)], &data);
    let Some(mut mounted) = made.then(mount).flatten() else {
        return skipped("an ext4 of its own cannot be mounted here: that needs root and loop devices");
    };
    federation.start_all();
    federation.publish(&codes);
    let rounds = support::runs(2, 20);
    let (mut answers, mut changes) = (0, 0);
    let mut restarts = Vec::new();
    for round in 0..rounds {
        let load = Load::start(&federation, &codes).await;
        let random = u64::from(os_rng().next_u32() % 1_500);
        tokio::time::sleep(Duration::from_millis(1_000 + random)).await;
        stop_at_once(&federation);
        if !run("python3", &["-c", POWER_CUT, text(&data)]) {
            return skipped("the file system cannot be shut down here: that needs root, python3 and ext4");
        }
        for member in support::members() {
            federation.kill(member);
        }
        let path = load.path.clone();
        let wrong = load.wrong();
        load.end().await;
        assert_eq!(wrong, 0, "a wrong answer");
        mounted.end();
        mounted = mount().unwrap();
        let begun = Instant::now();
        federation.start_all();
        restarts.push(begun.elapsed().as_millis());

        let acknowledged = Acknowledged::read(&path);
        federation.verify_log();
        let log = auditor(&federation);
        let mut ids = Vec::new();
        let size = log.checkpoint().await.unwrap().size();
        log.entries(0, size, |entry| -> Result<(), ClientError> {
            ids.push(entry.record.unwrap().id().to_owned());
            Ok(())
        })
        .await
        .unwrap();
        let at = |index: u64| ids.get(usize::try_from(index).unwrap());
        for answer in &acknowledged.answers {
            assert_eq!(at(answer.index), Some(&answer.record), "an answer without its record");
        }
        for change in &acknowledged.changes {
            assert_eq!(at(change.index), Some(&change.record), "a change without its record");
        }
        let kept = authority(&federation).await.list(&[]).await.unwrap();
        for (id, change) in acknowledged.newest() {
            let kept = kept.iter().find(|it| it.consent.id == id);
            assert!(kept.is_some_and(|it| it.number >= change.number), "an acknowledged change was lost");
        }
        (answers, changes) = (acknowledged.answers.len(), acknowledged.changes.len());
        support::progress(&format!("power cut {} of {rounds}, {} records", round + 1, ids.len()));
    }
    restarts.sort_unstable();
    let figures = format!(
        "{answers} answers and {changes} changes acknowledged, 0 lost; all parties started again in at most {} ms",
        restarts[restarts.len() - 1]
    );
    support::report("power cut (ext4 shut down under load)", rounds, &figures);
}
