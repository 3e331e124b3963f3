//! An authority by itself: its database, its readings, and its interface on this machine.

use tacit_authority::{Timetable, store};
use tacit_federation::{
    config::AuthorityFile, connect::desk_token, desk::DeskClient, found::CLI_APPLICATION,
};
use tacit_model::Millis;
use tacit_store::{Inspector, StoreError};

use super::Findings;
use crate::{cli::Context, commands::db::schema_words};

pub(super) async fn look(context: &Context, who: &str, file: &AuthorityFile, findings: &mut Findings) {
    if database(who, file, findings).await {
        readings(context.clock.now(), who, file, findings).await;
    }
    interface(who, file, findings).await;
}

/// Whether the database can be read by this program. Nothing is changed in it.
async fn database(who: &str, file: &AuthorityFile, findings: &mut Findings) -> bool {
    const WHAT: &str = "database";
    let inspected = async {
        let Some(mut inspector) = Inspector::open(&file.database, &store::MIGRATIONS).await? else {
            return Ok(None);
        };
        let schema = inspector.schema().await?;
        let place = inspector.place().to_owned();
        inspector.close().await;
        Ok::<_, StoreError>(Some((schema, place)))
    };
    match inspected.await {
        Err(error) => {
            let next = "see that file or server are there and whole: tacit db status";
            findings.bad(who, WHAT, error, next);
            false
        }
        Ok(None) => {
            let next =
                "start the authority, which makes it; if it ran before, put a backup back: tacit db restore";
            findings.warn(who, WHAT, "there is none yet", next);
            false
        }
        Ok(Some((schema, place))) => {
            let found = format!("{place}, schema {}", schema_words(&schema));
            if !schema.is_known() {
                findings.bad(
                    who,
                    WHAT,
                    found,
                    "name the authority's own database, or use the program that wrote it",
                );
            } else if !schema.pending.is_empty() {
                findings.warn(who, WHAT, found, "start the authority, which applies it");
            } else {
                findings.good(who, WHAT, found);
                return true;
            }
            false
        }
    }
}

/// How old what the authority tells is, and whether that is older than it should be.
async fn readings(now: Millis, who: &str, file: &AuthorityFile, findings: &mut Findings) {
    const WHAT: &str = "readings";
    const NEXT: &str = "see that the authority runs and reaches coordinator and custodian; its log says why a reading \
                        did not come to its end";
    let read = async {
        let db = store::open(&file.database).await?;
        let times = tacit_authority::timetable(&db).await;
        db.close().await;
        times
    };
    let Timetable { as_of, under_way, next } = match read.await {
        Ok(times) => times,
        Err(error) => return findings.bad(who, WHAT, error, "look into the database: tacit db status"),
    };
    let Some(as_of) = as_of else {
        return findings.warn(who, WHAT, "none has come to its end yet", NEXT);
    };
    let mut found = format!("the newest whole one began {} s ago", now.since(as_of) / 1000);
    match next {
        _ if under_way => found.push_str(", one is under way"),
        Some(next) => found.push_str(&format!(", the next one is due {}", next.to_rfc3339())),
        None => {}
    }
    if file.reading.is_late(as_of, now) {
        found.push_str(&format!("; that is overdue, with one every {} s", file.reading.every_ms / 1000));
        findings.bad(who, WHAT, found, NEXT);
    } else {
        findings.good(who, WHAT, found);
    }
}

/// Whether the authority answers the portal and the command line.
async fn interface(who: &str, file: &AuthorityFile, findings: &mut Findings) {
    const WHAT: &str = "interface";
    const TOKENS: &str =
        "see that the file of tokens has a line for cli, and start the authority again after a change";
    let at = file.api.http;
    let token = match desk_token(file, CLI_APPLICATION) {
        Ok(token) => token,
        Err(error) => return findings.bad(who, WHAT, error, TOKENS),
    };
    let answer = match DeskClient::new(at, token).get("/v1/heartbeat").await {
        Ok(answer) => answer,
        Err(error) => {
            let found = format!("{at} does not answer: {error}");
            return findings.warn(who, WHAT, found, "start it: tacit authority serve --config FILE");
        }
    };
    let text = |field: &str| answer.body[field].as_str().unwrap_or_default();
    if answer.status != 200 {
        return findings.bad(who, WHAT, format!("{at} says {}: {}", answer.status, text("message")), TOKENS);
    }
    if text("authority") != file.member.as_str() {
        let found = format!("at {at} another authority answers: {}", text("authority"));
        return findings.bad(who, WHAT, found, "correct api.http, or stop the other one");
    }
    let count = |field: &str| answer.body[field].as_u64().unwrap_or_default();
    let (users, waiting) = (count("users"), count("users_waiting"));
    findings.good(who, WHAT, format!("{at} answers; {users} users, {waiting} of them not read in full yet"));
}
