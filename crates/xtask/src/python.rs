//! A Python with the packages of tests/independent/requirements.txt, pinned there by hash: for the program that
//! verifies our logs without our code.
//!
//! It stands in a virtual environment below target/, which is made again when the requirements change. Tests that
//! want it and do not get it say so and pass, as with everything that a machine may lack.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::{Error, read, run};
use crate::needs;

/// What it needs, below the root.
const REQUIREMENTS: &str = "tests/independent/requirements.txt";
/// The virtual environment, below the root.
const FOLDER: &str = "target/python";
/// In it: the requirements that were installed, written last.
const INSTALLED: &str = "requirements.installed";
/// How tests learn of it.
const VARIABLE: &str = "TACIT_TEST_PYTHON";

/// What to tell the tests: the variable with the interpreter, or nothing when it cannot be had here.
pub(crate) fn environment(root: &Path) -> Option<(&'static str, PathBuf)> {
    match prepare(root) {
        Ok(python) => Some((VARIABLE, python)),
        Err(error) => {
            eprintln!("xtask: no Python for the independent verifier, so its tests are skipped: {error}");
            None
        }
    }
}

/// The interpreter, after installing what is missing.
fn prepare(root: &Path) -> Result<PathBuf, Error> {
    let folder = root.join(FOLDER);
    let python = folder.join("bin/python");
    let requirements = read(&root.join(REQUIREMENTS))?;
    // After an upgrade of the system's Python the folder is there, and its packages are not found.
    let mut probe = Command::new(&python);
    probe.args(["-c", "import cryptography"]);
    if is_installed(&folder, &requirements) && needs::answers(probe) {
        return Ok(python);
    }
    make_environment(root, &folder)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    pip.args(["--require-hashes", "--only-binary=:all:", "--requirement", REQUIREMENTS]);
    succeed(root, pip)?;
    let written = folder.join(INSTALLED);
    std::fs::write(&written, requirements).map_err(|source| Error::Write { path: written, source })?;
    Ok(python)
}

/// Makes the virtual environment; Debian keeps what that takes in a package of its own.
fn make_environment(root: &Path, folder: &Path) -> Result<(), Error> {
    let venv = || {
        let mut command = Command::new("python3");
        command.args(["-m", "venv", "--clear"]).arg(folder);
        command
    };
    let mut first = venv();
    first.current_dir(root).stdout(Stdio::null()).stderr(Stdio::null());
    if first.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    needs::apt(&["python3", "python3-venv"], "python3 with venv")?;
    succeed(root, venv())
}

fn is_installed(folder: &Path, requirements: &str) -> bool {
    std::fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|installed| installed == requirements)
}

fn succeed(root: &Path, mut command: Command) -> Result<(), Error> {
    command.current_dir(root);
    let failure = Error::failed(&command);
    if run(command)? { Ok(()) } else { Err(failure) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_requirements_are_installed_again() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_installed(folder.path(), "a"));
        std::fs::write(folder.path().join(INSTALLED), "a").unwrap();
        assert!(is_installed(folder.path(), "a"));
        assert!(!is_installed(folder.path(), "b"));
    }

    #[test]
    fn the_requirements_pin_every_package_by_hash() {
        let requirements = read(&crate::root().join(REQUIREMENTS)).unwrap();
        let lines = requirements.replace("\\\n", " ");
        let packages: Vec<&str> = lines.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(packages.len() > 1);
        for package in packages {
            let mut words = package.split_whitespace();
            assert!(words.next().is_some_and(|name| name.contains("==")), "{package}");
            let hashes: Vec<&str> = words.collect();
            assert!(!hashes.is_empty(), "{package}");
            for hash in hashes {
                let hex = hash.strip_prefix("--hash=sha256:").unwrap_or_default();
                assert!(hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
            }
        }
    }
}
