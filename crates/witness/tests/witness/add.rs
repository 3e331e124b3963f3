//! What a member answers to `POST /add-checkpoint`: every status of C2SP tlog-witness, over mTLS.

use bytes::Bytes;
use futures::future::join_all;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use tacit_identity::Role;
use tacit_ledger::{
    checkpoint::{Checkpoint, VerifiedCheckpoint},
    ed25519::SigningKey,
    merkle::empty_root,
    note::{NoteSigner, attach_line},
    submission::{MAX_HASHES, MAX_LEN, Submission},
};
use tacit_model::{Clock as _, Reason};
use tacit_witness::Witness;
use tonic::{body::Body, client::GrpcService as _, transport::Channel};

use crate::support::*;

/// What came back.
#[derive(Debug)]
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The reason of a problem, whose request id is the one in the header.
    fn reason(&self) -> Reason {
        assert_eq!(self.header(header::CONTENT_TYPE), "application/json");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["request_id"], self.headers["x-request-id"].to_str().unwrap());
        problem["reason"].as_str().unwrap().parse().unwrap()
    }

    fn problem(&self) -> (StatusCode, Reason) {
        (self.status, self.reason())
    }

    /// The newest size, of an answer that is a conflict.
    fn conflict(&self) -> &str {
        assert_eq!(
            (self.status, self.header(header::CONTENT_TYPE)),
            (StatusCode::CONFLICT, "text/x.tlog.size")
        );
        self.text()
    }
}

