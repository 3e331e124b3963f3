//! A founded folder is complete, private, and what docs/samples shows.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tacit_federation::{
    config::{
        AuditorFile, AuthorityFile, ConfigError, CoordinatorFile, CustodianFile, Environment, FileKind,
        NodeFile, PortalFile, RoleFile as _, kind_of, role_of,
    },
    found::{DEFAULT_BASE_PORT, FoundError, Founded, Overrides, Ports, found},
    run::letters_key,
    sample::{self, Sample},
};
use tacit_identity::{CredentialFiles, Credentials, Role};
use tacit_model::{ManualClock, Millis, entropy::seeded_rng};
use tacit_policy::{registry::entry::Role as Registered, registry_hash};

fn now() -> Millis {
    "2026-11-21T22:29:03.223Z".parse().unwrap()
}

fn make(folder: &Path, name: &str) -> Founded {
    let sample = Sample::named(name).unwrap();
    let ports = Ports::from_base(&sample, DEFAULT_BASE_PORT).unwrap();
    found(folder, &sample, &ports, Overrides::default(), now(), &mut seeded_rng([7; 32])).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn load_any(path: &Path) -> Result<(), ConfigError> {
    let environment = Environment::Ignored;
    if kind_of(path)? == FileKind::Portal {
        return PortalFile::load(path, environment).map(drop);
    }
    match role_of(path)? {
        Role::Coordinator => CoordinatorFile::load(path, environment).map(drop),
        Role::Custodian => CustodianFile::load(path, environment).map(drop),
        Role::Node => NodeFile::load(path, environment).map(drop),
        Role::Authority => AuthorityFile::load(path, environment).map(drop),
        Role::Auditor => AuditorFile::load(path, environment).map(drop),
    }
}

#[test]
fn every_sample_founds_a_federation_whose_files_all_parties_can_use() {
    for name in sample::names() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("federation");
        let founded = make(&folder, name);
        assert!(founded.registry.audit_boxes().is_some());
        for file in founded.files.iter().filter(|file| file.extension().is_some_and(|it| it == "toml")) {
            let path = folder.join(file);
            load_any(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            if kind_of(&path).unwrap() == FileKind::Portal {
                continue;
            }
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let files = CredentialFiles::in_folder(&folder.join("tls"), stem);
            let credentials = Credentials::load(files, std::sync::Arc::new(ManualClock::new(now()))).unwrap();
            assert_eq!(credentials.spiffe().role, role_of(&path).unwrap());
            assert_eq!(credentials.spiffe().member.as_str(), stem);
        }
    }
}

#[test]
fn two_auditors_hold_the_keys_of_audit_boxes_and_others_read_the_log() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("federation");
    let mut sample = Sample::named("minimal").unwrap();
    let mut third = sample.member.iter().find(|it| it.id.as_str() == "auditor-a").unwrap().clone();
    third.id = "auditor-c".parse().unwrap();
    sample.member.push(third);
    let ports = Ports::from_base(&sample, DEFAULT_BASE_PORT).unwrap();
    let founded =
        found(&folder, &sample, &ports, Overrides::default(), now(), &mut seeded_rng([7; 32])).unwrap();
    assert!(founded.registry.audit_boxes().is_some());
    for (name, holds) in [("auditor-a", true), ("auditor-b", true), ("auditor-c", false)] {
        let file = AuditorFile::load(&folder.join(format!("{name}.toml")), Environment::Ignored).unwrap();
        assert_eq!(file.keys.audit_box.is_some(), holds, "{name}");
    }
}

#[test]
fn who_corresponds_has_a_key_for_letters_and_pseudonyms() {
    for name in sample::names() {
        let temporary = tempfile::tempdir().unwrap();
        let founded = make(temporary.path(), name);
        for member in founded.registry.members() {
            let roles = [Registered::Holder, Registered::Requester, Registered::Authority];
            let corresponds = roles.into_iter().any(|role| member.has(role));
            let id = &member.id;
            assert_eq!(member.keys.letters.is_some(), corresponds, "{name}: {id}");
            assert_eq!(member.pseudonym_epoch.is_some(), corresponds, "{name}: {id}");
            assert_eq!(founded.registry.pseudonym_key(id, 1).is_some(), corresponds, "{name}: {id}");
            if let Some(shown) = member.keys.letters {
                let path = temporary.path().join("keys").join(format!("{id}-letters.seed"));
                let own = letters_key(Some(&path)).unwrap().unwrap();
                assert_eq!(own.public().encode(), shown.0, "{name}: {id}");
            }
        }
        let authorities = founded.registry.letter_authorities().count();
        assert_eq!(
            authorities,
            founded.registry.members().filter(|it| it.has(Registered::Authority)).count()
        );
    }
}

#[test]
fn a_federation_where_nobody_asks_needs_no_auditor() {
    let temporary = tempfile::tempdir().unwrap();
    let mut sample = Sample::named("minimal").unwrap();
    let keep = ["coordinator", "custodian", "registrar"];
    sample.member.retain(|member| keep.contains(&member.id.as_str()));
    sample.agreement.clear();
    let ports = Ports::from_base(&sample, DEFAULT_BASE_PORT).unwrap();
    let rng = &mut seeded_rng([7; 32]);
    let founded = found(temporary.path(), &sample, &ports, Overrides::default(), now(), rng).unwrap();
    assert!(founded.registry.audit_boxes().is_none());
}

