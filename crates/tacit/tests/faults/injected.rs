//! Failures of single system calls, put in by strace: killed before each write, a sync that fails, no space.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use tacit_client::ClientError;

use crate::{
    load::{Answered, ask_once, auditor, gateway},
    support::{self, Federation, PATIENCE, codes, skipped},
};

/// The calls by which SQLite changes files.
const WRITES: &str = "pwrite64,fsync,fdatasync,ftruncate,unlink";
/// Either of the two, as SQLite was built.
const SYNCS: &str = "fsync,fdatasync";
/// What strace says of a thread that was ended with its process before it entered a call: it does not know which.
const NOT_ENTERED: &str = "???( <unfinished ...>";
/// What `strace` writes beside a call that it made fail.
const INJECTED: &str = "(INJECTED)";

/// A strace that is attached to a process; detached when it is dropped.
struct Tracer {
    strace: Child,
    output: PathBuf,
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It ends by itself when the process does. SIGTERM lets it detach.
        let _ = Command::new("kill").arg(self.strace.id().to_string()).status();
        let _ = self.strace.wait();
    }
}

impl Tracer {
    /// Attaches to all threads of a process; nothing where that is not possible.
    fn attach(pid: u32, inject: &str, folder: &Path) -> Option<Self> {
        let output = folder.join(format!("strace-{pid}"));
        let mut strace = Command::new("strace")
            .args(["-f", "-p", &pid.to_string(), "-o", output.to_str().unwrap()])
            .args(["-e", &format!("trace={WRITES}"), "-e", &format!("inject={inject}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(strace.stderr.take().unwrap()).lines().map_while(Result::ok);
        let attached = lines.any(|line| line.contains(" attached"));
        // Threads that come and go are told of here: the pipe must not fill.
        std::thread::spawn(move || lines.for_each(drop));
        if attached {
            return Some(Self { strace, output });
        }
        let _ = strace.kill();
        let _ = strace.wait();
        None
    }

    /// Lines of calls, in their order.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.output).unwrap();
        // Signals and ends of threads stand between them.
        text.lines().filter(|line| line.contains('(') && !line.contains("---")).map(str::to_owned).collect()
    }
}

/// Whether strace can do here what these tests need; said aloud when not.
fn strace_works() -> bool {
    let mut probe = Command::new("sleep").arg("10").spawn().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let works = Tracer::attach(probe.id(), "fsync:error=EIO:when=1", folder.path()).is_some();
    let _ = probe.kill();
    let _ = probe.wait();
    if !works {
        skipped("strace is not there, or may not attach to a process");
    }
    works
}

/// Asks one question beside the test; the gateway repeats what it can while others are down.
fn ask(federation: &Federation, code: &str) -> tokio::task::JoinHandle<Option<(Answered, bool)>> {
    let (mut client, code) = (gateway(federation), code.to_owned());
    tokio::spawn(async move { ask_once(&mut client, &code, "T-7", true).await })
}

/// Every record that was answered is in the log, where the caller was told.
async fn answer_has_its_record(federation: &Federation, answered: Option<(Answered, bool)>) {
    let Some((answer, right)) = answered else { return };
    assert!(right, "a wrong answer");
    let mut found = None;
    let size = auditor(federation).checkpoint().await.unwrap().size();
    assert!(answer.index < size, "an answer without its record");
    auditor(federation)
        .entries(answer.index, 1, |entry| -> Result<(), ClientError> {
            found = entry.record.ok().map(|record| record.id().to_owned());
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(found, Some(answer.record), "an answer without its record");
}

/// Waits until the question has an answer, asking again as an officer would.
async fn answered_in_the_end(federation: &Federation, code: &str) {
    let begun = Instant::now();
    loop {
        if let Some((_, right)) = ask(federation, code).await.unwrap() {
            assert!(right);
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "no answer any more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_any_write_an_answer_still_has_its_record() {
    if !strace_works() {
        return;
    }
    let codes = codes(1);
    let mut federation = Federation::with_list(&codes);
    answered_in_the_end(&federation, &codes[0]).await;
    let (mut killed, mut answered) = (0, 0);
    for victim in ["coordinator", "custodian", "court"] {
        for call in ["pwrite64", SYNCS] {
            // Before write n + 1 is after write n. In the short form some of them.
            let step = if support::is_soak() || call == SYNCS { 1 } else { 7 };
            for nth in (1..).step_by(step) {
                let inject = format!("{call}:signal=KILL:when={nth}");
                let tracer = Tracer::attach(federation.pid(victim), &inject, federation.folder());
                let asked = ask(&federation, &codes[0]);
                let begun = Instant::now();
                while federation.runs(victim) && !asked.is_finished() {
                    assert!(begun.elapsed() < PATIENCE, "neither answered nor killed");
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
                // Who answered before it was killed is killed by what follows the answer, if by anything.
                if federation.runs(victim) {
                    drop(tracer);
                    if federation.runs(victim) {
                        answer_has_its_record(&federation, asked.await.unwrap()).await;
                        break;
                    }
                }
                federation.kill(victim);
                federation.start(victim);
                killed += 1;
                let outcome = asked.await.unwrap();
                answered += usize::from(outcome.is_some());
                answer_has_its_record(&federation, outcome).await;
                answered_in_the_end(&federation, &codes[0]).await;
                federation.verify_log();
                support::progress(&format!("{victim} killed at {call} {nth}"));
            }
        }
    }
    assert!(killed > 6, "only {killed} writes were met");
    let figures = format!("{answered} of the questions under way were answered, each with its record");
    support::report("killed before each write of one question", killed, &figures);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_is_written_until_the_process_is_started_again() {
    if !strace_works() {
        return;
    }
    let codes = codes(1);
    let mut federation = Federation::with_list(&codes);
    answered_in_the_end(&federation, &codes[0]).await;
    let rounds = support::runs(1, 5);
    for _ in 0..rounds {
        for victim in ["coordinator", "custodian", "court", "procurement"] {
            let inject = format!("{SYNCS}:error=EIO:when=1");
            let tracer = Tracer::attach(federation.pid(victim), &inject, federation.folder()).unwrap();
            let asked = ask(&federation, &codes[0]);
            let status = federation.ended(victim);
            let status = status.unwrap_or_else(|| panic!("{victim} goes on: {}", federation.log_of(victim)));
            assert_eq!(status.code(), Some(1), "{victim} says that it failed");
            let calls = tracer.calls();
            let failed = calls.iter().position(|call| call.contains(INJECTED)).unwrap();
            let after: Vec<&String> =
                calls[failed + 1..].iter().filter(|call| !call.ends_with(NOT_ENTERED)).collect();
            assert_eq!(after, Vec::<&String>::new(), "{victim} wrote after a failed sync");
            let log = federation.log_of(victim);
            for words in ["could not be written to its disk", "dmesg", "start again"] {
                assert!(log.contains(words), "{victim} does not say {words:?}: {log}");
            }
            drop(tracer);
            federation.start(victim);
            answer_has_its_record(&federation, asked.await.unwrap()).await;
            answered_in_the_end(&federation, &codes[0]).await;
            federation.verify_log();
        }
    }
    support::report(
        "a sync fails (EIO)",
        4 * rounds,
        "each stopped at once and wrote no more; restarts recovered",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_without_space_changes_nothing_and_the_next_one_is_made() {
    if !strace_works() {
        return;
    }
    let codes = codes(1);
    let mut federation = Federation::with_list(&codes);
    answered_in_the_end(&federation, &codes[0]).await;
    let mut failed = 0;
    for victim in ["coordinator", "custodian", "court"] {
        for nth in (1..20).step_by(if support::is_soak() { 1 } else { 9 }) {
            let inject = format!("pwrite64:error=ENOSPC:when={nth}");
            let tracer = Tracer::attach(federation.pid(victim), &inject, federation.folder()).unwrap();
            let outcome = ask(&federation, &codes[0]).await.unwrap();
            failed += usize::from(tracer.calls().iter().any(|call| call.contains(INJECTED)));
            drop(tracer);
            answer_has_its_record(&federation, outcome).await;
            answered_in_the_end(&federation, &codes[0]).await;
            assert!(federation.runs(victim), "{victim} ended: {}", federation.log_of(victim));
            federation.verify_log();
        }
    }
    assert!(failed > 0, "no write was met");
    support::report(
        "a write finds no space (ENOSPC)",
        failed,
        "nothing half-done; the next question was answered",
    );
}
