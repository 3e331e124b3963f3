//! What the chores need beyond cargo, found or installed: `rustfmt` and `clippy` through rustup, Node's npm,
//! PostgreSQL, strace and Chromium through apt, and what package-lock.json names, `buf` among it, through npm by hash.
//!
//! A need is one function here: it returns once the thing is usable, or says what a person has to do.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::command::{Error, cargo, output, run};

/// `cargo fmt` and `cargo clippy`, which a minimal toolchain lacks.
pub(crate) fn rust_components() -> Result<(), Error> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let mut probe = cargo(Path::new("."));
        probe.args([subcommand, "--version"]);
        if answers(probe) {
            continue;
        }
        if !works("rustup") {
            return Err(Error::Missing {
                what: "rustfmt or clippy",
                remedy: "install both for this toolchain (with rustup: rustup component add rustfmt clippy)",
            });
        }
        let mut rustup = Command::new("rustup");
        rustup.args(["component", "add", component]);
        succeed(rustup)?;
    }
    Ok(())
}

/// The `buf` program of package-lock.json.
pub(crate) fn buf(root: &Path) -> Result<PathBuf, Error> {
    let package = match std::env::consts::ARCH {
        "aarch64" => "buf-linux-aarch64",
        _ => "buf-linux-x64",
    };
    let program = root.join("node_modules/@bufbuild").join(package).join("bin/buf");
    node_modules(root, &program)?;
    // npm leaves out what does not fit the platform, and does not call that an error.
    if program.exists() {
        Ok(program)
    } else {
        Err(Error::Missing {
            what: "buf for this platform",
            remedy: "run the checks on Linux (x86_64 or aarch64)",
        })
    }
}

/// Installs what package-lock.json names, when node_modules is older than that or lacks `wanted`.
fn node_modules(root: &Path, wanted: &Path) -> Result<(), Error> {
    if wanted.exists() && is_installed(root) {
        return Ok(());
    }
    npm()?;
    let mut install = Command::new("npm");
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(root);
    succeed(install)
}

/// Node and the packages of package-lock.json that run in it: what makes the portal's assets and drives its browser.
pub(crate) fn node(root: &Path) -> Result<(), Error> {
    npm()?;
    let mut version = Command::new("node");
    version.arg("--version");
    let version = output(version)?;
    if !is_new_enough(&String::from_utf8_lossy(&version)) {
        return Err(Error::Missing { what: "Node 20.19 or newer", remedy: "install it" });
    }
    node_modules(root, &root.join("node_modules/sass"))
}

/// Of what `node --version` says, `v20.20.2`: whether the packages run in it.
fn is_new_enough(version: &str) -> bool {
    let mut parts =
        version.trim().trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(20), Some(19))
}

/// Whether node_modules is at least as new as the lock file.
fn is_installed(root: &Path) -> bool {
    let changed = |path: &str| -> Option<SystemTime> { root.join(path).metadata().ok()?.modified().ok() };
    match (changed("node_modules/.package-lock.json"), changed("package-lock.json")) {
        (Some(installed), Some(locked)) => installed >= locked,
        _ => false,
    }
}

/// The folder of PostgreSQL's programs, the newest release that is here.
pub(crate) fn postgres() -> Result<PathBuf, Error> {
    if let Some(programs) = postgres_programs() {
        return Ok(programs);
    }
    apt(&["postgresql"], "PostgreSQL")?;
    postgres_programs().ok_or(Error::Missing { what: "PostgreSQL", remedy: "install it" })
}

fn postgres_programs() -> Option<PathBuf> {
    // Debian keeps releases apart and puts none of them on the path.
    let releases = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = releases
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = folders.into_iter().rev().map(|(_, folder)| folder).chain(std::env::split_paths(&path));
    folders.find(|folder| ["initdb", "pg_ctl"].iter().all(|name| folder.join(name).exists()))
}

/// strace, with which tests make system calls fail; they say so and pass where it cannot be had.
pub(crate) fn strace() {
    if !works("strace")
        && let Err(error) = apt(&["strace"], "strace")
    {
        eprintln!("xtask: tests with failing system calls are skipped: {error}");
    }
}

/// The browser that the tests of the portal drive: the one that its variable names, or Debian's. With it comes a face
/// for Chinese text, which pictures of the pages want.
pub(crate) fn chromium() -> Result<(), Error> {
    let named = std::env::var_os("TACIT_CHROMIUM").filter(|path| !path.is_empty());
    if Path::new(named.as_deref().unwrap_or("/usr/bin/chromium".as_ref())).exists() {
        return Ok(());
    }
    if named.is_some() {
        return Err(Error::Missing {
            what: "the browser of TACIT_CHROMIUM",
            remedy: "name one that is there",
        });
    }
    apt(&["chromium", "fonts-noto-cjk"], "Chromium")
}

fn npm() -> Result<(), Error> {
    if works("npm") {
        return Ok(());
    }
    apt(&["nodejs", "npm"], "npm")
}

/// Installs Debian packages, which only root can do.
pub(crate) fn apt(packages: &[&str], what: &'static str) -> Result<(), Error> {
    if !works("apt-get") || !is_root()? {
        return Err(Error::Missing {
            what,
            remedy: "install it (Debian: apt-get install nodejs npm python3-venv postgresql chromium), or run this once as root",
        });
    }
    println!("installing with apt-get: {}", packages.join(" "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet").args(arguments);
        succeed(command)
    };
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

pub(crate) fn is_root() -> Result<bool, Error> {
    let mut id = Command::new("id");
    id.arg("--user");
    Ok(output(id)?.trim_ascii() == b"0")
}

/// Whether a program is there and tells its version.
pub(crate) fn works(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version");
    answers(command)
}

/// Whether a command succeeds; what it prints is not shown.
pub(crate) fn answers(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn succeed(command: Command) -> Result<(), Error> {
    let failure = Error::failed(&command);
    if run(command)? { Ok(()) } else { Err(failure) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_does_not_work() {
        assert!(works("cargo"));
        assert!(!works("tacit-no-such-program"));
    }

    #[test]
    fn node_modules_older_than_the_lock_file_is_installed_again() {
        let root = tempfile::tempdir().unwrap();
        assert!(!is_installed(root.path()));
        std::fs::write(root.path().join("package-lock.json"), "{}").unwrap();
        std::fs::create_dir(root.path().join("node_modules")).unwrap();
        let installed = root.path().join("node_modules/.package-lock.json");
        std::fs::write(&installed, "{}").unwrap();
        assert!(is_installed(root.path()));
        let file = std::fs::File::options().write(true).open(installed).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(!is_installed(root.path()));
    }

    #[test]
    fn an_old_node_is_told() {
        for version in ["v20.19.0\n", "v20.20.2", "v22.1.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["v18.20.4\n", "v20.18.9", "", "no version"] {
            assert!(!is_new_enough(version), "{version:?}");
        }
    }

    #[test]
    fn the_lock_file_pins_every_package_by_hash() {
        let lock = crate::command::read(&crate::root().join("package-lock.json")).unwrap();
        let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert!(packages.len() > 1);
        for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty()) {
            assert!(package["integrity"].as_str().is_some_and(|hash| hash.starts_with("sha512-")), "{path}");
        }
    }
}
