//! Every method that the descriptor knows refuses every role that is not its own.

use bytes::{Buf, BufMut, Bytes};
use protox::prost_reflect::DescriptorPool;
use tacit_identity::Role;
use tacit_model::Reason;
use tonic::{
    Code, Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

use crate::support::*;

use Role::{Auditor, Authority, Coordinator, Custodian, Node};

/// Who may call what. A method that is not here fails the test below: somebody has to decide about it.
const ALLOWED: &[(&str, &[Role])] = &[
    ("RegistryService/GetRegistry", &[Coordinator, Custodian, Node, Authority, Auditor]),
    ("EnrollmentService/Register", &[Node, Authority]),
    ("AuthorizationService/Authorize", &[Node, Authority]),
    ("AuthorizationService/Recall", &[Node, Authority]),
    ("ConsentService/RequestConsent", &[Node]),
    ("ConsentService/ListConsentRequests", &[Node, Authority]),
    ("ConsentService/PutConsent", &[Authority]),
    ("ConsentService/RenewConsent", &[Authority]),
    ("ConsentService/ChangeConsentState", &[Authority]),
    ("ConsentService/ListConsents", &[Node, Authority]),
    ("ConsentService/WatchConsents", &[Node]),
    ("SubjectService/GetSubjectLog", &[Authority]),
    ("SubjectService/Erase", &[Authority]),
    ("LetterService/PostLetter", &[Node, Authority]),
    ("LetterService/ListLetters", &[Node]),
    ("AuditService/Follow", &[Auditor]),
    ("AuditService/RequestOpening", &[Auditor]),
    ("AuditService/ListOpenings", &[Auditor]),
    ("AuditService/GetOpening", &[Auditor]),
    ("AuditService/ApproveOpening", &[Auditor]),
    ("AuditService/DemandCase", &[Auditor]),
    ("AuditService/ListDemands", &[Node, Authority, Auditor]),
    ("AuditService/AnswerDemand", &[Node, Authority]),
    ("AuditService/GetSignals", &[Auditor]),
    ("AuditService/WatchPseudonyms", &[Auditor]),
    ("AuditService/RecordExport", &[Auditor]),
    ("MeasureService/RegisterMeasure", &[Node]),
    ("MeasureService/LiftMeasure", &[Node]),
    ("LogService/GetCheckpoint", &[Coordinator, Custodian, Node, Authority, Auditor]),
    ("LogService/Witness", &[Custodian, Node]),
    ("LogService/GetConsistency", &[Coordinator, Custodian, Node, Authority, Auditor]),
    ("LogService/GetEntries", &[Auditor]),
    ("LogService/PublishManifest", &[Node]),
    ("LogService/GetManifest", &[Coordinator, Custodian, Node, Authority, Auditor]),
    ("LogService/ReportEnrollment", &[Custodian]),
];

const PACKAGE: &str = "tacit.coordinator.v1";

/// The methods of the coordinator's services, `Service/Method`.
fn methods() -> Vec<String> {
    let pool = DescriptorPool::decode(tacit_wire::DESCRIPTOR).unwrap();
    let services = pool.services().filter(|service| service.package_name() == PACKAGE);
    let methods = services.flat_map(|service| {
        let name = service.name().to_owned();
        service.methods().map(|method| format!("{name}/{}", method.name())).collect::<Vec<_>>()
    });
    methods.collect()
}

/// Messages as plain bytes: every method takes the empty one.
#[derive(Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// Calls a method with an empty message; the status it ends with, if it is no success.
async fn call(channel: &Channel, method: &str) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = format!("/{PACKAGE}.{method}").parse().unwrap();
    let mut request = Request::new(Bytes::new());
    request.set_timeout(std::time::Duration::from_secs(5));
    let mut stream = grpc.server_streaming(request, path, Plain).await?.into_inner();
    // One message is enough to see that the call was let in; a stream without news has none.
    let next = tokio::time::timeout(std::time::Duration::from_millis(300), stream.message()).await;
    match next {
        Ok(message) => message.map(|_| ()),
        Err(_) => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_refuses_every_role_that_is_not_its_own() {
    let world = World::new();
    let running = world.start().await;
    let members = [
        (Coordinator, "coordinator"),
        (Custodian, "custodian"),
        (Node, "tax"),
        (Authority, "portal"),
        (Auditor, "audit-office"),
    ];
    let methods = methods();
    assert_eq!(methods.len(), ALLOWED.len(), "a method is missing in the table, or one is gone");
    let mut refused = 0;
    for (role, member) in members {
        let channel = world.channel(&running, role, member).await;
        for method in &methods {
            let allowed = ALLOWED.iter().find(|(name, _)| name == method);
            let (_, allowed) = allowed.unwrap_or_else(|| panic!("{method} is not in the table"));
            let reason = call(&channel, method)
                .await
                .err()
                .map(|status| (status.code(), tacit_wire::reason_of(&status)));
            let wrong_role = reason == Some((Code::PermissionDenied, Some(Reason::WrongRole)));
            assert_eq!(wrong_role, !allowed.contains(&role), "{method} as {role}: {reason:?}");
            refused += usize::from(wrong_role);
        }
    }
    assert_eq!(refused, ALLOWED.iter().map(|(_, allowed)| 5 - allowed.len()).sum::<usize>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_worth_nothing_in_a_role_that_the_registry_does_not_give() {
    let world = World::new();
    let running = world.start().await;
    for (role, member) in [
        (Auditor, "tax"),
        (Custodian, "court"),
        (Authority, "procurement"),
        (Node, "portal"),
        (Node, "audit-office"),
        (Coordinator, "custodian"),
        (Node, "stranger"),
    ] {
        let channel = world.channel(&running, role, member).await;
        for method in methods() {
            let status = call(&channel, &method).await.unwrap_err();
            assert_eq!(
                tacit_wire::reason_of(&status),
                Some(Reason::WrongRole),
                "{method} as {role} {member}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_beyond_its_limit_is_refused_by_the_transport() {
    use tacit_wire::coordinator::{
        AuthorizeRequest, GetManifestRequest, RegisterRequest,
        authorization_service_client::AuthorizationServiceClient,
        enrollment_service_client::EnrollmentServiceClient, log_service_client::LogServiceClient,
    };
    const MIB: usize = 1 << 20;

    let world = World::new();
    let running = world.start().await;
    let channel = world.channel(&running, Node, "tax").await;
    // A field of this many bytes makes a message that is a little longer; the limit counts the message.
    let authorize = async |bytes: usize| {
        let request = AuthorizeRequest { signature: vec![0; bytes].into(), ..AuthorizeRequest::default() };
        AuthorizationServiceClient::new(channel.clone()).authorize(request).await.unwrap_err()
    };
    let register = async |bytes: usize| {
        let request = RegisterRequest { dleq_proof: vec![0; bytes].into(), ..RegisterRequest::default() };
        EnrollmentServiceClient::new(channel.clone()).register(request).await.unwrap_err()
    };
    for (within, beyond) in [
        (authorize(16 * MIB - 8).await, authorize(16 * MIB).await),
        (register(16 * MIB - 8).await, register(16 * MIB).await),
    ] {
        assert_eq!(tacit_wire::reason_of(&within), Some(Reason::Malformed));
        assert_eq!(
            (beyond.code(), tacit_wire::reason_of(&beyond)),
            (Code::OutOfRange, Some(Reason::TooLarge))
        );
    }
    let manifest = async |bytes: usize| {
        let request = GetManifestRequest { list_id: "x".repeat(bytes), epoch: 0, version: 0 };
        LogServiceClient::new(channel.clone()).get_manifest(request).await
    };
    assert!(manifest(4 * MIB - 8).await.is_ok());
    assert_eq!(manifest(4 * MIB).await.unwrap_err().code(), Code::OutOfRange);
}
