//! Dependency bans, proven from the resolved graph; deny.toml states the same for cargo-deny.

use crate::graph::{Graph, Kind};

/// Crates that may not be anywhere in the graph: rustls is the one TLS library and ring its one provider.
const BANNED: &[&str] = &[
    "aws-lc-rs",
    "aws-lc-sys",
    "aws-lc-fips-sys",
    "boring",
    "boring-sys",
    "graviola",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-sys",
    "rustls-graviola",
    "rustls-openssl",
    "rustls-rustcrypto",
    "rustls-symcrypt",
    "s2n-tls",
    "tokio-native-tls",
];

/// Crates of which the product holds at most one version: two would not accept each other's types, keys or
/// connections. What only tests reach may be older: an implementation to compare with keeps its own.
const ONE_VERSION: &[&str] = &[
    "curve25519-dalek",
    "hyper",
    "libsqlite3-sys",
    "prost",
    "ring",
    "rustls",
    "rustls-webpki",
    "sqlx",
    "tokio-rustls",
    "tonic",
];

/// The only features rustls may have: no second provider. sqlx asks for `tls12`, for PostgreSQL servers that have no
/// newer one; between parties `identity` names TLS 1.3 alone, in every configuration that it makes.
const RUSTLS_FEATURES: &[&str] = &["log", "logging", "ring", "std", "tls12"];

/// The one registry.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

const ROLES: &[&str] = &["node", "coordinator", "custodian", "authority", "portal"];

/// Who may use an outside crate, as folders of `crates/`; crates that are not named here are free to all.
/// Tests (development dependencies, and the testkit) may use anything.
const OWNERS: &[(&[&str], &[&[&str]])] = &[
    // Wire types stop at `wire`.
    (&["prost", "prost-types", "tonic-prost", "tonic-prost-build", "tonic-types", "protox"], &[&["wire"]]),
    (&["tonic", "tonic-health"], &[&["wire", "identity", "client", "witness", "federation", "tacit"], ROLES]),
    // SQL stands in `store` and in the `src/store/` of each role.
    (&["sqlx"], &[&["store", "desk"], ROLES]),
    // Certificates and TLS configuration are made in one place.
    (
        &["hyper-rustls", "rustls", "rustls-pki-types", "tokio-rustls", "rcgen", "x509-parser"],
        &[&["identity"]],
    ),
    // Each piece of cryptography has one room.
    (&["curve25519-dalek", "hpke", "sha2"], &[&["blind"]]),
    (&["cedar-policy"], &[&["policy"]]),
    // The floors below do no I/O and have no clock: time and randomness are arguments.
    (
        &["tokio", "tokio-stream", "futures"],
        &[&["store", "identity", "client", "witness", "desk", "federation", "tacit"], ROLES],
    ),
    (&["getrandom"], &[&["model"]]),
    (&["rand"], &[]),
    // Other implementations of the log, to compare ours with.
    (&["ct-merkle", "signed_note", "tlog_tiles"], &[]),
    // HTTP for people and applications.
    (&["axum", "utoipa"], &[&["desk", "node", "authority", "portal", "tacit"]]),
    // Pages, logins and uploaded files. openidconnect brings RSA, with which it verifies and never signs.
    (&["askama", "chrono", "cookie", "fluent-bundle", "openidconnect", "unic-langid", "url"], &[&["portal"]]),
    (&["calamine", "multer", "zip"], &[&["portal"]]),
    // Configuration files are read in one place; arguments and what prints belong to the binary.
    (&["figment"], &[&["federation"]]),
    (
        &[
            "clap",
            "clap_complete",
            "indicatif",
            "mimalloc",
            "tracing-subscriber",
            "metrics-exporter-prometheus",
        ],
        &[&["tacit"]],
    ),
];

/// One finding for each thing in the graph that the house does not want.
pub(crate) fn check(graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for package in &graph.packages {
        let name = package.name.as_str();
        if BANNED.contains(&name) {
            findings.push(format!("{name} {} is in the graph (cargo tree -i {name})", package.version));
        }
        if !package.member && package.source.as_deref() != Some(REGISTRY) {
            findings.push(format!("{name} does not come from crates.io"));
        }
        if name == "rustls" {
            findings.extend(rustls(&package.features));
        }
    }
    for name in ONE_VERSION {
        let versions: Vec<&str> = graph
            .packages
            .iter()
            .filter(|package| package.name == *name && package.shipped)
            .map(|p| p.version.as_str())
            .collect();
        if versions.len() > 1 {
            findings.push(format!(
                "{name} is in the graph in {} versions: {}",
                versions.len(),
                versions.join(", ")
            ));
        }
    }
    for package in graph.members().filter(|package| package.name != "tacit-testkit") {
        let folder = package.name.strip_prefix("tacit-").unwrap_or(&package.name);
        for arrow in package.arrows.iter().filter(|arrow| arrow.kind != Kind::Dev) {
            if let Some(owners) = owners(&arrow.to)
                && !owners.contains(&folder)
            {
                let owners = if owners.is_empty() { "tests".to_owned() } else { owners.join(", ") };
                findings
                    .push(format!("{} depends on {}, which is for {owners} only", package.name, arrow.to));
            }
        }
    }
    findings
}