async fn send(channel: &Channel, method: Method, body: Bytes) -> Got {
    let mut channel = channel.clone();
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
    let request = http::Request::builder().method(method).uri("/add-checkpoint");
    let request = request.body(Body::new(Full::new(body))).unwrap();
    let (parts, body) = channel.call(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Got { status: parts.status, headers: parts.headers, body }
}

async fn post(channel: &Channel, body: impl Into<Bytes>) -> Got {
    send(channel, Method::POST, body.into()).await
}

/// A right request: `history` grew from `old` to `size`.
fn grown(history: &History, old: u64, size: u64) -> Submission {
    let proof = if old == 0 || old == size { Vec::new() } else { history.consistency(old, size) };
    Submission { old_size: old, proof, checkpoint: history.checkpoint(size).note().to_vec() }
}

async fn add(channel: &Channel, history: &History, old: u64, size: u64) -> Got {
    post(channel, grown(history, old, size).to_bytes()).await
}

/// The checkpoint that is durable.
async fn saved(world: &World) -> Option<VerifiedCheckpoint> {
    let mut conn = world.db.read().await.unwrap();
    let note = tacit_store::witness::load(&mut conn).await.unwrap();
    note.map(|note| VerifiedCheckpoint::open(&note, &log_key()).unwrap())
}

async fn scene() -> (World, History, Witness, Channel) {
    let world = World::new().await;
    let history = world.permits(60);
    world.script.answer(Answers::Proofs(history.clone()));
    let witness = world.witness().await;
    let channel = world.serve(&witness).await;
    (world, history, witness, channel)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_200_has_the_cosignature_of_a_checkpoint_that_is_durable() {
    let (world, history, witness, channel) = scene().await;
    for (old, size) in [(0, 10), (10, 11), (11, 40), (40, 40)] {
        world.clock.advance_ms(1_000);
        let got = add(&channel, &history, old, size).await;
        assert_eq!(
            (got.status, got.header(header::CONTENT_TYPE)),
            (StatusCode::OK, "text/plain; charset=utf-8")
        );
        let verifier = cosigner("court/witness").verifier().clone();
        let cosignature = verifier.verify_line(&history.checkpoint(size), got.text()).unwrap();
        assert_eq!(cosignature.time_s(), world.clock.now().0 / 1000);
        assert_eq!((saved(&world).await, newest(&witness)), (Some(history.checkpoint(size)), size));
    }
    assert_eq!(world.script.asked(), 0, "the poster brings the proof");
    // Lines of others are no business of ours, well-formed as they are, and are not kept.
    let checkpoint = history.checkpoint(50);
    let mut note = String::from_utf8(checkpoint.note().to_vec()).unwrap();
    let another = NoteSigner::new("grease", SigningKey::from_seed(&[9; 32])).unwrap();
    let line = another.sign_line("of something else\n").unwrap();
    note = attach_line(&attach_line(&note, &line).unwrap(), &line).unwrap();
    let posted = Submission { checkpoint: note.into_bytes(), ..grown(&history, 40, 50) };
    assert_eq!(post(&channel, posted.to_bytes()).await.status, StatusCode::OK);
    assert_eq!(saved(&world).await, Some(checkpoint));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_200_also_for_the_empty_log_as_long_as_nothing_is_known() {
    let (_world, history, _witness, channel) = scene().await;
    let empty = Checkpoint { origin: "coordinator/log".to_owned(), size: 0, root: empty_root() };
    let empty = empty.sign(&signer()).unwrap();
    let posted = Submission { old_size: 0, proof: Vec::new(), checkpoint: empty.note().to_vec() }.to_bytes();
    let got = post(&channel, posted.clone()).await;
    assert_eq!(got.status, StatusCode::OK);
    cosigner("court/witness").verifier().verify_line(&empty, got.text()).unwrap();
    assert_eq!(add(&channel, &history, 0, 7).await.status, StatusCode::OK);
    assert_eq!(post(&channel, posted).await.conflict(), "7\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_400_for_what_is_malformed() {
    let (world, history, _witness, channel) = scene().await;
    let note = String::from_utf8(history.checkpoint(10).note().to_vec()).unwrap();
    let signed = |text: String| signer().sign(&text).unwrap();
    let text = history.checkpoint(10).checkpoint().to_text();
    for body in [
        String::new(),
        note.clone(),
        format!("old 0\n{note}"),
        format!("old 00\n\n{note}"),
        format!("old 0\nx\n\n{note}"),
        "old 0\n\n".to_owned(),
        format!("old 0\n\n{}", note.trim_end()),
        format!("old 0\n\n{note}x\n"),
        // Signed by the log, and no checkpoint as we know them.
        format!("old 0\n\n{}", signed(format!("{text}extension\n"))),
        format!("old 0\n\n{}", signed("coordinator/log\n010\n".to_owned())),
        // The log's key twice.
        format!("old 0\n\n{note}{}", signer().sign_line(&text).unwrap()),
    ] {
        let got = post(&channel, body.clone()).await;
        assert_eq!(got.problem(), (StatusCode::BAD_REQUEST, Reason::Malformed), "{body}");
    }
    assert_eq!(post(&channel, b"\xff\xfe\n\n".as_slice()).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(saved(&world).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_400_for_an_old_size_beyond_the_checkpoint() {
    let (_world, history, _witness, channel) = scene().await;
    assert_eq!(add(&channel, &history, 0, 20).await.status, StatusCode::OK);
    let posted = Submission { old_size: 20, ..grown(&history, 0, 10) };
    let got = post(&channel, posted.to_bytes()).await;
    assert_eq!(got.problem(), (StatusCode::BAD_REQUEST, Reason::Malformed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_400_for_more_than_63_lines_of_a_proof() {
    let (_world, history, _witness, channel) = scene().await;
    assert_eq!(add(&channel, &history, 0, 10).await.status, StatusCode::OK);
    for (lines, due) in
        [(MAX_HASHES, StatusCode::UNPROCESSABLE_ENTITY), (MAX_HASHES + 1, StatusCode::BAD_REQUEST)]
    {
        let posted = Submission { proof: vec![[7; 32]; lines], ..grown(&history, 10, 20) };
        assert_eq!(post(&channel, posted.to_bytes()).await.status, due, "{lines}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_403_for_what_the_log_did_not_sign() {
    let (world, history, _witness, channel) = scene().await;
    let imposter = NoteSigner::new("coordinator/log", SigningKey::from_seed(&[9; 32])).unwrap();
    let text = history.checkpoint(10).checkpoint().to_text();
    let false_line = {
        let other = signer().sign_line(&history.checkpoint(11).checkpoint().to_text()).unwrap();
        format!("{text}\n{other}")
    };
    for note in [imposter.sign(&text).unwrap(), false_line] {
        let posted = Submission { old_size: 0, proof: Vec::new(), checkpoint: note.into_bytes() };
        let got = post(&channel, posted.to_bytes()).await;
        assert_eq!(got.problem(), (StatusCode::FORBIDDEN, Reason::SignatureInvalid));
    }
    assert_eq!(saved(&world).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_404_for_another_log() {
    let (_world, _history, _witness, channel) = scene().await;
    for origin in ["example.com/behind-the-sofa", "coordinator/lo", "coordinator/log2"] {
        let other = NoteSigner::new(origin, SigningKey::from_seed(&[1; 32])).unwrap();
        let checkpoint =
            Checkpoint { origin: origin.to_owned(), size: 5, root: [1; 32] }.sign(&other).unwrap();
        // Whatever it has below its origin.
        for note in
            [checkpoint.note().to_vec(), other.sign(&format!("{origin}\nx\ny\nz\n")).unwrap().into_bytes()]
        {
            let posted = Submission { old_size: 0, proof: Vec::new(), checkpoint: note };
            let got = post(&channel, posted.to_bytes()).await;
            assert_eq!(got.problem(), (StatusCode::NOT_FOUND, Reason::NotFound), "{origin}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_405_for_other_methods() {
    let (_world, history, _witness, channel) = scene().await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        let got = send(&channel, method.clone(), grown(&history, 0, 10).to_bytes().into()).await;
        assert_eq!(
            (got.status, got.header(header::ALLOW)),
            (StatusCode::METHOD_NOT_ALLOWED, "POST"),
            "{method}"
        );
        assert_eq!(got.body.is_empty(), method == Method::HEAD);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_409_for_another_old_size_with_the_newest_one() {
    let (_world, history, _witness, channel) = scene().await;
    // Who knows nothing asks from 0, who is ahead of us learns it too.
    assert_eq!(add(&channel, &history, 10, 20).await.conflict(), "0\n");
    assert_eq!(add(&channel, &history, 0, 20).await.status, StatusCode::OK);
    for (old, size) in [(0, 30), (19, 30), (21, 30), (0, 20), (10, 10), (0, 10)] {
        assert_eq!(add(&channel, &history, old, size).await.conflict(), "20\n", "{old} {size}");
    }
    let told: u64 = add(&channel, &history, 0, 30).await.conflict().trim_end().parse().unwrap();
    assert_eq!(add(&channel, &history, told, 30).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_409_for_two_roots_of_one_size_which_freeze() {
    let world = World::new().await;
    let history = world.permits(60);
    let fork = history.forked(15);
    // The newest one contradicted, with the size that it has and with another, and one that was verified before it.
    for (number, (old, size)) in [(20, 20), (10, 20), (18, 18)].into_iter().enumerate() {
        let name = format!("member-{number}.db");
        let witness = world.another(&name).await;
        let channel = world.serve(&witness).await;
        assert_eq!(add(&channel, &history, 0, 18).await.status, StatusCode::OK);
        assert_eq!(add(&channel, &history, 18, 20).await.status, StatusCode::OK);
        let posted = Submission { old_size: old, ..grown(&fork, 0, size) };
        assert_eq!(post(&channel, posted.to_bytes()).await.conflict(), "20\n");
        let evidence = witness.frozen().unwrap().fork().unwrap();
        assert_eq!(evidence.verify(&log_key()).unwrap().size, size);
        // For good: not even the truth is cosigned.
        let got = add(&channel, &history, 20, 20).await;
        assert_eq!(got.problem(), (StatusCode::SERVICE_UNAVAILABLE, Reason::LogFrozen));
        drop(witness);
        assert_eq!(world.another(&name).await.standing().stopped, Some(Reason::LogFrozen));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_413_for_a_body_beyond_every_request() {
    let (_world, history, _witness, channel) = scene().await;
    let mut body = grown(&history, 0, 10).to_bytes();
    body.resize(MAX_LEN + 1, b'x');
    let got = post(&channel, body).await;
    assert_eq!(got.problem(), (StatusCode::PAYLOAD_TOO_LARGE, Reason::TooLarge));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_422_for_a_proof_that_does_not_hold_which_freezes_nobody() {
    let (world, history, witness, channel) = scene().await;
    let refused = (StatusCode::UNPROCESSABLE_ENTITY, Reason::LogInconsistent);
    // From nothing there is no proof.
    let posted = Submission { proof: vec![[7; 32]], ..grown(&history, 0, 20) };
    assert_eq!(post(&channel, posted.to_bytes()).await.problem(), refused);
    assert_eq!(add(&channel, &history, 0, 20).await.status, StatusCode::OK);
    let right = grown(&history, 20, 30);
    let with = |proof| Submission { proof, ..right.clone() };
    let mut altered = right.proof.clone();
    altered[0][0] ^= 1;
    let longer = [right.proof.as_slice(), &[[0; 32]]].concat();
    let shorter = right.proof[1..].to_vec();
    // The log itself forked: what follows on the other branch has no proof.
    let fork = grown(&history.forked(15), 20, 30);
    let same = Submission { proof: vec![[7; 32]], ..grown(&history, 20, 20) };
    for posted in [with(altered), with(longer), with(shorter), with(Vec::new()), fork, same] {
        assert_eq!(post(&channel, posted.to_bytes()).await.problem(), refused);
    }
    assert_eq!((saved(&world).await, witness.frozen()), (Some(history.checkpoint(20)), None));
    assert_eq!(post(&channel, right.to_bytes()).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_503_while_a_restored_member_waits() {
    let world = World::new().await;
    let history = world.permits(60);
    let witness = world.witness().await;
    world.bring(&witness, &history, 0, 10).await;
    drop(witness);
    tacit_witness::evidence::mark_restored(&world.db, world.clock.now()).await.unwrap();
    let witness = world.witness().await;
    let channel = world.serve(&witness).await;
    world.clock.advance_ms(20_500);
    let got = add(&channel, &history, 10, 20).await;
    assert_eq!(got.problem(), (StatusCode::SERVICE_UNAVAILABLE, Reason::LogBehind));
    assert_eq!(got.header(header::RETRY_AFTER), "100");
    assert_eq!(saved(&world).await, Some(history.checkpoint(10)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_posts_one_is_cosigned_and_never_two_branches() {
    let world = World::new().await;
    let history = world.permits(60);
    let fork = history.forked(15);
    world.script.answer(Answers::Proofs(history.clone()));
    let replicas = [world.witness().await, world.witness().await];
    let channels = [world.serve(&replicas[0]).await, world.serve(&replicas[1]).await];
    // One history: many grow it from the same size, and one of them did.
    let mut old = 10;
    assert_eq!(add(&channels[0], &history, 0, old).await.status, StatusCode::OK);
    for _ in 0..4 {
        let posts = (0..24).map(|n| add(&channels[n % 2], &history, old, old + 1));
        let statuses: Vec<_> = join_all(posts).await.iter().map(|got| got.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{statuses:?}");
        assert!(
            statuses.iter().all(|it| [StatusCode::OK, StatusCode::CONFLICT].contains(it)),
            "{statuses:?}"
        );
        old += 1;
        assert_eq!(saved(&world).await, Some(history.checkpoint(old)));
    }
    // Two histories, each rightly continuing what is known: one gets the cosignatures.
    for round in 0..8 {
        let (first, second) = (World::new().await, history.clone());
        let replicas = [first.witness().await, first.witness().await];
        let channels = [first.serve(&replicas[0]).await, first.serve(&replicas[1]).await];
        assert_eq!(add(&channels[0], &second, 0, 12).await.status, StatusCode::OK);
        let branches = [&history, &fork];
        let posts = (0..24).map(|n| add(&channels[n % 2], branches[(n + round) / 2 % 2], 12, 20 + n as u64));
        let cosigned: Vec<_> = join_all(posts).await.iter().map(|got| got.status == StatusCode::OK).collect();
        assert_eq!(cosigned.iter().filter(|it| **it).count(), 1, "{cosigned:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_brought_and_what_is_streamed_move_one_state() {
    let (world, history, witness, channel) = scene().await;
    world.bring(&witness, &history, 0, 10).await;
    // The stream moved it.
    assert_eq!(add(&channel, &history, 0, 20).await.conflict(), "10\n");
    assert_eq!(add(&channel, &history, 10, 20).await.status, StatusCode::OK);
    // The post moved it: the stream goes on behind it, and cosigns no smaller tree.
    world.script.send(history.message(10, 15)).await;
    world.script.send(history.message(15, 30)).await;
    world.script.wait_cosigned(30).await;
    let cosigned: Vec<u64> = world.script.cosigned().iter().map(|(size, _)| *size).collect();
    assert_eq!(cosigned, [10, 30]);
    // A permit moved it.
    witness.witness(history.checkpoint(35).note()).await.unwrap();
    assert_eq!(add(&channel, &history, 30, 40).await.conflict(), "35\n");
    // What was brought is good for permits without a question to the coordinator.
    let asked = world.script.asked();
    assert_eq!(add(&channel, &history, 35, 40).await.status, StatusCode::OK);
    witness.witness(history.checkpoint(40).note()).await.unwrap();
    assert_eq!(world.script.asked(), asked);
    // And no branch gets in beside it, by whatever way.
    let fork = history.forked(38);
    world.script.answer(Answers::Proofs(fork.clone()));
    world.script.send(fork.message(40, 50)).await;
    for _ in 0..300 {
        if witness.frozen().is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(witness.standing().stopped, Some(Reason::LogFrozen));
    let got = add(&channel, &history, 40, 45).await;
    assert_eq!(got.problem(), (StatusCode::SERVICE_UNAVAILABLE, Reason::LogFrozen));
    assert_eq!(got.header(header::RETRY_AFTER), "3600");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_certificate_may_post_and_other_calls_pass_by() {
    let (world, history, witness, _) = scene().await;
    let roles = [Role::Node, Role::Custodian, Role::Authority, Role::Auditor, Role::Coordinator];
    for (role, size) in roles.into_iter().zip(1..) {
        let channel = world.serve_to(&witness, role, "somebody").await;
        assert_eq!(add(&channel, &history, size - 1, size).await.status, StatusCode::OK, "{role}");
        let mut peer = tacit_wire::custodian::witness_service_client::WitnessServiceClient::new(channel);
        peer.get_cosigned(tacit_wire::custodian::GetCosignedRequest {}).await.unwrap();
    }
}
