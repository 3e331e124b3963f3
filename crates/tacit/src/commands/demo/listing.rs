//! Step 10: a person is listed, told, heard, and taken off the list with what rested on it. In a federation of its own,
//! where days pass at once.

mod scene;

use serde_json::{Value, json};
use tacit_policy::letter::{Level, Outcome};

use self::scene::{ANSWER_DAYS, CANARIES, NOTICE_DAYS, Scene};
use super::{Walk, narrator::Tone, report::Step};
use crate::{commands::serve::stop_all, exit::Failure};

pub(super) async fn run(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    walk.narrator.step("Listed, told, heard, and off the list");
    walk.narrator.say(
        "Another federation: a court lists people who do not carry out a judgment, the financial supervision asks \
         about people who are to direct a securities firm. Its clock lets days pass at once.",
    );
    walk.narrator.gap();
    let mut scene = Scene::open(walk.context).await?;
    let told = told(walk, &scene).await;
    let roles = scene.close();
    stop_all(roles).await?;
    told
}

async fn told(walk: &Walk<'_>, scene: &Scene) -> Result<Step, Failure> {
    let narrator = &walk.narrator;
    let answer = |said: &str, text: &str| match said {
        "listed" => narrator.verdict("answer", Tone::Strong, "LISTED", text),
        "not_listed" => narrator.verdict("answer", Tone::Good, "NOT LISTED", text),
        other => narrator.verdict("answer", Tone::Stopped, other, text),
    };

    scene.import().await?;
    let (before, _) = scene.ask().await?;
    answer(&before, "decided, and nobody was told: such a record is not answered");
    let notice = scene.notify().await?;
    let effective = notice["letter"]["body"]["effective_on"].as_str().unwrap_or_default();
    narrator.value(
        "notice",
        &format!("a letter that only the person's portal opens: from {effective} on, and why"),
    );
    scene.clock.pass(NOTICE_DAYS);
    let (listed, record) = scene.ask().await?;
    answer(&listed, &format!("{NOTICE_DAYS} days later. An answer is not a decision"));
    let measure = scene.register(&record).await?;
    narrator.verdict(
        "measure",
        Tone::Stopped,
        "REGISTERED",
        &format!("{}; a letter tells the person", measure.words),
    );

    let objection = scene.object(&notice).await?;
    let (contested, _) = scene.ask().await?;
    answer(&contested, "the person objected: a stay until it is decided");
    scene.decide("court", Level::First, objection, Outcome::Upheld).await?;
    scene.appeal(objection).await?;
    narrator.value(
        "decision",
        "the court upholds it; the person appeals to the higher court, and the stay goes on",
    );
    scene.decide("higher-court", Level::Review, objection, Outcome::Annulled).await?;
    scene.removed().await?;
    narrator.verdict(
        "appeal",
        Tone::Good,
        "ANNULLED",
        "the record is off the list, the person has it in writing",
    );

    scene.clock.pass(ANSWER_DAYS);
    let due = scene.due(&measure.measure_id).await?;
    let lifted = scene.lift(&measure.measure_id).await?;
    narrator.verdict(
        "measure",
        Tone::Good,
        "LIFTED",
        &format!(
            "after {ANSWER_DAYS} days the answer was too old, and the list was asked again: {}",
            due.said.replace('_', " ")
        ),
    );
    narrator.gap();
    let letters = scene.letters().await?;
    narrator.say("What the person finds at the portal, all of it unreadable to the coordinator:");
    narrator.gap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut rows = vec![["day", "letter", "from", "to"].map(str::to_owned).to_vec()];
    for letter in &letters {
        let day = text(&letter["logtime"]).get(..10).unwrap_or_default().to_owned();
        let to = text(&letter["to"]);
        let to = if to.is_empty() { "the person".to_owned() } else { to };
        rows.push(vec![day, text(&letter["kind"]), text(&letter["from"]), to]);
    }
    narrator.table(&rows);
    narrator.gap();
    let (of_person, of_auditor) = (scene.seen().await?, scene.followed(&record).await?);
    let same = of_person == of_auditor && !of_person.is_empty();
    let verdict = if same { (Tone::Good, "THE SAME") } else { (Tone::Stopped, "NOT THE SAME") };
    narrator.verdict(
        "views",
        verdict.0,
        verdict.1,
        &format!(
            "{} records under the person's pseudonym at the supervision, as the person sees them and as an auditor \
             does, each with its proof",
            of_person.len()
        ),
    );
    let read = scene.found_at_the_coordinator()?;
    let undone = before == "not_listed"
        && listed == "listed"
        && contested == "not_listed"
        && due.said == "not_listed"
        && lifted.state == "lifted"
        && same
        && read.is_empty();
    let kinds: Vec<&Value> = letters.iter().map(|letter| &letter["kind"]).collect();
    let facts = json!({
        "answers": [before, listed, contested], "measure": lifted.state, "asked_again": due.said, "letters": kinds,
        "records": of_person.len(), "person_and_auditor_see_the_same": same,
        "texts_searched": CANARIES.len(), "texts_at_the_coordinator": read,
    });
    Ok(Step::of("listing_undone", "undone", if undone { "undone" } else { "other" }, facts))
}
