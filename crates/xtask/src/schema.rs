//! Both databases of a role have the same schema: `migrations/<role>/sqlite` and `migrations/<role>/postgres` have files
//! of the same names, and these make the same tables with the same columns in the same order. Types, checks and
//! indexes are each database's own; what a query can name is not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Error, read};

/// What a line of a table begins with when it is no column.
const NO_COLUMN: [&str; 6] = ["PRIMARY", "CHECK", "UNIQUE", "FOREIGN", "CONSTRAINT", ")"];

/// Columns by table.
type Tables = BTreeMap<String, Vec<String>>;

/// One finding for each difference, and for each version that two files have.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, Error> {
    let mut findings = Vec::new();
    for role in entries(&root.join("migrations"))? {
        let name = file_name(&role);
        let (sqlite, postgres) = (entries(&role.join("sqlite"))?, entries(&role.join("postgres"))?);
        let names = |files: &[PathBuf]| files.iter().map(|file| file_name(file)).collect::<Vec<_>>();
        if names(&sqlite) != names(&postgres) {
            findings.push(format!("migrations/{name}: sqlite and postgres have different files"));
        }
        for pair in names(&sqlite).windows(2) {
            let version = |file: &str| file.split('_').next().unwrap_or_default().to_owned();
            if version(&pair[0]) == version(&pair[1]) {
                findings.push(format!("migrations/{name}: {} and {} have one version", pair[0], pair[1]));
            }
        }
        findings.extend(differences(&name, &tables(&sqlite)?, &tables(&postgres)?));
    }
    Ok(findings)
}

fn differences(role: &str, sqlite: &Tables, postgres: &Tables) -> Vec<String> {
    let mut names: Vec<&String> = sqlite.keys().chain(postgres.keys()).collect();
    names.sort();
    names.dedup();
    let columns = |tables: &Tables, name: &String| tables.get(name).map(|columns| columns.join(", "));
    names
        .into_iter()
        .filter_map(|name| match (columns(sqlite, name), columns(postgres, name)) {
            (Some(one), Some(other)) if one == other => None,
            (Some(one), Some(other)) => {
                Some(format!("migrations/{role}: table {name} has ({one}) in sqlite, ({other}) in postgres"))
            }
            (Some(_), None) => Some(format!("migrations/{role}: table {name} is missing in postgres")),
            (None, _) => Some(format!("migrations/{role}: table {name} is missing in sqlite")),
        })
        .collect()
}

fn tables(files: &[PathBuf]) -> Result<Tables, Error> {
    let mut tables = Tables::new();
    for file in files {
        take(&read(file)?, &mut tables);
    }
    Ok(tables)
}

/// Takes one migration up. The house writes one column per line.
fn take(sql: &str, tables: &mut Tables) {
    let mut open: Option<String> = None;
    for line in sql.lines().map(|line| line.split("--").next().unwrap_or_default()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word =
            |place: usize| words.get(place).copied().unwrap_or_default().trim_end_matches(['(', ';', ',']);
        match (&open, word(0), word(1)) {
            (None, "CREATE", "TABLE") => {
                tables.insert(word(2).to_owned(), Vec::new());
                open = Some(word(2).to_owned());
            }
            (None, "DROP", "TABLE") => drop(tables.remove(word(2))),
            (None, "ALTER", "TABLE") => {
                let columns = tables.entry(word(2).to_owned()).or_default();
                match (word(3), word(4)) {
                    ("ADD", "COLUMN") => columns.push(word(5).to_owned()),
                    ("DROP", "COLUMN") => columns.retain(|column| column != word(5)),
                    ("RENAME", "TO") => {
                        let columns = std::mem::take(columns);
                        tables.remove(word(2));
                        tables.insert(word(4).to_owned(), columns);
                    }
                    _ => {}
                }
            }
            (Some(_), _, _) if line.starts_with(')') => open = None,
            (Some(table), first, _) if is_column(line, first) => {
                tables.entry(table.clone()).or_default().push(first.to_owned());
            }
            _ => {}
        }
    }
}

/// A column stands four spaces in; what continues one stands deeper.
fn is_column(line: &str, first: &str) -> bool {
    line.starts_with("    ")
        && !line.starts_with("     ")
        && !first.is_empty()
        && !NO_COLUMN.iter().any(|word| first.starts_with(word))
}

/// What is in a folder, in order; nothing when it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Tables {
        let mut tables = Tables::new();
        take(sql, &mut tables);
        tables
    }

    const SQLITE: &str = "-- A table.\nCREATE TABLE thing (\n    id  INTEGER PRIMARY KEY, -- its number\n    \
        key BLOB NOT NULL CHECK (length(key) = 32),\n    n   BIGINT,\n    PRIMARY KEY (id)\n) WITHOUT ROWID;\n\
        CREATE INDEX thing_key ON thing (key);\n";

    #[test]
    fn the_same_columns_in_other_types_are_no_difference() {
        let postgres =
            SQLITE.replace("BLOB", "BYTEA").replace("INTEGER", "BIGINT").replace(") WITHOUT ROWID", ")");
        assert_eq!(of(SQLITE)["thing"], ["id", "key", "n"]);
        assert!(differences("role", &of(SQLITE), &of(&postgres)).is_empty());
    }

    #[test]
    fn every_difference_is_found() {
        for (from, to) in [
            ("    n   BIGINT,\n", ""),
            ("    key ", "    kez "),
            ("CREATE TABLE thing", "CREATE TABLE thinh"),
            ("CREATE INDEX", "ALTER TABLE thing ADD COLUMN more BIGINT;\nCREATE INDEX"),
            ("CREATE INDEX", "DROP TABLE thing;\nCREATE INDEX"),
            ("CREATE INDEX", "ALTER TABLE thing RENAME TO other;\nCREATE INDEX"),
        ] {
            let other = SQLITE.replace(from, to);
            assert_ne!(other, SQLITE);
            assert!(!differences("role", &of(SQLITE), &of(&other)).is_empty(), "{other}");
        }
    }
}
