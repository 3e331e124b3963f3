//! The dependency graph as `cargo metadata` resolved it, for every platform, with development and build dependencies.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{Error, cargo, output};

/// The kind of an arrow from one package to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    /// Tests, benches and examples only.
    Dev,
}

/// One declared dependency, whether or not a feature or platform switches it on.
#[derive(Clone, Debug)]
pub(crate) struct Arrow {
    /// The package's real name, also where the manifest renames it.
    pub(crate) to: String,
    pub(crate) kind: Kind,
}

/// A package of the resolved graph.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where it comes from; `None` for a path in this repository.
    pub(crate) source: Option<String>,
    pub(crate) manifest: PathBuf,
    pub(crate) arrows: Vec<Arrow>,
    /// Features that the resolver switched on.
    pub(crate) features: Vec<String>,
    /// Whether it is one of ours.
    pub(crate) member: bool,
    /// Whether the product or its build needs it; false for what only tests, benches and examples use.
    pub(crate) shipped: bool,
}

/// All packages of the resolved graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
}

impl Graph {
    /// Asks cargo for the graph of the workspace at `root`.
    pub(crate) fn load(root: &Path) -> Result<Self, Error> {
        let mut command = cargo(root);
        command.args(["metadata", "--format-version", "1"]);
        let bytes = output(command)?;
        let value = serde_json::from_slice(&bytes).map_err(|error| shape(&error.to_string()))?;
        Self::parse(&value)
    }

