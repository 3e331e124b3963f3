//! The whole story of a listing, with every role at work: notice, effect, answer, measure, objection with a stay, first
//! decision, appeal, removal, the question asked again, the measure lifted. In the end the subject and an auditor are
//! shown the same records, with proofs, and the coordinator could read none of the letters.

#![cfg(test)]

mod story;

use serde_json::json;
use story::{FINANCE, LIST, Story, kinds, letters};
use tacit_ledger::record::Record;
use tacit_node::{records::RecordState, redress::Whose};
use tacit_policy::letter::{Level, Outcome};
use tacit_store::{Dialect, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_is_told_answered_contested_appealed_and_undone_with_what_rested_on_it() {
    if conformance::on_postgres() {
        // The other test is for that.
        return;
    }
    told(|_, _| None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql_a_listing_has_the_same_story() {
    if conformance::is_skipped(
        Dialect::Postgres,
        "the story of a listing: TACIT_TEST_POSTGRES names no server",
    ) {
        return;
    }
    told(|folder, member| Some(conformance::url(folder, member))).await;
}

async fn told(database: fn(&std::path::Path, &str) -> Option<String>) {
    let story = Story::new(database).await;

    // Decided, and not told: nothing adverse is answered.
    assert_eq!(story.check().await.0, "not_listed");
    let noticed = story.at("court").await.notify(&story.list(), Whose::Due, "clerk").await.unwrap();
    assert_eq!(noticed.written.len(), 1);
    let matters = story.shown(|it| !letters(it, "listing-notice").is_empty()).await;
    let notice = letters(&matters, "listing-notice")[0].clone();
    assert_eq!(notice["letter"]["body"]["effective_on"], "2026-12-03");
    story.days(9).await;
    assert_eq!(story.check().await.0, "not_listed");

    // In effect: answered, and acted on.
    story.days(1).await;
    let (word, answer) = story.check().await;
    assert_eq!(word, "listed");
    let measure = story.register(&answer).await;
    assert_eq!((&measure.state[..], &measure.answer), ("standing", &answer));
    let matters = story.shown(|it| !letters(it, "adverse-action").is_empty()).await;
    let told = &letters(&matters, "adverse-action")[0];
    assert_eq!((&told["from"], &told["problem"]), (&json!(FINANCE), &json!("")), "{told}");
    assert_eq!(told["letter"]["body"]["list"], LIST);

    // The objection is a stay, also after a first decision, until the time to appeal is over and throughout an appeal.
    let body = json!({ "notice": notice["letter"]["id"], "text": story::OBJECTION });
    let objection = story.post("/v1/objections", body, 200).await["objection"].clone();
    story.case("court", Level::First, |case| case.word() == "open").await;
    assert_eq!(story.record_state().await, RecordState::Contested);
    assert_eq!(story.check().await.0, "not_listed");
    story.decide("court", Level::First, &objection, Outcome::Upheld).await;
    story.shown(|it| it["objections"][0]["state"] == "decided").await;
    assert_eq!(story.check().await.0, "not_listed");
    let body = json!({ "objection": objection, "text": story::APPEAL });
    assert_eq!(story.post("/v1/appeals", body, 200).await["goes_to"], "higher-court");
    story.case("higher-court", Level::Review, |_| true).await;
    story.case("court", Level::First, |case| case.word() == "appealed").await;
    assert_eq!(story.check().await.0, "not_listed");
    story.decide("higher-court", Level::Review, &objection, Outcome::Annulled).await;
    story.case("court", Level::First, |case| case.word() == "reviewed").await;
    assert_eq!(story.record_state().await, RecordState::Removed);
    story.shown(|it| !letters(it, "removal").is_empty()).await;

    // The answer's life ends, the list is asked again, and the measure has no ground any more.
    story.days(7).await;
    let due = story.measure_until(&measure.measure_id, |it| it.state == "due").await;
    assert_eq!((&due.said[..], due.overdue), ("not_listed", false));
    assert!(due.asked_ms > measure.asked_ms && due.lift_by_ms == due.asked_ms + 3 * story::DAY_MS);
    let lifted = story.lift(&measure.measure_id).await;
    assert_eq!((&lifted.state[..], lifted.lift_by_ms), ("lifted", 0));
    let matters = story.shown(|it| !letters(it, "measure-lifted").is_empty()).await;
    for letter in matters["letters"].as_array().unwrap() {
        assert!(letter["problem"] == "" && letter["record_id"] != "", "{letter}");
    }
    assert_eq!(
        kinds(&matters),
        [
            "adverse-action",
            "appeal",
            "decision",
            "listing-notice",
            "measure-lifted",
            "objection",
            "objection-received",
            "removal",
            "review-decision"
        ]
    );

    // The subject and the auditor see the same: every record under the pseudonym that it has for the requester.
    let seen = story.usage().await;
    assert!(seen.iter().all(|usage| usage["proof"] == "verified"), "{seen:#?}");
    let mut of_subject: Vec<&str> = seen
        .iter()
        .filter(|usage| usage["receiver"] == FINANCE)
        .map(|usage| usage["record"]["id"].as_str().unwrap())
        .collect();
    of_subject.sort_unstable();
    let followed = story.followed(&answer).await;
    let mut of_auditor: Vec<&str> = followed.iter().map(Record::id).collect();
    of_auditor.sort_unstable();
    assert_eq!(of_subject, of_auditor);
    let count = |kind: &str| followed.iter().filter(|record| record.kind() == kind).count();
    // Asked: before the notice, before the effect, in effect, thrice during the stay, and again for the measure.
    assert_eq!((count("access"), count("measure"), count("notice")), (7, 2, 2), "{followed:?}");
    let outcomes = |word: &str| seen.iter().filter(|usage| usage["outcome"] == word).count();
    assert_eq!(
        (outcomes("permitted"), outcomes("measure_registered"), outcomes("measure_lifted")),
        (7, 1, 1)
    );

    // What was written stands nowhere at the coordinator.
    story.end().await;
}
