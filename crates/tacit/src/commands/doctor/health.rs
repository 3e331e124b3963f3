//! What parties say of themselves by `grpc.health.v1`.

use std::time::Duration;

use tacit_identity::Role;
use tacit_wire::{coordinator, custodian, holder};
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::Findings;
use crate::parties::DEADLINES;

/// What a party serves to others, by its role. Only holders are reached among nodes.
pub(super) fn services(role: Role) -> &'static [&'static str] {
    match role {
        Role::Coordinator => &[
            coordinator::registry_service_server::SERVICE_NAME,
            coordinator::enrollment_service_server::SERVICE_NAME,
            coordinator::authorization_service_server::SERVICE_NAME,
            coordinator::consent_service_server::SERVICE_NAME,
            coordinator::log_service_server::SERVICE_NAME,
        ],
        Role::Custodian => &[
            custodian::pseudonym_service_server::SERVICE_NAME,
            custodian::mirror_service_server::SERVICE_NAME,
            custodian::bucket_service_server::SERVICE_NAME,
        ],
        Role::Node => &[holder::evaluation_service_server::SERVICE_NAME],
        Role::Authority | Role::Auditor => &[],
    }
}

/// Whether a party says itself that it serves everything it should.
pub(super) async fn health(
    who: &str,
    party: String,
    channel: Channel,
    services: &[&'static str],
    findings: &mut Findings,
) {
    let mut client = HealthClient::new(channel);
    let mut lacking = Vec::new();
    for service in services {
        let mut request = tonic::Request::new(HealthCheckRequest { service: (*service).to_owned() });
        request.set_timeout(Duration::from_millis(DEADLINES.call_ms));
        let name = service.rsplit('.').next().unwrap_or(service);
        match client.check(request).await {
            Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => {}
            Ok(_) => lacking.push(format!("{name} is not serving")),
            Err(status) => lacking.push(format!("{name}: {}", status.message())),
        }
    }
    if lacking.is_empty() {
        findings.good(who, "health", format!("{party}: every service is serving"));
    } else {
        let found = format!("{party}: {}", lacking.join("; "));
        findings.bad(who, "health", found, "read its log; start it again when its disk had failed");
    }
}
