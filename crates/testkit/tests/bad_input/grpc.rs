//! Every method of the four gRPC interfaces, each called as the member that may call it.

use protox::prost_reflect::{DescriptorPool, MethodDescriptor};
use tacit_model::Reason;
use tonic::{Code, transport::Channel};

use crate::{
    noise::Noise,
    raw::{Ended, Said, call, check_refusals, frame},
    scene::Scene,
};

/// Messages of the right shape with wrong content, for each method.
const SHAPED: usize = 40;
/// Damaged messages, for each method.
const DAMAGED: usize = 40;
/// Random messages, for each method.
const RANDOM: usize = 20;

/// Methods of a package that a member calls, and how.
struct Target<'a> {
    channel: Channel,
    method: MethodDescriptor,
    token: Option<&'a str>,
    /// A message longer than the method takes.
    too_long: usize,
}

fn methods(package: &str) -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(tacit_wire::DESCRIPTOR).unwrap();
    let services = pool.services().filter(|service| service.package_name() == package);
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// Who may call a method of the coordinator.
fn caller(method: &str) -> &'static str {
    match method {
        "PutConsent" | "ChangeConsentState" | "ListConsents" => "portal",
        "GetEntries" => "auditor-a",
        "PublishManifest" | "PutTable" | "PutChanges" | "Activate" | "GetStatus" => "court",
        "ReportEnrollment" => "custodian",
        _ => "procurement",
    }
}

impl Target<'_> {
    fn path(&self) -> String {
        format!("/{}/{}", self.method.parent_service().full_name(), self.method.name())
    }

    async fn send(&self, body: Vec<u8>) -> Ended {
        call(&self.channel, &self.path(), body, Said { token: self.token, ..Said::default() }).await
    }

    /// The reason for which a body is trouble.
    async fn trouble(&self, body: Vec<u8>) -> Option<Reason> {
        tacit_wire::reason_of(&self.send(body).await.status.unwrap())
    }

    /// Sends a message that may be answered in any documented way.
    async fn any(&self, body: Vec<u8>) {
        let of = self.method.output();
        self.send(body).await.messages.iter().for_each(|message| check_refusals(message, &of));
    }

    async fn attack(&self, noise: &mut Noise) {
        let path = self.path();
        let shape = self.method.input();
        // Frames that break off, that say more than there is, or that nobody can read.
        let whole = frame(&noise.message(&shape));
        let long = u32::try_from(self.too_long).unwrap().to_be_bytes();
        for body in [
            whole[..whole.len().min(3)].to_vec(),
            [&[0, 0, 0, 1, 0][..], &[1; 20]].concat(),
            [&[1, 0, 0, 0, 2], &[1; 2][..]].concat(),
            [&[7, 0, 0, 0, 2], &[1; 2][..]].concat(),
            frame(&[0xff; 40]),
        ] {
            assert_eq!(self.trouble(body.clone()).await, Some(Reason::Malformed), "{path}: {body:?}");
        }
        let announced = [&[0], &long[..], &[0; 100]].concat();
        assert_eq!(self.trouble(announced).await, Some(Reason::TooLarge), "{path}");
        let sent = frame(&vec![0xa5; self.too_long]);
        assert_eq!(self.trouble(sent).await, Some(Reason::TooLarge), "{path}");
        if !self.method.is_client_streaming() {
            assert_eq!(self.trouble(Vec::new()).await, Some(Reason::Malformed), "{path}");
        }
        let zipped = Said { token: self.token, encoding: Some("gzip"), ..Said::default() };
        let ended = call(&self.channel, &path, frame(b"x"), zipped).await;
        assert_eq!(tacit_wire::reason_of(&ended.status.unwrap()), Some(Reason::Malformed), "{path}");

        for _ in 0..SHAPED {
            self.any(frame(&noise.message(&shape))).await;
            if self.method.is_client_streaming() {
                self.any((0..4).flat_map(|_| frame(&noise.message(&shape))).collect()).await;
            }
        }
        for _ in 0..DAMAGED {
            let message = noise.message(&shape);
            self.any(frame(&noise.damaged(&message))).await;
        }
        for _ in 0..RANDOM {
            let count = noise.below(2000);
            self.any(frame(&noise.bytes(count))).await;
            // Not even a frame.
            let count = 1 + noise.below(2000);
            self.any(noise.bytes(count)).await;
        }
    }
}

