//! A desk that speaks TLS itself.

use std::path::{Path, PathBuf};

use http::{StatusCode, header};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tacit_identity::{write_private, write_public};

use super::{portal, visitor::Visitor};

/// Puts a certificate for this machine into the folder, with its authority beside; the authority's file.
fn certify(folder: &Path) -> PathBuf {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    let roots = folder.join("web-roots.pem");
    write_public(&roots, root.pem().as_bytes()).unwrap();
    write_public(&folder.join("web.pem"), leaf.pem().as_bytes()).unwrap();
    write_private(&folder.join("web.key"), own.serialize_pem().as_bytes()).unwrap();
    roots
}

const TLS: &str = r#"tls = { certificate = "web.pem", key = "web.key" }"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_speaks_tls_itself_reads_its_certificate_anew_and_is_nowhere_in_the_open_without() {
    let scene = super::scene().await;
    let (federation, codes) = (&scene.federation, &scene.codes);
    let roots = certify(federation.folder());
    let desk = portal(federation, codes, TLS).await.unwrap();
    let (at, origin) = (desk.desks()[0].address, desk.desks()[0].origin.clone());
    assert_eq!(origin, format!("https://{at}"), "what a person opens");
    let mut me = Visitor::over_tls(at, &roots);
    me.log_in("paper").await;
    let page = me.get("/en/asked").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers[header::STRICT_TRANSPORT_SECURITY], "max-age=31536000");
    // A form from the same address without TLS comes from elsewhere.
    let mut elsewhere = me.clone();
    elsewhere.origin = format!("http://{at}");
    let page = elsewhere.post("/en/logout", &[("csrf", &page.csrf())]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);

    // Another certificate, without a restart: who knows the old authority alone is refused from now on.
    let old = std::fs::read(&roots).unwrap();
    let renewed = certify(federation.folder());
    desk.reload();
    let mut again = Visitor::over_tls(at, &renewed);
    assert_eq!(again.get("/en/login").await.status, StatusCode::OK);
    std::fs::write(&roots, old).unwrap();
    assert!(!Visitor::over_tls(at, &roots).reaches("/en/login").await);
    // In the open nothing is said.
    assert!(!Visitor::new(at).reaches("/en/login").await);
    desk.stop().await;

    for (more, why) in [
        (r#"http = "0.0.0.0:0""#.to_owned(), "without TLS"),
        (format!("http = \"0.0.0.0:0\"\n{TLS}"), "origin"),
        (format!("origin = \"https://desk.example.org\"\n{TLS}"), "is not for desk.example.org"),
        (format!("http = \"0.0.0.0:0\"\norigin = \"https://127.0.0.1\"\n{TLS}"), "development"),
        (TLS.replace("web.key", "accounts.json"), "chmod 0600"),
    ] {
        let error = portal(federation, codes, &more).await.unwrap_err().to_string();
        assert!(error.contains(why), "{more}: {error}");
    }
}
