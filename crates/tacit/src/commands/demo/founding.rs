//! Steps 1 and 3: the parties, and the lists.

use std::time::Instant;

use serde_json::json;
use tacit_identity::Role;

use super::{
    COURT_LIST, Cast, Codes, Made, Narrator, PLANS, Stage,
    history::Around,
    lists::{Published, publish},
    narrator::{count, span},
    report::Step,
    stage::LISTS,
    sweep,
};
use crate::{cli::Context, exit::Failure};

/// Step 1: every party, and where it listens.
pub(super) async fn start(narrator: &Narrator, stage: &mut Stage) -> Result<Step, Failure> {
    let begun = Instant::now();
    narrator.say(
        "Each party has its own keys, certificate, configuration and database. They speak gRPC over mutual TLS and \
         know each other's keys beforehand.",
    );
    stage.start().await?;
    narrator.gap();
    let mut rows = vec![["party", "address", "what it does"].map(str::to_owned).to_vec()];
    for role in &stage.roles {
        let does = match role.role() {
            Role::Coordinator => "decides each question, and logs it",
            Role::Custodian => "makes pseudonyms, counts, mirrors sealed lists",
            _ => match role.member().as_str() {
                "court" => "holds the judgment defaulters",
                "tax" => "holds two lists, and asks the court",
                _ => "asks, through the gateway of its own node",
            },
        };
        rows.push(vec![role.member().to_string(), role.address().to_string(), does.to_owned()]);
    }
    for (party, does) in [
        ("portal", "consent authority: bidders log in here"),
        ("auditor-a", "audit office: reads and verifies the log"),
        ("auditor-b", "ombudsman: holds the second audit key"),
    ] {
        rows.push(vec![party.to_owned(), "only calls".to_owned(), does.to_owned()]);
    }
    narrator.table(&rows);
    narrator.gap();
    narrator.value("ready in", &span(begun.elapsed()));
    narrator.value("folder", &stage.folder.display().to_string());
    let members: Vec<&str> = stage.roles.iter().map(|role| role.member().as_str()).collect();
    let promised = ["coordinator", "custodian", "court", "procurement", "tax"];
    let all = promised.iter().all(|member| members.contains(member));
    Ok(Step::of("founded", "ready", if all { "ready" } else { "incomplete" }, json!({ "roles": members })))
}

/// Writes the agencies' files and chooses whom the steps are about.
pub(super) async fn files(
    context: &Context,
    stage: &Stage,
    scale: f64,
) -> Result<(Vec<Made>, Cast, Around), Failure> {
    let today = u32::try_from(context.clock.now().utc_day()).map_err(Failure::internal)?;
    let folder = stage.folder.join(LISTS);
    tokio::task::spawn_blocking(move || make(scale, today, &folder)).await.map_err(Failure::internal)?
}

/// Step 3: lists of realistic size, imported and sealed by their holders.
pub(super) async fn lists(
    context: &Context,
    narrator: &mut Narrator,
    stage: &Stage,
    made: &[Made],
) -> Result<Step, Failure> {
    narrator.step("Lists are imported and sealed");
    narrator.say(
        "The codes are made up, with valid check characters. Sealed means: each entry is encrypted so that only a \
         permitted question about its own subject opens it. The custodian mirrors the sealed lists and reads none.",
    );
    narrator.gap();
    let begun = Instant::now();
    narrator.heading(&row(["list", "records", "held back", "imported", "sealed", "buckets"]));
    let narrator = &*narrator;
    // The two holders at the same time, each one list after the other.
    let of = |holder: &'static str| {
        let made: Vec<&Made> = made.iter().filter(|made| made.holder == holder).collect();
        async move {
            let mut published = Vec::new();
            for made in made {
                let list = publish(context, &stage.folder, made).await?;
                narrator.indented(&row([
                    list.list.as_str(),
                    &count(list.records),
                    &count(list.held_back),
                    &span(list.import),
                    &span(list.seal),
                    &count(list.buckets.into()),
                ]));
                published.push(list);
            }
            Ok::<_, Failure>(published)
        }
    };
    let (court, tax) = tokio::try_join!(of("court"), of("tax"))?;
    let published: Vec<Published> = court.into_iter().chain(tax).collect();
    narrator.gap();
    narrator.say("Held back: the subject has not been notified yet, so the record is kept and not answered.");
    let records: u64 = published.iter().map(|list| list.records).sum();
    narrator.value("in all", &format!("{} records in {}", count(records), span(begun.elapsed())));
    let facts =
        json!({ "lists": published.iter().map(Published::facts).collect::<Vec<_>>(), "records": records });
    let outcome = if published.len() == PLANS.len() { "published" } else { "incomplete" };
    Ok(Step::of("lists", "published", outcome, facts))
}

/// A row of the table of lists; rows are shown as lists get ready, so the widths are fixed.
fn row([list, records, held_back, imported, sealed, buckets]: [&str; 6]) -> String {
    format!("{list:<26}{records:>9}{held_back:>11}{imported:>10}{sealed:>8}{buckets:>9}")
}

/// Writes the files and chooses the bidders.
fn make(scale: f64, today: u32, folder: &std::path::Path) -> Result<(Vec<Made>, Cast, Around), Failure> {
    let mut codes = Codes::new(super::os_rng());
    let mut made = Vec::new();
    for plan in &PLANS {
        made.push(codes.write(plan, scale, today, folder)?);
    }
    let on_court = made.iter().find(|made| made.list.as_str() == COURT_LIST);
    let mut examples = on_court.map(|made| made.examples.clone()).unwrap_or_default().into_iter();
    let listed = examples.next().ok_or_else(|| Failure::internal("the court's list is empty"))?;
    // Like bidder A, it stands among the first records.
    let company = examples.next().ok_or_else(|| Failure::internal("the court's list has one record"))?;
    let mut swept: Vec<String> = examples.take(sweep::LISTED).collect();
    swept.extend(std::iter::repeat_with(|| codes.fresh()).take(sweep::TRIED - swept.len()));
    let cast = Cast { listed, unlisted: codes.fresh(), consenting: codes.fresh(), swept, ..Cast::default() };
    Ok((made, cast, Around { company, other: codes.fresh() }))
}
