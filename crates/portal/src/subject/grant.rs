//! A consent of the person's own accord, and one that is confirmed again. Chosen in the address, where nothing is changed;
//! given on the page that shows all of it. Nothing is ticked beforehand, whatever the address says.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::Serialize;
use tacit_model::{Millis, entropy::os_rng, new_ulid, parse_ulid};

use super::{
    App,
    consents::{Consent, one, told},
    lists::{Agreement, agreements},
    requests::{DAYS, Shown},
    says::{About, Named},
};
use crate::{
    form::Fields,
    frame::{Frame, page},
    person::Scope,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// How often somebody may be allowed to ask.
const FREQUENCIES: [&str; 5] = ["1 YEAR", "1 MONTH", "4 MONTH", "1 WEEK", "1 DAY"];

/// What was chosen so far.
struct Chosen {
    lists: Vec<Named>,
    purposes: Vec<Named>,
    frequency: &'static str,
    /// RFC 3339.
    expires: String,
}

impl Chosen {
    /// All that is needed, out of what the agreement has; or what is missing.
    fn of(visit: &Visit, fields: &Fields, agreement: &Agreement) -> Result<Self, Wrongs> {
        let named = |field: &str, known: &[Named]| -> Option<Vec<Named>> {
            let find = |id: &str| known.iter().find(|named| named.id == id).cloned();
            let chosen: Vec<Named> = fields.all(field).into_iter().map(find).collect::<Option<_>>()?;
            (!chosen.is_empty()).then_some(chosen)
        };
        let (lists, purposes) = (named("list", &agreement.lists), named("purpose", &agreement.purposes));
        let frequency = FREQUENCIES.into_iter().find(|known| fields.get("frequency") == Some(known));
        match (lists, purposes, frequency, expires(fields, visit.now)) {
            (Some(lists), Some(purposes), Some(frequency), Some(expires)) => {
                Ok(Self { lists, purposes, frequency, expires })
            }
            (lists, purposes, frequency, expires) => Err(Wrongs::missing(
                visit.language,
                &[
                    ("list", "request-list-missing", lists.is_some()),
                    ("purpose", "request-purpose-missing", purposes.is_some()),
                    ("frequency", "grant-often-missing", frequency.is_some()),
                    ("days", "request-days-missing", expires.is_some()),
                ],
            )),
        }
    }

    /// What the person reads before consenting; its hash stands in the consent.
    fn notice(&self, frame: &Frame, agency: &str, from: Millis) -> String {
        let words = frame.language.with(
            "grant-notice",
            &[
                ("agency", agency.into()),
                ("lists", frame.titles(&self.lists).into()),
                ("purposes", frame.titles(&self.purposes).into()),
                ("from", frame.day_of(from).into()),
                ("until", frame.minute(&self.expires).into()),
                ("frequency", frame.often(self.frequency).into()),
            ],
        );
        frame.joined(&[words, frame.say("withdraw-what")])
    }
}

/// The end that a page said, or that follows from a number of days: with the end of a day.
fn expires(fields: &Fields, now: Millis) -> Option<String> {
    const DAY: u64 = 86_400_000;
    if let Some(said) = fields.get("expires") {
        return said.parse::<Millis>().ok().map(Millis::to_rfc3339);
    }
    let days: u32 = fields.get("days")?.parse().ok().filter(|days| DAYS.contains(days))?;
    Some(now.utc_midnight().plus_ms((u64::from(days) + 1) * DAY).to_rfc3339())
}

#[derive(Template)]
#[template(path = "subject/grant.html")]
struct GrantPage {
    frame: Frame,
    agreements: Vec<Agreement>,
    agreement: Option<Agreement>,
    chosen: Option<Chosen>,
    notice: String,
    id: String,
    frequencies: [&'static str; 5],
    days: [u32; 3],
    wrongs: Wrongs,
}

/// Which agency, then what, then all of it once more.
pub(super) async fn form(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let mut agreements = agreements(&app, &visit, visit.who(Scope::Consent)?).await?;
    let asked = visit.query.get("agreement");
    let place = agreements.iter().position(|agreement| Some(agreement.id.as_str()) == asked);
    let agreement = place.map(|place| agreements.swap_remove(place));
    if asked.is_some() && agreement.is_none() {
        return Err(Fault::NotFound);
    }
    let chosen = agreement.as_ref().map(|agreement| Chosen::of(&visit, &visit.query, agreement));
    let (chosen, wrongs) = match chosen {
        Some(Ok(chosen)) => (Some(chosen), Wrongs::default()),
        Some(Err(wrongs)) if visit.query.get("review").is_some() => (None, wrongs),
        _ => (None, Wrongs::default()),
    };
    let mut frame = Frame::new(&app.desk, &visit, visit.language.say("grant-title"), "consents");
    frame.wrong = !wrongs.is_empty();
    let agency = agreement.as_ref().map_or("", |agreement| agreement.requester.title.as_str());
    page(&GrantPage {
        notice: chosen.as_ref().map(|chosen| chosen.notice(&frame, agency, visit.now)).unwrap_or_default(),
        id: new_ulid(visit.now, &mut os_rng()).to_string(),
        frame,
        agreements,
        agreement,
        chosen,
        frequencies: FREQUENCIES,
        days: DAYS,
        wrongs,
    })
}

#[derive(Serialize)]
struct NewConsent<'w> {
    #[serde(flatten)]
    about: About<'w>,
    id: String,
    requester: &'w str,
    lists: Vec<&'w str>,
    purposes: Vec<&'w str>,
    expires: &'w str,
    frequency: &'static str,
    shown: Shown,
}

/// Gives it.
pub(super) async fn grant(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let who = visit.who(Scope::Consent)?;
    let agreements = agreements(&app, &visit, who).await?;
    let asked = visit.form.get("agreement");
    let agreement = agreements.iter().find(|agreement| Some(agreement.id.as_str()) == asked);
    let agreement = agreement.ok_or(Fault::NotFound)?;
    let chosen = Chosen::of(&visit, &visit.form, agreement).map_err(|_| Fault::Form)?;
    let id = visit.form.get("id").and_then(parse_ulid).ok_or(Fault::Form)?;
    let frame = Frame::new(&app.desk, &visit, String::new(), "consents");
    let ids = |named: &'_ [Named]| named.iter().map(|named| named.id.clone()).collect::<Vec<_>>();
    let (lists, purposes) = (ids(&chosen.lists), ids(&chosen.purposes));
    let consent = NewConsent {
        about: who.into(),
        // The day of the page stands in its id: the text is the one that was read.
        shown: Shown {
            language: visit.language.tag(),
            text: chosen.notice(&frame, &agreement.requester.title, Millis(id.timestamp_ms())),
        },
        id: id.to_string(),
        requester: &agreement.requester.id,
        lists: lists.iter().map(String::as_str).collect(),
        purposes: purposes.iter().map(String::as_str).collect(),
        expires: &chosen.expires,
        frequency: chosen.frequency,
    };
    let given = app.of.api.post("/v1/consents", &consent, &visit.id).await?;
    told(&app, &visit, &agreement.requester, given)
}

#[derive(Template)]
#[template(path = "subject/renew.html")]
struct RenewPage {
    frame: Frame,
    consent: Consent,
    /// Days from today that end later than it does.
    days: Vec<u32>,
    wrongs: Wrongs,
}

/// The days from today that end later than a consent does.
pub(super) fn later(consent: &Consent, now: Millis) -> Vec<u32> {
    let until = |days: u32| now.plus_ms(u64::from(days) * 86_400_000).to_rfc3339();
    // Times of one spelling, which sort as texts.
    DAYS.into_iter().filter(|days| until(*days) > consent.terms.expires).collect()
}

fn ask(app: &App, visit: &Visit, consent: Consent, wrongs: Wrongs) -> Result<Response, Fault> {
    let days = later(&consent, visit.now);
    if !consent.can("renew") || days.is_empty() {
        return Err(Fault::NotFound);
    }
    let mut frame = Frame::new(&app.desk, visit, visit.language.say("renew-title"), "consents");
    frame.wrong = !wrongs.is_empty();
    page(&RenewPage { frame, consent, days, wrongs })
}

/// Asks for how long a consent is confirmed again.
pub(super) async fn confirm(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let consent = one(&app, &visit, Scope::Consent, &id).await?;
    ask(&app, &visit, consent, Wrongs::default())
}

#[derive(Serialize)]
struct Renewed<'w> {
    #[serde(flatten)]
    about: About<'w>,
    days: u32,
    shown: Shown,
}