#[test]
fn every_party_reads_the_same_registry_with_its_own_pins() {
    let temporary = tempfile::tempdir().unwrap();
    let founded = make(temporary.path(), "procurement");
    let bytes = std::fs::read(temporary.path().join("registry.json")).unwrap();
    assert_eq!(founded.registry.hash(), registry_hash(&bytes));
    let read = |pins: tacit_policy::Pins| tacit_policy::Registry::parse(&bytes, &pins).unwrap().number();
    let path = |name: &str| temporary.path().join(name);
    let custodian = CustodianFile::load(&path("custodian.toml"), Environment::Ignored).unwrap();
    assert_eq!(read(custodian.pins.for_registry(&custodian.federation)), 1);
    for name in ["court.toml", "tax.toml", "procurement.toml"] {
        let node = NodeFile::load(&path(name), Environment::Ignored).unwrap();
        assert_eq!(read(node.pins.for_registry(&node.federation)), 1);
    }
}

#[test]
fn secrets_are_for_their_owner_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("federation");
    make(&folder, "procurement");
    for part in ["", "ca", "keys", "tls", "tokens", "data"] {
        assert_eq!(mode(&folder.join(part)), 0o700, "{part}");
    }
    for part in ["keys", "tokens"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }
    assert_eq!(mode(&folder.join("ca/ca.key")), 0o600);
    assert_eq!(mode(&folder.join("tls/court.key")), 0o600);
}

#[test]
fn a_folder_with_something_in_it_is_never_touched() {
    let temporary = tempfile::tempdir().unwrap();
    std::fs::write(temporary.path().join("mine.txt"), "mine").unwrap();
    let sample = Sample::named("minimal").unwrap();
    let ports = Ports::from_base(&sample, DEFAULT_BASE_PORT).unwrap();
    let refused =
        found(temporary.path(), &sample, &ports, Overrides::default(), now(), &mut seeded_rng([7; 32]));
    assert!(matches!(refused, Err(FoundError::Exists(_))));
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn a_sample_that_breaks_a_rule_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("federation");
    let mut sample = Sample::named("procurement").unwrap();
    sample.agreement[0].cross_context = None;
    let ports = Ports::from_base(&sample, DEFAULT_BASE_PORT).unwrap();
    let refused = found(&folder, &sample, &ports, Overrides::default(), now(), &mut seeded_rng([7; 32]));
    assert!(matches!(refused, Err(FoundError::Registry(_))));
    assert!(!folder.exists());
}

#[test]
fn an_unknown_key_is_refused_with_file_and_key() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), "procurement");
    let path = temporary.path().join("coordinator.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let says = |text: String| {
        std::fs::write(&path, text).unwrap();
        CoordinatorFile::load(&path, Environment::Ignored).unwrap_err().to_string()
    };
    let error = says(format!("{text}\n[limits]\npermits_ms = 5\n"));
    assert!(error.contains("coordinator.toml: limits.permits_ms: "), "{error}");
    let error = says(text.replace("member = \"coordinator\"", "member = \"Coordinator\""));
    assert!(error.contains("coordinator.toml: member: "), "{error}");
    let error = says(text.replace("database = ", "databas = "));
    assert!(error.contains("databas: no such key here; there are: role, federation,"), "{error}");
    let error = says(text.replace("member = \"coordinator\"", ""));
    assert!(error.contains("coordinator.toml: member: missing"), "{error}");
    let error = says(text.replace("role = \"coordinator\"", "role = \"custodian\""));
    assert!(error.contains("role"), "{error}");
    let error = says(text.replace("[tls]", "[tls"));
    assert!(error.contains("coordinator.toml"), "{error}");
    let missing = CoordinatorFile::load(Path::new("/nowhere/x.toml"), Environment::Ignored).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/x.toml"), "{missing}");
}

/// Where the published samples are.
fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples")
}

#[test]
fn the_published_samples_are_what_init_writes() {
    let temporary = tempfile::tempdir().unwrap();
    let founded = make(temporary.path(), sample::DEFAULT);
    let update = std::env::var_os("UPDATE_SAMPLES").is_some();
    let shown = founded.files.iter().filter(|file| {
        file.extension().is_some_and(|it| it == "toml") || file.as_path() == Path::new("README.txt")
    });
    for file in shown {
        let text = std::fs::read_to_string(temporary.path().join(file)).unwrap();
        let path = published().join(file);
        if update {
            std::fs::write(&path, text).unwrap();
        } else {
            let published = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(published, text, "docs/samples is old; run this test with UPDATE_SAMPLES=1");
        }
    }
}

#[test]
fn every_published_sample_can_be_read() {
    let mut count = 0;
    for entry in std::fs::read_dir(published()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "toml") {
            load_any(&path).unwrap_or_else(|error| panic!("{error}"));
            count += 1;
        }
    }
    assert!(count >= 5);
}
