//! Pythons with pinned packages: one for the program that verifies our logs without our code, one for Schemathesis,
//! which compares the JSON interfaces with their documents.
//!
//! Each stands in a virtual environment below target/, which is made again when its requirements change; they pin every
//! package by hash. Tests that want one and do not get it say so and pass, as with everything that a machine may lack.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::{Error, read, run};
use crate::needs;

/// In the virtual environment: the requirements that were installed, written last.
const INSTALLED: &str = "requirements.installed";

/// A virtual environment.
struct Environment {
    /// What it is for, as a person is told.
    what: &'static str,
    /// What it needs, below the root.
    requirements: &'static str,
    /// Where it stands, below the root.
    folder: &'static str,
    /// What can be imported when it is whole.
    package: &'static str,
    /// How tests learn of its program.
    variable: &'static str,
    /// That program, in its folder.
    program: &'static str,
}

const ENVIRONMENTS: [Environment; 2] = [
    Environment {
        what: "the independent verifier",
        requirements: "tests/independent/requirements.txt",
        folder: "target/python",
        package: "cryptography",
        variable: "TACIT_TEST_PYTHON",
        program: "bin/python",
    },
    Environment {
        what: "Schemathesis",
        requirements: "tests/schemathesis/requirements.txt",
        folder: "target/schemathesis",
        package: "schemathesis",
        variable: "TACIT_TEST_SCHEMATHESIS",
        program: "bin/schemathesis",
    },
];

/// What to tell the tests: variables with programs, without those that cannot be had here.
pub(crate) fn environment(root: &Path) -> Vec<(&'static str, PathBuf)> {
    let prepared = ENVIRONMENTS.iter().filter_map(|environment| match environment.prepare(root) {
        Ok(program) => Some((environment.variable, program)),
        Err(error) => {
            eprintln!("xtask: no Python for {}, so its tests are skipped: {error}", environment.what);
            None
        }
    });
    prepared.collect()
}

impl Environment {
    /// The program, after installing what is missing.
    fn prepare(&self, root: &Path) -> Result<PathBuf, Error> {
        let folder = root.join(self.folder);
        let python = folder.join("bin/python");
        let requirements = read(&root.join(self.requirements))?;
        // After an upgrade of the system's Python the folder is there, and its packages are not found.
        let mut probe = Command::new(&python);
        probe.args(["-c", &format!("import {}", self.package)]);
        if is_installed(&folder, &requirements) && needs::answers(probe) {
            return Ok(folder.join(self.program));
        }
        make_environment(root, &folder)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
        pip.args(["--require-hashes", "--only-binary=:all:", "--requirement", self.requirements]);
        succeed(root, pip)?;
        let written = folder.join(INSTALLED);
        std::fs::write(&written, requirements).map_err(|source| Error::Write { path: written, source })?;
        Ok(folder.join(self.program))
    }
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
        for environment in &ENVIRONMENTS {
            let requirements = read(&crate::root().join(environment.requirements)).unwrap();
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
}