/// Attacks every method of a package; `connect` gives the way to each.
async fn attack_all(
    package: &str,
    seed: u8,
    token: Option<&str>,
    connect: impl Fn(&str) -> (Channel, usize),
) {
    let mut noise = Noise::seeded(seed);
    let methods = methods(package);
    assert!(!methods.is_empty(), "{package}");
    for method in methods {
        let (channel, too_long) = connect(method.name());
        let target = Target { channel, method, token, too_long };
        target.attack(&mut noise).await;
    }
    // What is no method of it.
    let (channel, _) = connect("");
    for path in [format!("/{package}.NothingService/Do"), "/".to_owned(), "/x".to_owned()] {
        let ended = call(&channel, &path, frame(b""), Said { token, ..Said::default() }).await;
        let status = ended.status.unwrap();
        assert_eq!(
            (status.code(), tacit_wire::reason_of(&status)),
            (Code::Unimplemented, Some(Reason::NotFound)),
            "{path}"
        );
    }
}

/// Attacks the services that a member of the federation offers over mTLS.
async fn attack_member(scene: &Scene, to: &str, package: &str, seed: u8, too_long: fn(&str) -> usize) {
    attack_all(package, seed, None, |method| {
        (scene.federation.channel(caller(method), to).unwrap(), too_long(method))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_coordinator_answers_truncated_oversized_and_random_messages_and_nothing_breaks() {
    let scene = Scene::new().await;
    let before = [("coordinator", scene.rows("coordinator").await)];
    let too_long = |method: &str| match method {
        "Register" | "Authorize" | "Recall" => (16 << 20) + 1,
        _ => (4 << 20) + 1,
    };
    attack_member(&scene, "coordinator", "tacit.coordinator.v1", 1, too_long).await;
    scene.is_unharmed(&before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_custodian_answers_truncated_oversized_and_random_messages_and_nothing_breaks() {
    let scene = Scene::new().await;
    let before = [("custodian", scene.rows("custodian").await)];
    let too_long = |method: &str| match method {
        "Evaluate" => (64 << 10) + 1,
        "FetchBuckets" => (12 << 20) + 1,
        _ => (32 << 20) + 1,
    };
    attack_member(&scene, "custodian", "tacit.custodian.v1", 2, too_long).await;
    scene.is_unharmed(&before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_answers_truncated_oversized_and_random_messages_and_nothing_breaks() {
    let scene = Scene::new().await;
    let before = [("court", scene.rows("court").await)];
    attack_member(&scene, "court", "tacit.holder.v1", 3, |_| (8 << 20) + 1).await;
    scene.is_unharmed(&before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_answers_truncated_oversized_and_random_messages_and_nothing_breaks() {
    let scene = Scene::new().await;
    let federation = &scene.federation;
    let before = [
        ("procurement", scene.rows("procurement").await),
        ("coordinator", scene.rows("coordinator").await),
        ("custodian", scene.rows("custodian").await),
        ("court", scene.rows("court").await),
    ];
    let address = federation.gateway_at("procurement").unwrap().grpc.unwrap();
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let token = federation.token("procurement").unwrap();
    attack_all("tacit.gateway.v1", 4, Some(&token), |_| (channel.clone(), (256 << 10) + 1)).await;
    // Without the token nothing is even read.
    for body in [Vec::new(), vec![0xff; 100], frame(&[0xff; 100])] {
        let ended = call(&channel, "/tacit.gateway.v1.GatewayService/Check", body, Said::default()).await;
        assert_eq!(tacit_wire::reason_of(&ended.status.unwrap()), Some(Reason::Unauthenticated));
    }
    scene.is_unharmed(&before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_tls_end_their_connection_and_nothing_else() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let scene = Scene::new().await;
    let members = ["coordinator", "custodian", "court", "procurement"];
    let mut before = Vec::new();
    for member in members {
        before.push((member, scene.rows(member).await));
    }
    let mut noise = Noise::seeded(5);
    for member in members {
        let id = member.parse().unwrap();
        let endpoint = scene.federation.registry().member(&id).unwrap().endpoint.clone().unwrap();
        let address = endpoint.strip_prefix("https://").unwrap();
        for length in [1, 5, 100, 20_000] {
            let mut tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            // The other end may have hung up already.
            let _ = tcp.write_all(&noise.bytes(length)).await;
            let _ = tcp.shutdown().await;
            let mut rest = Vec::new();
            let _ = tcp.read_to_end(&mut rest).await;
            assert!(rest.len() < 100, "a TLS alert at most: {rest:?}");
        }
    }
    scene.is_unharmed(&before).await;
}
