//! What the manifest of each crate has to inherit from the workspace, so that no crate leaves the house rules.

use crate::command::{Error, read};
use crate::graph::Graph;

/// Keys of `[package]` with one value for all crates.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// One finding for each crate and key that does not follow the workspace.
pub(crate) fn check(graph: &Graph) -> Result<Vec<String>, Error> {
    let mut findings = Vec::new();
    for package in graph.members() {
        let manifest = read(&package.manifest)?;
        findings.extend(judge(&package.name, &manifest)?);
    }
    Ok(findings)
}

fn judge(name: &str, manifest: &str) -> Result<Vec<String>, Error> {
    let table: toml::Table =
        manifest.parse().map_err(|error| Error::Shape { what: format!("manifest of {name}: {error}") })?;
    let section = |key: &str| table.get(key);
    let follows = |value: Option<&toml::Value>| {
        value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
    };
    let mut findings: Vec<String> = INHERITED
        .iter()
        .filter(|key| !follows(section("package").and_then(|package| package.get(*key))))
        .map(|key| format!("{name}: [package] has to say {key}.workspace = true"))
        .collect();
    if !follows(section("lints")) {
        findings.push(format!("{name}: [lints] has to say workspace = true"));
    }
    if section("package").and_then(|package| package.get("description")).is_none() {
        findings.push(format!("{name}: [package] needs a description, the one sentence of the house table"));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [package]
        name = "tacit-x"
        description = "One sentence."
        version.workspace = true
        edition.workspace = true
        rust-version.workspace = true
        license = { workspace = true }
        publish.workspace = true
        [lints]
        workspace = true
    "#;

    #[test]
    fn a_manifest_that_inherits_is_accepted() {
        assert!(judge("tacit-x", GOOD).unwrap().is_empty());
    }

    #[test]
    fn an_edition_or_lints_of_its_own_are_found() {
        let edition = GOOD.replace("edition.workspace = true", "edition = \"2021\"");
        assert_eq!(judge("tacit-x", &edition).unwrap().len(), 1);
        let lints =
            GOOD.replace("[lints]\n        workspace = true", "[lints.rust]\n        unsafe_code = \"warn\"");
        assert_eq!(judge("tacit-x", &lints).unwrap().len(), 1);
        let silent = GOOD.replace("description", "keywords");
        assert_eq!(judge("tacit-x", &silent).unwrap().len(), 1);
    }

    #[test]
    fn a_manifest_that_is_not_toml_is_an_error() {
        assert!(judge("tacit-x", "[package").is_err());
    }
}
