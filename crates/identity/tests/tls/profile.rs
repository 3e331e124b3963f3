//! The development CA issues exactly what `certs/profile/development-ca.toml` says.

use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use tacit_identity::{DevCa, Role, Serial, SpiffeId, profile};
use tacit_model::Millis;
use x509_parser::prelude::{
    CertificateRevocationList, FromDer as _, GeneralName, ParsedExtension, X509Certificate,
};

const NOW: Millis = Millis(1_795_300_143_223);

fn described() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../certs/profile/development-ca.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn number(table: &toml::Value, key: &str) -> i64 {
    table[key].as_integer().unwrap()
}

fn words(table: &toml::Value, key: &str) -> Vec<String> {
    table[key].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

fn filled(table: &toml::Value, key: &str) -> String {
    let text = table[key].as_str().unwrap();
    text.replace("<federation>", "demo").replace("<role>", "node").replace("<member>", "tax")
}

fn names(certificate: &X509Certificate<'_>) -> (Vec<String>, Vec<String>) {
    let names = certificate.subject_alternative_name().unwrap().unwrap().value;
    let pick = |wanted: fn(&GeneralName<'_>) -> Option<String>| {
        names.general_names.iter().filter_map(wanted).collect::<Vec<_>>()
    };
    let uris = pick(|name| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    });
    let hosts = pick(|name| match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        _ => None,
    });
    assert_eq!(uris.len() + hosts.len(), names.general_names.len(), "no other kind of name");
    (uris, hosts)
}

fn has(certificate: &X509Certificate<'_>, wanted: fn(&ParsedExtension<'_>) -> bool) -> bool {
    certificate.extensions().iter().any(|extension| wanted(extension.parsed_extension()))
}

fn key_usage(certificate: &X509Certificate<'_>) -> Vec<&'static str> {
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    let all = [
        (usage.value.digital_signature(), "digitalSignature"),
        (usage.value.key_cert_sign(), "keyCertSign"),
        (usage.value.crl_sign(), "cRLSign"),
    ];
    let set: Vec<_> = all.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    assert_eq!(set.len(), usize::try_from(usage.value.flags.count_ones()).unwrap(), "no other usage");
    set
}

fn validity_days(certificate: &X509Certificate<'_>, backdate: i64) -> i64 {
    let now = i64::try_from(NOW.0 / 1000).unwrap();
    assert_eq!(certificate.validity().not_before.timestamp(), now - backdate);
    (certificate.validity().not_after.timestamp() - now) / 86_400
}

#[test]
fn the_authority_follows_its_profile() {
    let described = described();
    let (wanted, all) = (&described["authority"], &described["all"]);
    assert_eq!(wanted["file"].as_str(), Some(profile::AUTHORITY_FILE));
    assert_eq!(wanted["key_file"].as_str(), Some(profile::AUTHORITY_KEY_FILE));
    let ca = DevCa::create("demo".parse().unwrap(), NOW).unwrap();
    let der = CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(validity_days(&certificate, number(all, "backdate_seconds")), number(wanted, "days"));
    assert_eq!(names(&certificate), (vec![filled(wanted, "uri")], vec![]));
    assert_eq!(key_usage(&certificate), words(wanted, "key_usage"));
    assert_eq!(
        certificate.signature_algorithm.algorithm.to_id_string(),
        wanted["signature"].as_str().unwrap()
    );
    let basic = certificate.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && basic.value.ca);
    assert_eq!(basic.value.path_len_constraint.map(i64::from), Some(number(wanted, "path_length")));
    assert!(has(&certificate, |e| matches!(e, ParsedExtension::SubjectKeyIdentifier(_))));
}

