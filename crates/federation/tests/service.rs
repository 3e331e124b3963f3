//! What roles tell of themselves: health of every service, and the status of a node.

#![cfg(test)]

use std::{sync::Arc, time::Duration};

use tacit_federation::run::GatewayAt;
use tacit_model::{ManualClock, Millis};
use tacit_testkit::{Federation, Options};
use tacit_wire::{
    coordinator as c, custodian as d,
    gateway::{GetStatusRequest, GetStatusResponse, gateway_service_server},
    holder::evaluation_service_server,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{
    Code, Streaming,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};

/// Every role of the sample `minimal`, with what it serves for the federation.
const SERVED: [(&str, &[&str]); 4] = [
    (
        "coordinator",
        &[
            c::registry_service_server::SERVICE_NAME,
            c::enrollment_service_server::SERVICE_NAME,
            c::authorization_service_server::SERVICE_NAME,
            c::consent_service_server::SERVICE_NAME,
            c::log_service_server::SERVICE_NAME,
        ],
    ),
    (
        "custodian",
        &[
            d::pseudonym_service_server::SERVICE_NAME,
            d::mirror_service_server::SERVICE_NAME,
            d::bucket_service_server::SERVICE_NAME,
        ],
    ),
    ("registrar", &[evaluation_service_server::SERVICE_NAME]),
    ("licensing", &[]),
];

async fn check(channel: &Channel, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = HealthClient::new(channel.clone()).check(request).await;
    response.map(|it| it.into_inner().status()).map_err(|status| status.code())
}

async fn watch(channel: &Channel, service: &str) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(channel.clone()).watch(request).await.unwrap().into_inner()
}

fn gateway(federation: &Federation) -> Channel {
    let grpc = federation.gateway_at("licensing").unwrap().grpc.unwrap();
    Endpoint::from_shared(format!("http://{grpc}")).unwrap().connect_lazy()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_of_every_role_is_serving_until_it_drains() {
    let mut federation = Federation::start("minimal", Options::quick()).await.unwrap();
    let mut told = vec![("licensing", gateway(&federation), vec![gateway_service_server::SERVICE_NAME])];
    for (member, services) in SERVED {
        let from = if member == "licensing" { "registrar" } else { "licensing" };
        told.push((member, federation.channel(from, member).unwrap(), services.to_vec()));
    }
    let mut watched = Vec::new();
    for (member, channel, services) in &told {
        for service in services.iter().copied().chain([""]) {
            assert_eq!(check(channel, service).await, Ok(ServingStatus::Serving), "{member}: {service}");
            let mut stream = watch(channel, service).await;
            let first = stream.message().await.unwrap().unwrap();
            assert_eq!(first.status(), ServingStatus::Serving, "{member}: {service}");
            watched.push((*member, service, stream));
        }
        assert_eq!(check(channel, "tacit.nothing.v1.Nothing").await, Err(Code::NotFound), "{member}");
    }
    // Nobody who watches keeps a role from ending: each is told, and its stream ends.
    for (member, _) in SERVED.into_iter().rev() {
        let stopped = tokio::time::timeout(Duration::from_secs(8), federation.stop(member)).await;
        stopped.unwrap_or_else(|_| panic!("{member} does not end")).unwrap();
    }
    for (member, service, mut stream) in watched {
        let last = stream.message().await.unwrap().map(|it| it.status());
        assert_eq!(last, Some(ServingStatus::NotServing), "{member}: {service}");
    }
}

async fn status(federation: &Federation) -> GetStatusResponse {
    let mut client = federation.gateway("licensing").unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(1), client.get_status(GetStatusRequest {}));
    asked.await.unwrap().unwrap().into_inner()
}

/// The status in JSON, as text.
async fn status_in_json(at: GatewayAt, token: &str) -> String {
    let mut socket = TcpStream::connect(at.http.unwrap()).await.unwrap();
    let request = format!(
        "GET /v1/status HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut told = String::new();
    let read = tokio::time::timeout(Duration::from_secs(1), socket.read_to_string(&mut told));
    read.await.unwrap().unwrap();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_tells_its_status_with_the_coordinator_down_and_how_old_it_is() {
    let start: Millis = "2026-11-21T22:29:03.223Z".parse().unwrap();
    let clock = ManualClock::new(start);
    let options = Options { clock: Arc::new(clock.clone()), ..Options::quick() };
    let mut federation = Federation::start("minimal", options).await.unwrap();
    let patience = async {
        while status(&federation).await.as_of_ms.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), patience).await.unwrap();
    let before = status(&federation).await;
    assert!(before.log_size > 0);
    assert_eq!((before.as_of_ms, before.age_ms), (Some(start.0), Some(0)));

    federation.stop("coordinator").await.unwrap();
    clock.advance_ms(90_000);
    let after = status(&federation).await;
    assert_eq!((after.as_of_ms, after.age_ms), (Some(start.0), Some(90_000)));
    assert!(after.log_size >= before.log_size);
    assert_eq!((after.member.as_str(), after.registry_number), ("licensing", 1));
    let at = federation.gateway_at("licensing").unwrap();
    let told = status_in_json(at, &federation.token("licensing").unwrap()).await;
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n"), "{told}");
    assert!(told.contains("\"as_of\":\"2026-11-21T22:29:03.223Z\",\"age_ms\":90000"), "{told}");

    // Started without the coordinator, it knows no age and does not make one up.
    federation.stop("licensing").await.unwrap();
    federation.restart("licensing").await.unwrap();
    let fresh = status(&federation).await;
    assert_eq!((fresh.as_of_ms, fresh.age_ms, fresh.registry_number), (None, None, 1));
}
