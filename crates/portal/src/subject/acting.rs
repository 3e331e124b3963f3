//! For whom somebody acts: for themself, under a mandate, or at the counter for the person who stands there.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::de::IgnoredAny;
use tacit_model::{LogSafe, LogText};

use super::{App, lists::schemes, says::About};
use crate::{
    api::Trouble,
    form::Fields,
    frame::{Frame, page},
    journal::{Act, Outcome},
    person::{Acting, Who},
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// Words of beginning and ending to act for another.
pub(super) const BEGAN: &str = "did-begin";
pub(super) const STOPPED: &str = "did-stop";
/// Longest code as typed, and longest reason, in bytes.
const TEXT_MAX: usize = 200;

/// Somebody whom one may act for.
struct Choice {
    place: usize,
    name: String,
    scopes: String,
    until: String,
    over: bool,
}

#[derive(Template)]
#[template(path = "subject/acting.html")]
struct ActingPage {
    frame: Frame,
    choices: Vec<Choice>,
    clerk: bool,
    /// The kinds of codes that lists have, for the clerk.
    schemes: Vec<String>,
    form: Arc<Fields>,
    wrongs: Wrongs,
}

pub(super) async fn acting(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    show(&app, &visit, Wrongs::default()).await
}

async fn show(app: &App, visit: &Visit, wrongs: Wrongs) -> Result<Response, Fault> {
    let login = visit.login()?;
    let schemes = if login.clerk { schemes(app, visit).await? } else { Vec::new() };
    let mut frame = Frame::new(&app.desk, visit, visit.language.say("acting-title"), "acting");
    frame.wrong = !wrongs.is_empty();
    let choices = login.mandates.iter().enumerate().map(|(place, mandate)| {
        let scopes =
            mandate.scopes.iter().map(|scope| visit.language.say(&format!("scope-{}", scope.as_str())));
        Choice {
            place,
            name: mandate.who.name.clone(),
            scopes: scopes.collect::<Vec<_>>().join(visit.language.comma()),
            until: frame.minute(&mandate.until.to_rfc3339()),
            over: visit.now >= mandate.until,
        }
    });
    page(&ActingPage {
        choices: choices.collect(),
        clerk: login.clerk,
        schemes,
        form: visit.form.clone(),
        wrongs,
        frame,
    })
}

/// Begins to act for somebody.
pub(super) async fn act(
    State(app): State<App>,
    Extension(mut visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let login = visit.login()?;
    let chosen = match visit.form.get("mandate") {
        Some(place) => {
            let place: usize = place.parse().map_err(|_| Fault::Form)?;
            let mandate = login.mandates.get(place).ok_or(Fault::NotAllowed)?;
            if visit.now >= mandate.until {
                note(&visit, "a mandate that is over was refused");
                let refused = Outcome::Refused(Fault::MandateOver.key().to_owned());
                journal(&app, &visit, &Acting::Mandate(place), BEGAN, refused).await?;
                return Err(Fault::MandateOver);
            }
            Acting::Mandate(place)
        }
        None if login.clerk => {
            let field = |name| visit.form.get(name).filter(|text| text.len() <= TEXT_MAX);
            match (field("scheme"), field("code"), field("name"), field("why")) {
                (Some(scheme), Some(code), Some(name), Some(why)) => {
                    let who = Who { scheme: scheme.to_owned(), code: code.to_owned(), name: name.to_owned() };
                    let wrongs = of_code(&app, &visit, &who).await?;
                    if !wrongs.is_empty() {
                        return show(&app, &visit, wrongs).await;
                    }
                    Acting::Assisting { who, why: why.to_owned() }
                }
                (scheme, code, name, why) => {
                    let fields = [
                        ("scheme", "acting-clerk-choose", scheme.is_some()),
                        ("code", "acting-clerk-code-missing", code.is_some()),
                        ("name", "acting-clerk-name-missing", name.is_some()),
                        ("why", "acting-clerk-why-missing", why.is_some()),
                    ];
                    return show(&app, &visit, Wrongs::missing(visit.language, &fields)).await;
                }
            }
        }
        None => return Err(Fault::NotAllowed),
    };
    note(&visit, "somebody begins to act for another");
    journal(&app, &visit, &chosen, BEGAN, Outcome::Done).await?;
    set(&app, &mut visit, chosen).await?;
    Ok(Redirect::to(&visit.path("/")).into_response())
}

/// What the authority finds wrong with a code that was typed at the counter.
async fn of_code(app: &App, visit: &Visit, who: &Who) -> Result<Wrongs, Fault> {
    let about: About<'_> = who.into();
    let told: Result<IgnoredAny, Trouble> = app.of.api.post("/v1/usagePeriod", &about, &visit.id).await;
    match told {
        Ok(_) => Ok(Wrongs::default()),
        Err(trouble) if trouble.reason.starts_with("code_") => {
            Ok(Wrongs::of("code", visit.language.reason(&trouble.reason).unwrap_or(trouble.message)))
        }
        Err(trouble) => Err(trouble.into()),
    }
}

/// Ends it.
pub(super) async fn stop(
    State(app): State<App>,
    Extension(mut visit): Extension<Visit>,
) -> Result<Response, Fault> {
    note(&visit, "somebody acts for themself again");
    journal(&app, &visit, &visit.login()?.acting, STOPPED, Outcome::Done).await?;
    set(&app, &mut visit, Acting::Own).await?;
    Ok(Redirect::to(&visit.path("/")).into_response())
}

/// Writes it down for the one whom it is about.
async fn journal(
    app: &App,
    visit: &Visit,
    acting: &Acting,
    what: &str,
    outcome: Outcome,
) -> Result<(), Fault> {
    let login = visit.login()?;
    let act = Act::of(login, acting, visit.now, what.to_owned(), Vec::new());
    let (Some(journal), Some(act)) = (&app.desk.journal, act) else { return Ok(()) };
    let who = login.whom(acting).ok_or(Fault::NotAllowed)?;
    let entry = journal.begin(&visit.id, who, act).await?;
    journal.end(entry, outcome).await
}

async fn set(app: &App, visit: &mut Visit, acting: Acting) -> Result<(), Fault> {
    let session = visit.session.as_mut().ok_or(Fault::LoggedOut)?;
    let login = session.state.login.as_mut().ok_or(Fault::LoggedOut)?;
    login.acting = acting;
    if app.desk.sessions.keep(session).await? { Ok(()) } else { Err(Fault::LoggedOut) }
}

/// Says who did it, by the provider's own name of the account, and never for whom.
fn note(visit: &Visit, what: &'static str) {
    let account = visit.login().map_or("", |login| login.account.as_str());
    tracing::info!(request_id = %LogSafe::new(&visit.id), account = %LogText::new(account), "{what}");
}
