//! Step 11: what each party saw, and a search of everything that each of them has on disk.

use std::collections::BTreeMap;

use serde_json::json;
use tacit_ledger::record::Record;
use tacit_model::Millis;

use super::{
    COORDINATOR, PROCUREMENT, TAX_LIST, TENDER, VENDOR_SELECTION, Walk, ask,
    narrator::{Tone, count},
    report::Step,
    search::{Job, Needle, elsewhere, files_of},
    stage::LOG_FILE,
};
use crate::exit::Failure;

/// Whose files are searched, with the heading of the column.
const PARTIES: [(&str, &str); 6] = [
    (COORDINATOR, "coord."),
    ("custodian", "custod."),
    ("court", "court"),
    ("tax", "tax"),
    (PROCUREMENT, "procur."),
    (LOG, "log"),
];
/// The lines that all parties logged.
const LOG: &str = "log";

/// Where a thing may and must be found.
struct Row {
    name: &'static str,
    /// What the cell says where it is found.
    word: &'static str,
    /// Only here, and here it is.
    only: &'static [&'static str],
    /// Here too, as long as a permit lives.
    perhaps: &'static [&'static str],
}

const ROWS: [Row; 8] = [
    Row { name: "code of bidder A, listed", word: "own list", only: &["court"], perhaps: &[] },
    Row { name: "code of bidder B, not listed", word: "FOUND", only: &[], perhaps: &[] },
    Row { name: "code of bidder C", word: "FOUND", only: &[], perhaps: &[] },
    Row { name: "the answer: A's reference", word: "own list", only: &["court"], perhaps: &[] },
    Row { name: "case number", word: "FOUND", only: &[], perhaps: &[] },
    Row { name: "officer", word: "FOUND", only: &[], perhaps: &[] },
    Row { name: "pseudonym of bidder C", word: "found", only: &[COORDINATOR], perhaps: &[] },
    Row {
        name: "record id of C's question",
        word: "found",
        only: &[COORDINATOR],
        perhaps: &["custodian", "tax", PROCUREMENT],
    },
];

pub(super) async fn run(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    walk.narrator.step("What each party saw");
    views(walk).await?;
    let found = elsewhere(&job(walk)?).await?;
    walk.narrator.gap();
    walk.narrator.say(&format!(
        "Searched in every file of each party, {} MB of databases, journals and log lines: as text, in UTF-16, \
         hexadecimal and base64, and as SHA-256 and BLAKE3 digest.",
        count((found.bytes >> 20).max(1)),
    ));
    walk.narrator.gap();
    let mut table =
        vec![std::iter::once("").chain(PARTIES.map(|(_, heading)| heading)).map(str::to_owned).collect()];
    let mut wrong = Vec::new();
    for row in &ROWS {
        let mut cells = vec![row.name.to_owned()];
        for (party, _) in PARTIES {
            let here = found.has(row.name, party);
            if here != row.only.contains(&party) && !(here && row.perhaps.contains(&party)) {
                wrong.push(format!("{} with {party}", row.name));
            }
            cells.push(if here { row.word } else { "-" }.to_owned());
        }
        table.push(cells);
    }
    walk.narrator.table(&table);
    walk.narrator.gap();
    if wrong.is_empty() {
        walk.narrator.say(
            "Bidder A stands on the court's own list, whoever asks. The procurement office keeps what it asked \
             encrypted. The last two rows show that the search finds what is there.",
        );
    } else {
        walk.narrator.verdict("finding", Tone::Stopped, "NOT AS EXPECTED:", &wrong.join(", "));
    }
    let outcome = if wrong.is_empty() { "private" } else { "exposed" };
    let facts = json!({ "found": found.found, "bytes": found.bytes, "wrong": wrong });
    Ok(Step::of("what_each_party_saw", "private", outcome, facts))
}

/// The question of step 7 as each party knows it, told from its record.
async fn views(walk: &Walk<'_>) -> Result<(), Failure> {
    let Some((_, index)) = &walk.cast.consented_record else { return Ok(()) };
    let mut time = None;
    walk.auditor
        .entries(*index, 1, |entry| -> Result<(), Failure> {
            if let Ok(Record::Access(access)) = &entry.record {
                time = Some(Millis(access.time_ms).to_rfc3339());
            }
            Ok(())
        })
        .await?;
    let time = time.unwrap_or_default();
    let time = time.get(11..23).unwrap_or(&time);
    let pseudonym = walk.cast.pseudonym.map(|it| hex::encode(&it[..6])).unwrap_or_default();
    let narrator = &walk.narrator;
    narrator.say(&format!(
        "The question about bidder C in step 7, record {index} of the log, as each of them knows it:"
    ));
    narrator.gap();
    narrator.value("procur.", "everything: it asked, and got the answer");
    narrator.value("coord.", &format!(
        "at {time} UTC, {PROCUREMENT} asked {TAX_LIST} for {VENDOR_SELECTION}, about the pseudonym {pseudonym}...; not about whom, not the answer"
    ));
    narrator.value("tax", "the same without the pseudonym; not about whom, not the answer");
    narrator.value("custod.", "the same without the pseudonym, and the number of a bucket in which the entry would stand, until the permit is over");
    narrator.value("portal", "bidder C's consent and its withdrawal; not the answer");
    narrator.value("court", "nothing: it was not asked");
    Ok(())
}

fn job(walk: &Walk<'_>) -> Result<Job, Failure> {
    let folder = &walk.stage.folder;
    let mut files = BTreeMap::new();
    for (party, _) in PARTIES {
        let of = if party == LOG { vec![folder.join(LOG_FILE)] } else { files_of(folder, party)? };
        files.insert(party.to_owned(), of);
    }
    let cast = &walk.cast;
    let reference = hex::decode(&cast.reference).map_err(Failure::internal)?;
    let record = cast.consented_record.as_ref().map_or("", |(id, _)| id);
    let wanted = [
        Needle::text(&cast.listed),
        Needle::text(&cast.unlisted),
        Needle::text(&cast.consenting),
        Needle::bytes(&reference),
        Needle::text(TENDER),
        Needle::text(ask::OFFICER),
        Needle::bytes(&cast.pseudonym.unwrap_or_default()),
        Needle::text(record),
    ];
    let needles = ROWS.iter().map(|row| row.name.to_owned()).zip(wanted).collect();
    Ok(Job { files, needles })
}
