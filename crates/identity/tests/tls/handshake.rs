//! Who is let in.

use std::sync::Arc;

use rustls::{CertificateError, HandshakeKind};
use tacit_identity::{CredentialError, IdentityError, Role, dial, profile};
use tacit_model::{Clock as _, Millis};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{
    DAY_MS, RawLeaf, World, assert_nobody, greet, listen, raw_connect, raw_leaf_of, raw_refused, reasons,
    stem,
};

#[tokio::test]
async fn a_right_pair_connects_and_each_end_knows_the_other_and_its_key() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (mut listener, address) = listen(&court).await;
    let mut client = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    greet(&mut client, &mut server).await;
    assert_eq!(client.peer(), &court.status().own);
    assert_eq!(server.peer(), &tax.status().own);
    assert_eq!((client.peer().spki_sha256, server.peer().spki_sha256), (court.cnf(), tax.cnf()));
    assert_eq!(server.peer().spiffe.to_string(), "spiffe://demo/node/tax");
    assert_eq!(server.peer().not_after, Millis(world.clock.now().0 + 90 * DAY_MS));
    assert_ne!(court.cnf(), tax.cnf());
}

#[tokio::test]
async fn a_server_of_another_role_or_name_is_refused() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (_listener, address) = listen(&court).await;
    for (role, member) in [(Role::Coordinator, "court"), (Role::Node, "tax"), (Role::Node, "cour")] {
        let error = dial(&address, &world.id(role, member), &tax).await.unwrap_err();
        assert!(reasons(&error).contains("not valid for name"), "{}", reasons(&error));
    }
}

#[tokio::test]
async fn a_server_with_the_right_host_name_and_another_uri_is_refused() {
    let world = World::new();
    let tax = world.party(Role::Node, "tax");
    let court = world.id(Role::Node, "court");
    for (uris, why) in [
        (&["spiffe://demo/node/other"][..], "spiffe://demo/node/other answered"),
        (&["spiffe://demo/custodian/court"], "spiffe://demo/custodian/court answered"),
        (&["spiffe://other/node/court"], "spiffe://other/node/court answered"),
        (&["spiffe://demo/node/court/"], "names no party"),
        (&["SPIFFE://demo/node/court"], "names no party"),
        (&["spiffe://demo/node/court", "spiffe://demo/node/court"], "2 URI names"),
        (&["spiffe://demo/node/court", "https://court.example"], "2 URI names"),
        (&[], "0 URI names"),
    ] {
        let address = world.raw_server(world.leaf_named(&court.dns_name(), uris)).await;
        let error = dial(&address, &court, &tax).await.unwrap_err();
        assert!(error.to_string().contains(why), "{uris:?}: {error}");
    }
    let right = world.leaf_named(&court.dns_name(), &["spiffe://demo/node/court"]);
    let address = world.raw_server(right).await;
    assert!(dial(&address, &court, &tax).await.is_ok());
}