fn rustls(features: &[String]) -> Vec<String> {
    let mut findings: Vec<String> = features
        .iter()
        .filter(|feature| !RUSTLS_FEATURES.contains(&feature.as_str()))
        .map(|feature| format!("rustls has the feature {feature}"))
        .collect();
    if !features.iter().any(|feature| feature == "ring") {
        findings.push("rustls has no provider: switch its feature ring on".to_owned());
    }
    findings
}

/// The folders that may use an outside crate; `None` when all may.
fn owners(name: &str) -> Option<Vec<&'static str>> {
    OWNERS.iter().find(|(crates, _)| crates.contains(&name)).map(|(_, owners)| owners.concat())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::graph::Package;
    use crate::graph::fixture::{member, outside};

    fn findings(packages: &[Package]) -> Vec<String> {
        check(&Graph { packages: packages.to_vec() })
    }

    #[test]
    fn a_lean_graph_is_accepted() {
        let graph = [
            member("tacit-identity", &["rustls", "tokio"], &[]),
            member("tacit-wire", &["prost"], &[]),
            outside("rustls", "0.23.46", &["ring", "std"]),
            outside("ring", "0.17.14", &["std"]),
        ];
        assert_eq!(findings(&graph), Vec::<String>::new());
    }

    #[test]
    fn a_second_tls_library_or_provider_is_found() {
        for name in ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"] {
            assert_eq!(findings(&[outside(name, "1.0.0", &[])]).len(), 1, "{name}");
        }
        assert_eq!(findings(&[outside("rustls", "0.23.46", &["ring", "aws_lc_rs"])]).len(), 1);
        assert_eq!(findings(&[outside("rustls", "0.23.46", &["ring", "fips"])]).len(), 1);
        assert_eq!(findings(&[outside("rustls", "0.23.46", &["std"])]).len(), 1);
    }

    #[test]
    fn a_second_version_is_found() {
        let graph = [outside("rustls", "0.22.4", &["ring"]), outside("rustls", "0.23.46", &["ring"])];
        assert_eq!(findings(&graph), ["rustls is in the graph in 2 versions: 0.22.4, 0.23.46"]);
        let mut older = outside("rustls", "0.22.4", &["ring"]);
        older.shipped = false;
        assert!(findings(&[older, outside("rustls", "0.23.46", &["ring"])]).is_empty());
        let harmless = [outside("syn", "2.0.0", &[]), outside("syn", "3.0.0", &[])];
        assert!(findings(&harmless).is_empty());
    }

    #[test]
    fn an_outside_crate_is_used_only_in_its_room() {
        assert_eq!(findings(&[member("tacit-node", &["prost"], &[])]).len(), 1);
        assert_eq!(findings(&[member("tacit-blind", &["tokio"], &[])]).len(), 1);
        assert_eq!(findings(&[member("tacit-tacit", &["sqlx"], &[])]).len(), 1);
        assert_eq!(findings(&[member("tacit-node", &["rand"], &[])]).len(), 1);
        assert!(findings(&[member("tacit-node", &["sqlx"], &["prost"])]).is_empty());
        assert!(findings(&[member("tacit-testkit", &["sqlx", "rcgen"], &[])]).is_empty());
    }

    #[test]
    fn a_crate_from_elsewhere_is_found() {
        let mut forked = outside("serde", "1.0.0", &[]);
        forked.source = Some("git+https://example.org/serde".to_owned());
        assert_eq!(findings(&[forked]), ["serde does not come from crates.io"]);
    }

    #[test]
    fn deny_toml_states_the_same_lists() {
        let deny: toml::Table =
            crate::command::read(&crate::root().join("deny.toml")).unwrap().parse().unwrap();
        let (single, banned): (Vec<_>, Vec<_>) = deny["bans"]["deny"]
            .as_array()
            .unwrap()
            .iter()
            .partition(|entry| entry.get("deny-multiple-versions").is_some());
        let names = |entries: Vec<&toml::Value>| -> BTreeSet<String> {
            entries.iter().map(|entry| entry["crate"].as_str().unwrap().to_owned()).collect()
        };
        let code =
            |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        assert_eq!(names(banned), code(BANNED));
        assert_eq!(names(single), code(ONE_VERSION));
        let features = deny["bans"]["features"].as_array().unwrap();
        let rustls = features.iter().find(|entry| entry["crate"].as_str() == Some("rustls")).unwrap();
        let allowed: Vec<_> =
            rustls["allow"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
        assert_eq!(allowed, RUSTLS_FEATURES);
        let registries = deny["sources"]["allow-registry"].as_array().unwrap();
        assert_eq!(format!("registry+{}", registries[0].as_str().unwrap()), REGISTRY);
    }
}