#[test]
fn a_leaf_follows_its_profile() {
    let described = described();
    let (wanted, all) = (&described["leaf"], &described["all"]);
    let ca = DevCa::create("demo".parse().unwrap(), NOW).unwrap();
    let id = SpiffeId::new("demo".parse().unwrap(), Role::Node, "tax".parse().unwrap());
    let leaf = ca.issue(&id, NOW).unwrap();
    let der = CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(validity_days(&certificate, number(all, "backdate_seconds")), number(wanted, "days"));
    assert_eq!(names(&certificate), (vec![filled(wanted, "uri")], vec![filled(wanted, "dns")]));
    assert_eq!(key_usage(&certificate), words(wanted, "key_usage"));
    assert_eq!(
        certificate.signature_algorithm.algorithm.to_id_string(),
        wanted["signature"].as_str().unwrap()
    );
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && extended.client_auth && !extended.any && extended.other.is_empty());
    assert_eq!(words(wanted, "extended_key_usage"), ["serverAuth", "clientAuth"]);
    assert!(!certificate.basic_constraints().unwrap().unwrap().value.ca);
    assert!(has(&certificate, |e| matches!(e, ParsedExtension::SubjectKeyIdentifier(_))));
    assert!(has(&certificate, |e| matches!(e, ParsedExtension::AuthorityKeyIdentifier(_))));

    let mut serial = leaf.identity.spki_sha256[..16].to_vec();
    serial[0] = (serial[0] & 0x3f) | 0x40;
    assert_eq!(certificate.raw_serial(), serial);
    assert_eq!(Serial::of_pem(leaf.certificate_pem.as_bytes()).unwrap(), leaf.serial);
    assert_eq!(leaf.serial.to_string().parse::<Serial>().unwrap(), leaf.serial);
    let not_after = u64::try_from(certificate.validity().not_after.timestamp()).unwrap();
    assert_eq!(leaf.identity.not_after, Millis(not_after * 1000));
}

#[test]
fn a_revocation_list_follows_its_profile_and_forgets_nothing() {
    let described = described();
    let wanted = &described["revocation"];
    assert_eq!(wanted["file"].as_str(), Some(profile::CRL_FILE));
    let mut ca = DevCa::create("demo".parse().unwrap(), NOW).unwrap();
    let folder = tempfile::tempdir().unwrap();
    ca.save(folder.path()).unwrap();

    let first: Serial = "40aa".parse().unwrap();
    let second: Serial = "40:bb".parse().unwrap();
    ca.revoke(std::slice::from_ref(&first), NOW).unwrap();
    ca.save(folder.path()).unwrap();
    let mut ca = DevCa::load(folder.path()).unwrap();
    let later = Millis(NOW.0 + 1000 * 86_400);
    ca.revoke(&[second, first], later).unwrap();
    ca.renew_crl(later).unwrap();

    let der = CertificateRevocationListDer::from_pem_slice(ca.crl_pem().as_bytes()).unwrap();
    let (_, list) = CertificateRevocationList::from_der(&der).unwrap();
    assert_eq!((ca.crl_number(), list.crl_number().unwrap()), (4, &4_u32.into()));
    let later = i64::try_from(later.0 / 1000).unwrap();
    assert_eq!((list.next_update().unwrap().timestamp() - later) / 86_400, number(wanted, "days"));
    assert_eq!(later - list.last_update().timestamp(), number(&described["all"], "backdate_seconds"));
    let revoked: Vec<_> = list
        .iter_revoked_certificates()
        .map(|entry| (entry.raw_serial().to_vec(), entry.revocation_date.timestamp()))
        .collect();
    let now = i64::try_from(NOW.0 / 1000).unwrap();
    assert_eq!(revoked, [(vec![0x40, 0xaa], now), (vec![0x40, 0xbb], later)]);
}

#[test]
fn the_authority_refuses_other_federations_and_loose_or_foreign_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let ca = DevCa::create("demo".parse().unwrap(), NOW).unwrap();
    let stranger: SpiffeId = "spiffe://other/node/tax".parse().unwrap();
    assert!(matches!(ca.issue(&stranger, NOW), Err(tacit_identity::CaError::OtherFederation { .. })));
    let folder = tempfile::tempdir().unwrap();
    ca.save(folder.path()).unwrap();
    let key = folder.path().join(profile::AUTHORITY_KEY_FILE);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = DevCa::load(folder.path()).unwrap_err();
    assert!(error.to_string().contains("chmod 0600"), "{error}");

    let other = tempfile::tempdir().unwrap();
    DevCa::create("demo".parse().unwrap(), NOW).unwrap().save(other.path()).unwrap();
    std::fs::copy(other.path().join(profile::AUTHORITY_KEY_FILE), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(DevCa::load(folder.path()), Err(tacit_identity::CaError::KeyMismatch)));
    assert!(matches!(
        DevCa::create("demo".parse().unwrap(), Millis(u64::MAX)),
        Err(tacit_identity::CaError::TimeOutOfRange)
    ));
}