/// Confirms a consent again.
pub(super) async fn renew(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let consent = one(&app, &visit, Scope::Consent, &id).await?;
    let days = visit.form.get("days").and_then(|days| days.parse().ok());
    let Some(days) = days.filter(|days| later(&consent, visit.now).contains(days)) else {
        let wrongs = Wrongs::of("days", visit.language.say("request-days-missing"));
        return ask(&app, &visit, consent, wrongs);
    };
    let frame = Frame::new(&app.desk, &visit, String::new(), "consents");
    let text = frame.language.with(
        "renew-notice",
        &[
            ("agency", (&consent.terms.requester.title).into()),
            ("lists", frame.titles(&consent.terms.lists).into()),
            ("purposes", frame.titles(&consent.terms.purposes).into()),
            ("days", days.to_string().into()),
            ("frequency", frame.often(&consent.terms.frequency).into()),
        ],
    );
    let text = frame.joined(&[text, frame.say("withdraw-what")]);
    let shown = Shown { language: visit.language.tag(), text };
    let renewed = Renewed { about: visit.who(Scope::Consent)?.into(), days, shown };
    let path = format!("/v1/consents/{}/renew", consent.terms.id);
    told(&app, &visit, &consent.terms.requester, app.of.api.post(&path, &renewed, &visit.id).await?)
}