#[tokio::test]
async fn a_client_whose_certificate_names_no_party_of_the_federation_is_refused() {
    let world = World::new();
    let court = world.party(Role::Node, "court");
    let (mut listener, address) = listen(&court).await;
    for uris in [
        &["spiffe://demo/node/tax", "spiffe://demo/node/court"][..],
        &["spiffe://other/node/tax"],
        &["spiffe://demo/node/tax/x"],
        &["https://tax.example"],
        &[],
    ] {
        let leaf = world.leaf_named("tax.node.demo.tacit.internal", uris);
        let config = Arc::new(world.raw_client(Some(leaf), &[b"h2"]));
        let refusal = raw_refused(&address, &config, court.spiffe()).await;
        assert!(refusal.contains("CertificateUnknown"), "{uris:?}: {refusal}");
        assert_nobody(&mut listener).await;
    }
    let leaf = world.leaf_named("tax.node.demo.tacit.internal", &["spiffe://demo/node/tax"]);
    let config = Arc::new(world.raw_client(Some(leaf), &[b"h2"]));
    let _client = raw_connect(&address, &config, court.spiffe()).await.unwrap();
    assert_eq!(listener.accept().await.unwrap().peer().spiffe.to_string(), "spiffe://demo/node/tax");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_at_both_ends() {
    let (world, foreign) = (World::new(), World::new());
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (foreign_court, foreign_tax) = (foreign.party(Role::Node, "court"), foreign.party(Role::Node, "tax"));

    let (_foreign_listener, address) = listen(&foreign_court).await;
    let error = dial(&address, court.spiffe(), &tax).await.unwrap_err();
    assert!(reasons(&error).contains("UnknownIssuer") || reasons(&error).contains("BadSignature"), "{error}");

    let (mut listener, address) = listen(&court).await;
    assert!(dial(&address, court.spiffe(), &foreign_tax).await.is_err());
    // One that trusts our server all the same is refused by it.
    let leaf = raw_leaf_of(&foreign.issue(&foreign.id(Role::Node, "tax")));
    let config = Arc::new(world.raw_client(Some(leaf), &[b"h2"]));
    let refusal = raw_refused(&address, &config, court.spiffe()).await;
    assert!(refusal.contains("alert"), "{refusal}");
    assert_nobody(&mut listener).await;
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let world = World::new();
    let court = world.party(Role::Node, "court");
    let (mut listener, address) = listen(&court).await;
    let config = Arc::new(world.raw_client(None, &[b"h2"]));
    let refusal = raw_refused(&address, &config, court.spiffe()).await;
    assert!(refusal.contains("CertificateRequired"), "{refusal}");
    assert_nobody(&mut listener).await;
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_at_both_ends() {
    let mut world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let revoked = world.issue(&world.id(Role::Node, "gone"));
    let gone = world.load(&revoked.identity.spiffe).unwrap();
    let (_gone_listener, gone_address) = listen(&gone).await;
    world.revoke(&revoked);
    court.reload().unwrap();
    tax.reload().unwrap();

    let error = dial(&gone_address, gone.spiffe(), &tax).await.unwrap_err();
    assert!(reasons(&error).contains("Revoked"), "{}", reasons(&error));

    let (mut listener, address) = listen(&court).await;
    let mut client = dial(&address, court.spiffe(), &gone).await.unwrap();
    let error = client.read_u8().await.unwrap_err();
    assert!(error.to_string().contains("CertificateRevoked"), "{error}");
    assert_nobody(&mut listener).await;

    let error = world.load(gone.spiffe()).unwrap_err();
    assert!(matches!(
        error,
        CredentialError::Refused { source: rustls::Error::InvalidCertificate(CertificateError::Revoked), .. }
    ));
}

#[tokio::test]
async fn an_expired_revocation_list_refuses_everybody() {
    let world = World::new();
    // The leaves outlive the list that was made on the first day.
    world.clock.advance_ms(30 * DAY_MS);
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let leaf = world.issue(&world.id(Role::Node, "late"));
    let (mut listener, address) = listen(&court).await;
    assert!(dial(&address, court.spiffe(), &tax).await.is_ok());
    assert!(listener.accept().await.is_some());
    world.clock.set(court.status().crl_next_update);
    world.clock.advance_ms(1000);

    let error = dial(&address, court.spiffe(), &tax).await.unwrap_err();
    assert!(reasons(&error).contains("revocation list expired"), "{}", reasons(&error));
    // A client that does not mind is refused by the server.
    let config = Arc::new(world.raw_client(Some(raw_leaf_of(&leaf)), &[b"h2"]));
    let refusal = raw_refused(&address, &config, court.spiffe()).await;
    assert!(refusal.contains("alert"), "{refusal}");
    assert_nobody(&mut listener).await;
    assert!(matches!(world.load(court.spiffe()).unwrap_err(), CredentialError::Refused { .. }));
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_its_open_connection_ends() {
    let mut world = World::new();
    let tax = world.party(Role::Node, "tax");
    world.clock.advance_ms(10 * DAY_MS);
    let court = world.party(Role::Node, "court");
    world.ca.renew_crl(world.clock.now()).unwrap();
    world.ca.save_crl(&world.path(profile::CRL_FILE)).unwrap();
    tax.reload().unwrap();
    court.reload().unwrap();
    let (mut listener, address) = listen(&court).await;
    let mut client = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    greet(&mut client, &mut server).await;

    world.clock.set(tax.status().own.not_after);
    world.clock.advance_ms(1);
    client.write_u8(7).await.unwrap();
    let error = server.read_u8().await.unwrap_err();
    assert_eq!(error.to_string(), "the certificate of spiffe://demo/node/tax has expired");
    world.clock.advance_ms(1000);
    let mut client = dial(&address, court.spiffe(), &tax).await.unwrap();
    assert!(client.read_u8().await.unwrap_err().to_string().contains("CertificateExpired"));
    assert_nobody(&mut listener).await;
}

/// Offers TLS 1.2 alone.
pub(crate) async fn refuses_tls_1_2(address: &str) {
    // A ClientHello of TLS 1.2 (RFC 5246, section 7.4.1.2): ECDHE-ECDSA-AES128-GCM-SHA256, X25519,
    // ecdsa_secp256r1_sha256, no supported_versions.
    let mut hello = vec![0x03, 0x03];
    hello.extend([0x5a; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    let extensions = [
        &[0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x1d][..],
        &[0x00, 0x0b, 0, 2, 1, 0],
        &[0x00, 0x0d, 0, 4, 0, 2, 0x04, 0x03],
        &[0x00, 0x17, 0, 0],
    ]
    .concat();
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend(u16::try_from(hello.len() + 4).unwrap().to_be_bytes());
    record.extend([1, 0]);
    record.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
    record.extend(hello);

    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.unwrap();
    // Alert record, fatal, protocol_version (RFC 8446, section 6.2).
    assert_eq!((answer[0], &answer[3..]), (21, &[0, 2, 2, 70][..]), "{answer:?}");
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let world = World::new();
    let court = world.party(Role::Node, "court");
    let (mut listener, address) = listen(&court).await;
    refuses_tls_1_2(&address).await;
    assert_nobody(&mut listener).await;
}

#[tokio::test]
async fn a_session_is_never_resumed() {
    let world = World::new();
    let court = world.party(Role::Node, "court");
    let (mut listener, address) = listen(&court).await;
    let leaf = raw_leaf_of(&world.issue(&world.id(Role::Node, "tax")));
    // One configuration, hence one session store, that would resume if it could.
    let config = Arc::new(world.raw_client(Some(leaf), &[b"h2"]));
    for _ in 0..3 {
        let mut client = raw_connect(&address, &config, court.spiffe()).await.unwrap();
        let mut server = listener.accept().await.unwrap();
        server.write_u8(1).await.unwrap();
        // Tickets would come before the first byte.
        assert_eq!(client.read_u8().await.unwrap(), 1);
        let connection = client.get_ref().1;
        assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(connection.tls13_tickets_received(), 0);
    }
}

#[tokio::test]
async fn a_client_that_does_not_speak_http_2_is_refused() {
    let world = World::new();
    let court = world.party(Role::Node, "court");
    let (mut listener, address) = listen(&court).await;
    let tax = world.issue(&world.id(Role::Node, "tax"));
    for alpn in [&[&b"http/1.1"[..]][..], &[]] {
        let config = Arc::new(world.raw_client(Some(raw_leaf_of(&tax)), alpn));
        raw_refused(&address, &config, court.spiffe()).await;
        assert_nobody(&mut listener).await;
    }
}

#[test]
fn credentials_that_do_not_fit_together_are_refused_with_their_file_name() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let id = world.id(Role::Node, "court");
    world.issue(&id);
    let (pem, key) = (world.path("node-court.pem"), world.path("node-court.key"));

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = world.load(&id).unwrap_err().to_string();
    assert!(error.contains("mode 0644; run: chmod 0600") && error.contains("node-court.key"), "{error}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(world.load(&id).is_ok());

    let other = world.id(Role::Node, "tax");
    world.issue(&other);
    crate::support::copy(&world.path("node-tax.key"), &key);
    assert!(matches!(world.load(&id).unwrap_err(), CredentialError::Key { .. }));

    let RawLeaf(twice, twice_key) =
        world.leaf_named(&id.dns_name(), &["spiffe://demo/node/court", "spiffe://demo/node/tax"]);
    let pem_of = |kind: &str, der: &[u8]| {
        use std::fmt::Write as _;
        let mut text = format!("-----BEGIN {kind}-----\n");
        for line in base64_lines(der) {
            writeln!(text, "{line}").unwrap();
        }
        format!("{text}-----END {kind}-----\n")
    };
    std::fs::write(&pem, pem_of("CERTIFICATE", &twice)).unwrap();
    tacit_identity::write_private(&key, pem_of("PRIVATE KEY", twice_key.secret_der()).as_bytes()).unwrap();
    assert!(matches!(
        world.load(&id).unwrap_err(),
        CredentialError::Identity { source: IdentityError::UriCount { count: 2 }, .. }
    ));

    world.issue(&id);
    std::fs::write(world.path(profile::CRL_FILE), "").unwrap();
    assert!(matches!(world.load(&id).unwrap_err(), CredentialError::Content { .. }), "no list, no start");
    let debug = format!("{:?}", world.load(&other));
    assert!(!debug.contains("PRIVATE") && stem(&id) == "node-court");
}

/// Base64 in lines of 64 characters, as PEM wants it.
fn base64_lines(bytes: &[u8]) -> Vec<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text: Vec<char> = bytes
        .chunks(3)
        .flat_map(|three| {
            let word = three.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte))
                << (8 * (3 - three.len()));
            (0..4).map(move |at| {
                if at > three.len() {
                    '='
                } else {
                    char::from(ALPHABET[usize::try_from((word >> (18 - 6 * at)) & 63).unwrap()])
                }
            })
        })
        .collect();
    text.chunks(64).map(|line| line.iter().collect()).collect()
}