    fn parse(metadata: &Value) -> Result<Self, Error> {
        let members: Vec<&str> =
            array(metadata, "workspace_members")?.iter().filter_map(Value::as_str).collect();
        let nodes = array(&metadata["resolve"], "nodes")?;
        let features: HashMap<&str, &Value> =
            nodes.iter().filter_map(|node| Some((node["id"].as_str()?, &node["features"]))).collect();
        let shipped = shipped(nodes, &members);
        let packages = array(metadata, "packages")?
            .iter()
            .map(|package| {
                let id = text(package, "id")?;
                let features = features.get(id).ok_or_else(|| shape("a package that is not resolved"))?;
                Ok(Package {
                    name: text(package, "name")?.to_owned(),
                    version: text(package, "version")?.to_owned(),
                    source: package["source"].as_str().map(ToOwned::to_owned),
                    manifest: text(package, "manifest_path")?.into(),
                    arrows: array(package, "dependencies")?.iter().map(arrow).collect::<Result<_, _>>()?,
                    features: features
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(ToOwned::to_owned)
                        .collect(),
                    member: members.contains(&id),
                    shipped: shipped.contains(id),
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { packages })
    }

    /// Our own packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.member)
    }
}

/// The packages that `members` reach without an arrow for tests.
fn shipped<'a>(nodes: &'a [Value], members: &[&'a str]) -> HashSet<&'a str> {
    let arrows: HashMap<&str, &Value> =
        nodes.iter().filter_map(|node| Some((node["id"].as_str()?, &node["deps"]))).collect();
    let mut found: HashSet<&str> = members.iter().copied().collect();
    let mut rest = members.to_vec();
    while let Some(id) = rest.pop() {
        for dependency in arrows.get(id).and_then(|deps| deps.as_array()).into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array();
            let for_tests = kinds.is_some_and(|kinds| kinds.iter().all(|kind| kind["kind"] == "dev"));
            if let Some(to) = dependency["pkg"].as_str()
                && !for_tests
                && found.insert(to)
            {
                rest.push(to);
            }
        }
    }
    found
}

fn arrow(dependency: &Value) -> Result<Arrow, Error> {
    let kind = match dependency["kind"].as_str() {
        None => Kind::Normal,
        Some("build") => Kind::Build,
        Some("dev") => Kind::Dev,
        Some(other) => return Err(shape(&format!("dependency kind {other:?}"))),
    };
    Ok(Arrow { to: text(dependency, "name")?.to_owned(), kind })
}

fn array<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, Error> {
    value[key].as_array().ok_or_else(|| shape(&format!("no list {key:?}")))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, Error> {
    value[key].as_str().ok_or_else(|| shape(&format!("no text {key:?}")))
}

fn shape(what: &str) -> Error {
    Error::Shape { what: format!("cargo metadata: {what}") }
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    /// A package of ours with normal and development dependencies.
    pub(crate) fn member(name: &str, normal: &[&str], dev: &[&str]) -> Package {
        let arrows = |names: &[&str], kind| {
            names.iter().map(|to| Arrow { to: (*to).to_owned(), kind }).collect::<Vec<_>>()
        };
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            source: None,
            manifest: PathBuf::from("crates").join(name.trim_start_matches("tacit-")).join("Cargo.toml"),
            arrows: [arrows(normal, Kind::Normal), arrows(dev, Kind::Dev)].concat(),
            features: Vec::new(),
            member: true,
            shipped: true,
        }
    }

    /// An outside package.
    pub(crate) fn outside(name: &str, version: &str, features: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            source: Some("registry+https://github.com/rust-lang/crates.io-index".to_owned()),
            manifest: PathBuf::new(),
            arrows: Vec::new(),
            features: features.iter().map(|feature| (*feature).to_owned()).collect(),
            member: false,
            shipped: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_becomes_a_graph() {
        let metadata = json!({
            "workspace_members": ["path+file:///a#tacit-model@0.1.0"],
            "packages": [
                { "id": "path+file:///a#tacit-model@0.1.0", "name": "tacit-model", "version": "0.1.0", "source": null,
                  "manifest_path": "/a/Cargo.toml",
                  "dependencies": [{ "name": "serde", "kind": null }, { "name": "csv", "kind": "dev" },
                                   { "name": "protox", "kind": "build" }] },
                { "id": "serde", "name": "serde", "version": "1.0.0", "source": "registry+x", "manifest_path": "/s",
                  "dependencies": [] },
            ],
            "resolve": { "nodes": [{ "id": "path+file:///a#tacit-model@0.1.0", "features": [] },
                                   { "id": "serde", "features": ["derive"] }] },
        });
        let graph = Graph::parse(&metadata).unwrap();
        let names: Vec<_> = graph.members().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["tacit-model"]);
        let kinds: Vec<_> = graph.packages[0].arrows.iter().map(|arrow| arrow.kind).collect();
        assert_eq!(kinds, [Kind::Normal, Kind::Dev, Kind::Build]);
        assert_eq!(graph.packages[1].features, ["derive"]);
    }

    #[test]
    fn what_only_tests_reach_is_not_shipped() {
        let package = |id: &&str| {
            json!({ "id": id, "name": id, "version": "1.0.0", "source": null, "manifest_path": "/x",
                    "dependencies": [] })
        };
        let to = |pkg: &str, kind: &str| match kind {
            "normal" => json!({ "pkg": pkg, "dep_kinds": [{ "kind": null }] }),
            "both" => json!({ "pkg": pkg, "dep_kinds": [{ "kind": "dev" }, { "kind": null }] }),
            kind => json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] }),
        };
        let node = |id: &str, deps: &[Value]| json!({ "id": id, "features": [], "deps": deps });
        let names = ["ours", "normal", "build", "both", "dev", "below-dev", "below-normal"];
        let packages: Vec<Value> = names.iter().map(package).collect();
        let mut nodes = vec![
            node(
                "ours",
                &[to("normal", "normal"), to("build", "build"), to("both", "both"), to("dev", "dev")],
            ),
            node("normal", &[to("below-normal", "normal")]),
            node("dev", &[to("below-dev", "normal"), to("both", "normal")]),
        ];
        nodes.extend(["build", "both", "below-dev", "below-normal"].map(|id| node(id, &[])));
        let metadata = json!({
            "workspace_members": ["ours"],
            "packages": packages,
            "resolve": { "nodes": nodes },
        });
        let graph = Graph::parse(&metadata).unwrap();
        let names = |shipped: bool| -> Vec<&str> {
            graph.packages.iter().filter(|p| p.shipped == shipped).map(|p| p.name.as_str()).collect()
        };
        assert_eq!(names(true), ["ours", "normal", "build", "both", "below-normal"]);
        assert_eq!(names(false), ["dev", "below-dev"]);
    }

    #[test]
    fn metadata_of_another_shape_is_an_error() {
        assert!(Graph::parse(&json!({ "packages": [] })).is_err());
    }
}
