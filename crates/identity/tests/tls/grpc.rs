//! tonic over these connections: handlers know the caller, channels find their way back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tacit_identity::{
    Credentials, MissingPeer, PeerIdentity, Role, SpiffeId, WireBytes, channel, connect, peer, tune_server,
};
use tokio::sync::oneshot;
use tonic::transport::{Channel, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{World, listen};

type Seen = Arc<Mutex<Vec<PeerIdentity>>>;

/// A health service that notes who calls.
async fn serve(credentials: &Credentials) -> (String, Seen, oneshot::Sender<()>) {
    let (listener, address) = listen(credentials).await;
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let noting =
        tonic::service::interceptor::InterceptedService::new(health, move |request: tonic::Request<()>| {
            let caller = peer(&request).map_err(|e| tonic::Status::internal(e.to_string()))?;
            notes.lock().unwrap().push(caller.clone());
            Ok(request)
        });
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let stopped = async { stopped.await.unwrap_or_default() };
        tune_server(Server::builder())
            .add_service(noting)
            .serve_with_incoming_shutdown(listener, stopped)
            .await
    });
    (format!("https://{address}"), seen, stop)
}

async fn check(channel: &Channel) -> Result<(), tonic::Status> {
    HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.map(|_| ())
}

#[tokio::test]
async fn a_handler_knows_its_caller() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (endpoint, seen, stop) = serve(&court).await;
    let channel = connect(&endpoint, court.spiffe().clone(), tax.clone()).await.unwrap();
    check(&channel).await.unwrap();
    check(&channel).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [tax.status().own, tax.status().own]);
    drop(stop);
    assert_eq!(peer(&tonic::Request::new(())), Err(MissingPeer));
}

#[tokio::test]
async fn a_channel_to_the_wrong_party_fails_every_call_and_reaches_no_handler() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (endpoint, seen, _stop) = serve(&court).await;
    let wrong: SpiffeId = world.id(Role::Custodian, "court");
    let lazy = channel(&endpoint, wrong.clone(), tax.clone()).unwrap();
    assert_eq!(check(&lazy).await.unwrap_err().code(), tonic::Code::Unavailable);
    assert!(connect(&endpoint, wrong, tax).await.is_err());
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_channel_reconnects_with_the_new_key_after_a_reload() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (endpoint, seen, _stop) = serve(&court).await;
    let channel = channel(&endpoint, court.spiffe().clone(), tax.clone()).unwrap();
    check(&channel).await.unwrap();
    let before = tax.cnf();
    world.issue(tax.spiffe());
    tax.reload().unwrap();
    // The reload wakes the connection; once its end is seen, calls go over a new one.
    tokio::time::sleep(Duration::from_millis(100)).await;
    check(&channel).await.unwrap();
    let keys: Vec<_> = seen.lock().unwrap().iter().map(|caller| caller.spki_sha256).collect();
    assert_eq!(keys, [before, tax.cnf()]);
}

#[tokio::test]
async fn every_byte_on_the_wire_is_counted() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (endpoint, _seen, _stop) = serve(&court).await;
    let before = WireBytes::now();
    let channel = connect(&endpoint, court.spiffe().clone(), tax.clone()).await.unwrap();
    for _ in 0..10 {
        check(&channel).await.unwrap();
    }
    // Two certificates in the handshake, then ten small calls. Other tests of this process count too, so
    // there is no upper bound to state.
    let moved = WireBytes::now().since(before);
    assert!(moved.sent > 2_000 && moved.received > 2_000, "{moved:?}");
}
