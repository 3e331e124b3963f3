//! What a reload changes, and what it leaves alone.

use std::time::Duration;

use tacit_identity::{CredentialError, Role, dial, profile};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{World, copy, greet, listen};

#[tokio::test]
async fn a_reload_swaps_the_certificate_under_a_running_listener() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (mut listener, address) = listen(&court).await;
    let mut before = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut served = listener.accept().await.unwrap();
    let renewed = world.issue(court.spiffe());
    assert_ne!(court.cnf(), renewed.identity.spki_sha256, "nothing changes before the reload");
    let status = court.reload().unwrap();
    assert_eq!((status.own.spki_sha256, status.generation), (renewed.identity.spki_sha256, 2));
    assert_eq!(court.cnf(), renewed.identity.spki_sha256);

    let mut after = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut served_after = listener.accept().await.unwrap();
    greet(&mut after, &mut served_after).await;
    greet(&mut before, &mut served).await;
    assert_eq!(after.peer().spki_sha256, renewed.identity.spki_sha256);
    assert_ne!(before.peer().spki_sha256, renewed.identity.spki_sha256);
}

#[tokio::test]
async fn a_bad_reload_keeps_the_last_good_set() {
    let mut world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (mut listener, address) = listen(&court).await;
    let cnf = court.cnf();

    copy(&world.path("node-tax.pem"), &world.path("node-court.pem"));
    assert!(matches!(court.reload().unwrap_err(), CredentialError::Key { .. }));
    copy(&world.path("node-tax.key"), &world.path("node-court.key"));
    assert!(matches!(court.reload().unwrap_err(), CredentialError::IdentityChanged { .. }));
    std::fs::write(world.path("node-court.pem"), "not a certificate").unwrap();
    assert!(matches!(court.reload().unwrap_err(), CredentialError::Content { .. }));
    world.issue(court.spiffe());

    let old = world.path("old.pem");
    copy(&world.path(profile::CRL_FILE), &old);
    let gone = world.issue(&world.id(Role::Node, "gone"));
    world.revoke(&gone);
    tax.reload().unwrap();
    copy(&old, &world.path(profile::CRL_FILE));
    assert!(matches!(tax.reload().unwrap_err(), CredentialError::RevocationRolledBack { .. }));

    assert_eq!((court.cnf(), court.status().generation), (cnf, 1));
    let mut client = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    greet(&mut client, &mut server).await;
    assert_eq!(client.peer().spki_sha256, cnf);
}

#[tokio::test]
async fn a_revocation_ends_open_connections_at_once() {
    let mut world = World::new();
    let court = world.party(Role::Node, "court");
    let tax = world.party(Role::Node, "tax");
    let leaf = world.issue(&world.id(Role::Node, "gone"));
    let gone = world.load(&leaf.identity.spiffe).unwrap();
    let (mut listener, address) = listen(&court).await;
    let mut revoked = dial(&address, court.spiffe(), &gone).await.unwrap();
    let mut revoked_server = listener.accept().await.unwrap();
    greet(&mut revoked, &mut revoked_server).await;
    let mut honest = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut honest_server = listener.accept().await.unwrap();

    // Nothing is sent: the reload itself wakes the reader.
    let reader = tokio::spawn(async move { revoked_server.read_u8().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.revoke(&leaf);
    court.reload().unwrap();
    let error = tokio::time::timeout(Duration::from_secs(5), reader).await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("spiffe://demo/node/gone is no longer accepted"), "{error}");
    greet(&mut honest, &mut honest_server).await;
}

#[tokio::test]
async fn connections_with_a_removed_member_end_and_others_go_on() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let gone = world.party(Role::Node, "gone");
    let (mut listener, address) = listen(&court).await;
    let _removed = dial(&address, court.spiffe(), &gone).await.unwrap();
    let mut removed_server = listener.accept().await.unwrap();
    let mut honest = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut honest_server = listener.accept().await.unwrap();

    // Nothing is sent: the removal itself wakes the reader.
    let reader = tokio::spawn(async move { removed_server.read_u8().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    court.end_connections(&["gone".parse().unwrap()]);
    let error = tokio::time::timeout(Duration::from_secs(5), reader).await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("spiffe://demo/node/gone was removed"), "{error}");
    greet(&mut honest, &mut honest_server).await;
    // A new one is for the roles to refuse, with their words.
    let mut again = dial(&address, court.spiffe(), &gone).await.unwrap();
    let mut again_server = listener.accept().await.unwrap();
    greet(&mut again, &mut again_server).await;
}

#[tokio::test]
async fn connections_that_we_opened_end_when_our_own_key_changes_and_not_otherwise() {
    let mut world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (mut listener, address) = listen(&court).await;
    let mut client = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut server = listener.accept().await.unwrap();

    world.ca.renew_crl(tacit_model::Clock::now(&world.clock)).unwrap();
    world.ca.save_crl(&world.path(profile::CRL_FILE)).unwrap();
    tax.reload().unwrap();
    greet(&mut client, &mut server).await;

    world.issue(tax.spiffe());
    tax.reload().unwrap();
    server.write_u8(1).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap_err().to_string(), "our own key was replaced");
}
