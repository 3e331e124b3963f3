//! What bidder C sees at the portal: everything on record about it, after the next reading.

use std::time::Duration;

use serde_json::{Value, json};
use tacit_federation::{
    config::{AuthorityFile, Environment, RoleFile as _},
    connect,
    desk::DeskClient,
    found::CLI_APPLICATION,
};
use tacit_model::Clock;

use super::{PORTAL, Walk};
use crate::exit::Failure;

/// From one reading of the portal to the next, in milliseconds: a demonstration does not wait for hours.
pub(super) const READING_MS: u64 = 2_000;
/// How long the next reading is waited for, in tenths of a second.
const PATIENCE: u32 = 300;

/// The portal's interface.
fn desk(walk: &Walk<'_>) -> Result<DeskClient, Failure> {
    let file = AuthorityFile::load(&walk.stage.config(PORTAL), Environment::Ignored)?;
    let token = connect::desk_token(&file, CLI_APPLICATION)?;
    Ok(DeskClient::new(file.api.http, token))
}

async fn ask(walk: &Walk<'_>, path: &str) -> Result<Value, Failure> {
    let person = json!({ "scheme": "CN-USCC", "code": walk.cast.consenting });
    let answer = desk(walk)?.post(path, &person).await?;
    if answer.status == 200 { Ok(answer.body) } else { Err(Failure::internal(&answer.body["message"])) }
}

/// Bidder C logs in: a user from now on.
pub(super) async fn logs_in(walk: &Walk<'_>) -> Result<(), Failure> {
    ask(walk, "/v1/users").await.map(drop)
}

/// Waits until the portal has read what is in the log now.
pub(super) async fn read(desk: &DeskClient, clock: &dyn Clock) -> Result<(), Failure> {
    let now = clock.now().to_rfc3339();
    for _ in 0..PATIENCE {
        let beat = desk.get("/v1/heartbeat").await?;
        if beat.body["as_of"].as_str().is_some_and(|as_of| *as_of > *now) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Shows bidder C's log, and gives the outcomes in it, newest first.
pub(super) async fn sees(walk: &Walk<'_>) -> Result<Value, Failure> {
    read(&desk(walk)?, &*walk.context.clock).await?;
    let answer = ask(walk, "/v1/findUsage").await?;
    let usages = answer["usage"].as_array().cloned().unwrap_or_default();
    walk.narrator.say(
        "What bidder C sees at the portal. It reads the log for all of its users together, never when one of them \
         looks:",
    );
    walk.narrator.gap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut rows = vec![["time", "who", "outcome", "proof"].map(str::to_owned).to_vec()];
    for usage in &usages {
        let time = text(&usage["logtime"]).get(11..19).unwrap_or_default().to_owned();
        let mut outcome = text(&usage["outcome"]).replace('_', " ");
        if let Some(exact) = usage["exact_reason"].as_str().filter(|exact| !exact.is_empty()) {
            outcome.push_str(&format!(": {exact}"));
        }
        rows.push(vec![time, text(&usage["receiver"]), outcome, text(&usage["proof"])]);
    }
    walk.narrator.table(&rows);
    Ok(usages.iter().map(|usage| usage["outcome"].clone()).collect())
}
