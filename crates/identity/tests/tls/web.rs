//! The certificate of a web server: what is refused before it is used, what a reload changes, and how it is spoken under.

use std::sync::Arc;

use rustls_pki_types::ServerName;
use tacit_identity::{
    CredentialError, Role, WebCertificate, WebCertificateError as Wrong, WebCertificateFiles, write_private,
    write_public,
};
use tacit_model::Clock as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::handshake::refuses_tls_1_2;
use crate::support::{DAY_MS, World};

fn files(world: &World) -> WebCertificateFiles {
    WebCertificateFiles { certificate: world.path("web.pem"), key: world.path("web.key") }
}

/// Puts a new certificate in place; says for which host it is.
fn issue(world: &World) -> String {
    let id = world.id(Role::Node, "court");
    let leaf = world.ca.issue(&id, world.clock.now()).unwrap();
    write_public(&files(world).certificate, leaf.certificate_pem.as_bytes()).unwrap();
    write_private(&files(world).key, leaf.key_pem.as_bytes()).unwrap();
    id.dns_name()
}

fn load(world: &World, host: &str) -> Result<WebCertificate, Wrong> {
    WebCertificate::load(files(world), host, Arc::new(world.clock.clone()))
}

/// Answers every connection with one byte.
async fn serve(certificate: WebCertificate) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            if let Ok(mut tls) = certificate.accept(tcp).await {
                tls.write_u8(7).await.unwrap();
                let _ = tls.shutdown().await;
            }
        }
    });
    address
}

/// The certificate that a client by the book is shown.
async fn shown(world: &World, address: &str, host: &str) -> std::io::Result<Vec<u8>> {
    let connector = TlsConnector::from(Arc::new(world.raw_client(None, &[b"h2", b"http/1.1"])));
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut tls = connector.connect(name, TcpStream::connect(address).await?).await?;
    assert_eq!(tls.read_u8().await?, 7);
    let (_, session) = tls.get_ref();
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(session.handshake_kind(), Some(rustls::HandshakeKind::Full), "nothing is resumed");
    Ok(session.peer_certificates().unwrap()[0].to_vec())
}

#[tokio::test]
async fn browsers_are_spoken_to_over_tls_1_3_and_a_new_certificate_is_used_from_the_next_connection_on() {
    let world = World::new();
    let host = issue(&world);
    let certificate = load(&world, &host).unwrap();
    let address = serve(certificate.clone()).await;
    let first = shown(&world, &address, &host).await.unwrap();
    assert_eq!(shown(&world, &address, &host).await.unwrap(), first);
    refuses_tls_1_2(&address).await;

    issue(&world);
    assert_eq!(shown(&world, &address, &host).await.unwrap(), first, "nothing changes before the reload");
    assert!(certificate.reload().unwrap() > world.clock.now());
    let second = shown(&world, &address, &host).await.unwrap();
    assert_ne!(second, first);
    // What cannot be used does not replace what can.
    std::fs::write(files(&world).certificate, "not a certificate").unwrap();
    assert!(matches!(certificate.reload(), Err(Wrong::Files(CredentialError::Content { .. }))));
    assert_eq!(shown(&world, &address, &host).await.unwrap(), second);
}

#[test]
fn a_certificate_that_browsers_would_refuse_is_refused_here_first() {
    let world = World::new();
    let host = issue(&world);
    assert!(load(&world, &host).is_ok());
    let error = load(&world, "desk.example.org").unwrap_err();
    assert!(error.to_string().ends_with("is not for desk.example.org"), "{error}");
    for host in ["", "not a host"] {
        assert!(matches!(load(&world, host), Err(Wrong::OtherName { .. })), "{host}");
    }
    world.clock.advance_ms(3650 * DAY_MS);
    assert!(matches!(load(&world, &host), Err(Wrong::OutOfTime { .. })));
    issue(&world);
    assert!(load(&world, &host).is_ok());

    let key = files(&world).key;
    let other = world.ca.issue(&world.id(Role::Node, "tax"), world.clock.now()).unwrap();
    write_private(&key, other.key_pem.as_bytes()).unwrap();
    assert!(matches!(load(&world, &host), Err(Wrong::Files(CredentialError::Key { .. }))));
    write_public(&key, other.key_pem.as_bytes()).unwrap();
    let error = load(&world, &host).unwrap_err();
    assert!(error.to_string().contains("chmod 0600"), "{error}");
}
