//! What README.md shows under "A federation of your own" can be typed as it stands, and every command that a document
//! names exists.

#![cfg(test)]

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tacit_testkit::PortRange;

/// The longest wait for the roles to start, and for them to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// The commands of the `sh` block below a heading, each on one line, without comments.
fn commands(readme: &str, heading: &str) -> Vec<String> {
    let (_, section) = readme.split_once(heading).expect("the heading is there");
    let (_, block) = section.split_once("```sh\n").expect("a block of sh follows");
    let (block, _) = block.split_once("```").expect("the block ends");
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().map(|line| match line.find("# ") {
        Some(at) if at == 0 || line[..at].ends_with(' ') => &line[..at],
        _ => line,
    });
    lines.map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// `tacit up` in the background; killed when the test fails.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Up {
    /// Starts it, and waits until every role has said that it is ready.
    fn start(command: &str, folder: &Path, roles: usize) -> Self {
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("tacit"));
        let log = std::fs::File::create(folder.join("up.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(words)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn();
        let mut up = Self(child.unwrap());
        let mut lines = BufReader::new(up.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        let ready = lines.by_ref().filter(|line| line.contains(" ready ")).take(roles).count();
        let log = || std::fs::read_to_string(folder.join("up.log")).unwrap();
        assert_eq!(ready, roles, "not all roles started: {}", log());
        // Nobody reads what follows, but the pipe must not fill.
        std::thread::spawn(move || lines.for_each(drop));
        up
    }

    /// Ctrl-C.
    fn interrupt(mut self) -> ExitStatus {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Runs a line as a shell does, with the built `tacit` first on the path; it must succeed.
fn run(line: &str, folder: &Path) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_tacit")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let done = Command::new("sh")
        .args(["-ec", line])
        .current_dir(folder)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let log = std::fs::read_to_string(folder.join("up.log")).unwrap_or_default();
    assert!(done.status.success(), "{line}\n{}\n{out}\n{err}\n{log}", done.status);
    out.into_owned()
}

#[test]
fn every_command_of_the_readme_runs_as_shown_and_ctrl_c_drains() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let shown = commands(&std::fs::read_to_string(readme).unwrap(), "\n## A federation of your own\n");
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let ports = PortRange::claim().unwrap();
    let mut up = None;
    let mut said = Vec::new();
    for command in &shown {
        assert!(!command.contains("..."), "it cannot be typed: {command}");
        let command = command.replace("DIR", "federation");
        if command.starts_with("tacit init ") {
            // The only difference: other tests may use the ports that people get.
            run(&format!("{command} --base-port {}", ports.base()), folder);
        } else if command.starts_with("tacit up ") {
            // Coordinator, custodian, three nodes.
            up = Some(Up::start(&command, folder, 6));
        } else {
            said.push((command.clone(), run(&command, folder)));
        }
    }
    let out = |start: &str| match said.iter().find(|(command, _)| command.starts_with(start)) {
        Some((_, out)) => out.as_str(),
        None => panic!("README.md shows no `{start}` any more"),
    };
    assert!(out("tacit list import ").contains("1 new"), "{}", out("tacit list import "));
    assert!(out("tacit check 9").contains("listed"), "{}", out("tacit check 9"));
    assert!(!out("tacit check 9").contains("not listed"), "{}", out("tacit check 9"));
    let answers = std::fs::read_to_string(folder.join("out.csv")).unwrap();
    assert!(answers.contains(",listed,"), "{answers}");
    assert!(out("tacit log verify ").contains("Verified to"), "{}", out("tacit log verify "));
    let doctor = out("tacit doctor ");
    assert!(doctor.contains(" 0 bad"), "{doctor}");
    assert!(doctor.contains("every service is serving"), "{doctor}");

    let status = up.expect("README.md shows `tacit up`").interrupt();
    assert_eq!((status.code(), status.signal()), (Some(0), None));
    let log = std::fs::read_to_string(folder.join("up.log")).unwrap();
    assert!(!log.contains("panicked") && !log.contains(" ERROR "), "{log}");
}

#[test]
fn every_sample_stands_in_the_readme_and_can_be_founded() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, table) = readme.split_once("\n| sample | shows |\n|---|---|\n").expect("the table is there");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let mut shown: Vec<&str> = rows.map(|row| row.split('`').nth(1).expect("a name in backticks")).collect();
    let temporary = tempfile::tempdir().unwrap();
    for name in &shown {
        let said = run(&format!("tacit init {name} --sample {name} --json"), temporary.path());
        assert!(said.contains("\"registry\""), "{said}");
        assert!(temporary.path().join(name).join("README.txt").exists(), "{name}");
    }
    shown.sort_unstable();
    let mut known: Vec<&str> = tacit_federation::sample::names().collect();
    known.sort_unstable();
    assert_eq!(shown, known);
}

/// Words in backticks that begin with `tacit `, of the text outside of blocks, each on one line.
fn named(document: &str) -> Vec<String> {
    let text: Vec<&str> = document.split("```").step_by(2).collect();
    let spans = text.iter().flat_map(|part| part.split('`').skip(1).step_by(2));
    let spans = spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "));
    // `tacit v1 ...` are contexts of hashes; `tacit help` is clap's own.
    let others = ["tacit v1 ", "tacit help"];
    spans.filter(|it| it.starts_with("tacit ") && !others.iter().any(|other| it.starts_with(other))).collect()
}

#[test]
fn every_command_and_option_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut documents = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    documents.extend(std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    documents.retain(|path| path.extension().is_some_and(|end| end == "md"));
    let mut found = 0;
    for document in documents {
        for command in named(&std::fs::read_to_string(&document).unwrap()) {
            let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '|');
            let words: Vec<&str> = command.split(' ').skip(1).collect();
            let mut path: Vec<&str> =
                words.iter().copied().take_while(|word| is_word(word) && !word.starts_with('-')).collect();
            let options = words.iter().filter(|word| word.starts_with("--"));
            // `db migrate|status`: each of them.
            let last = path.pop().unwrap_or("--help");
            for last in last.split('|') {
                let done = Command::new(env!("CARGO_BIN_EXE_tacit"))
                    .args(&path)
                    .args([last, "--help"])
                    .stdin(Stdio::null())
                    .output()
                    .unwrap();
                let help = String::from_utf8_lossy(&done.stdout);
                let place = format!("{}: {command}", document.display());
                assert!(done.status.success(), "{place}\n{}", String::from_utf8_lossy(&done.stderr));
                for option in options.clone() {
                    assert!(help.contains(option), "{place}: no {option}\n{help}");
                }
                found += 1;
            }
        }
    }
    assert!(found > 50, "only {found} commands were found");
}
