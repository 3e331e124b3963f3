//! Who somebody is at a desk, made of what the identity provider says of them.
//!
//! Claims are parsed here once. What comes out is who may do what for whom, until when; every request is held against
//! it again, so that a mandate that ends during a session ends there too.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tacit_model::Millis;
use zeroize::Zeroize;

use crate::limits::Mark;

/// Longest name that is shown.
const NAME_MAX: usize = 120;
/// Most mandates that are taken from a login.
const MANDATES_MAX: usize = 50;

/// What stands for an account that is known by a code.
const NOT_SAID: &str = "(a code, which is not said)";

/// What the identity provider says.
pub(crate) type Claims = Map<String, Value>;

/// Which claims mean what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimNames {
    /// Claim with the person's name.
    pub name: String,
    /// Claim with the person's own code.
    pub code: String,
    /// Claim with the scheme of that code.
    pub scheme: String,
    /// Scheme of own codes when no claim names it.
    pub scheme_is: Option<String>,
    /// Claim with whom the person may act for: objects with `scheme`, `code`, `name`, `scopes`, `until`.
    pub mandates: String,
    /// What a claim must say before somebody may use this desk; everybody may without it.
    pub role: Option<ClaimIs>,
    /// What a claim says of clerks who assist people at a counter; there are none without it.
    pub clerk: Option<ClaimIs>,
    /// What a claim says of those who decide objections; there are none without it.
    pub decides: Option<ClaimIs>,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            name: "name".to_owned(),
            code: "subject_code".to_owned(),
            scheme: "subject_scheme".to_owned(),
            scheme_is: None,
            mandates: "mandates".to_owned(),
            role: None,
            clerk: None,
            decides: None,
        }
    }
}

/// A claim that is a text, or a list with that text in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimIs {
    /// The claim.
    pub claim: String,
    /// What it has to be, or to hold.
    pub value: String,
}

impl ClaimIs {
    fn holds(&self, claims: &Claims) -> bool {
        match claims.get(&self.claim) {
            Some(Value::String(text)) => *text == self.value,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(&self.value)),
            _ => false,
        }
    }
}

/// A subject by its code. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) scheme: String,
    pub(crate) code: String,
    /// In words, for the pages.
    pub(crate) name: String,
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Who(..)")
    }
}

impl Drop for Who {
    fn drop(&mut self) {
        self.code.zeroize();
    }
}

/// What somebody may do for another subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See what is on record.
    Read,
    /// Ask lists.
    Check,
    /// Give and take back consent.
    Consent,
    /// Object and appeal.
    Object,
}

impl Scope {
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Check, Self::Consent, Self::Object];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Check => "check",
            Self::Consent => "consent",
            Self::Object => "object",
        }
    }
}

/// Somebody whom a person may act for, in what, until when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mandate {
    pub(crate) who: Who,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) until: Millis,
}

/// Who logged in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Login {
    /// The identity provider's own name of the person, for what is noted; never a code.
    pub(crate) account: String,
    /// The same for all logins of the account; what it does is counted under this.
    pub(crate) mark: Mark,
    pub(crate) name: String,
    /// The person as a subject.
    pub(crate) own: Option<Who>,
    pub(crate) mandates: Vec<Mandate>,
    pub(crate) clerk: bool,
    pub(crate) decides: bool,
    /// For whom the person acts now.
    pub(crate) acting: Acting,
    /// For the provider's logout.
    pub(crate) id_token: Option<String>,
}

/// For whom somebody acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Acting {
    /// For themself.
    Own,
    /// Under the mandate of this place.
    Mandate(usize),
    /// At the counter, for the person who stands there.
    Assisting {
        /// That person.
        who: Who,
        /// Why, as the clerk stated it.
        why: String,
    },
}

/// Why somebody may not do something for a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotFor {
    /// The login names no subject.
    Nobody,
    /// The mandate's term is over.
    Over,
    /// The mandate does not reach so far.
    Scope,
}

impl Login {
    /// Reads claims; none when they do not let anybody use this desk.
    pub(crate) fn of(account: String, claims: &Claims, names: &ClaimNames) -> Option<Self> {
        let holds = |wanted: &Option<ClaimIs>| wanted.as_ref().is_some_and(|wanted| wanted.holds(claims));
        if names.role.is_some() && !holds(&names.role) {
            return None;
        }
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
        let name = shown(text(&names.name).unwrap_or(&account));
        let scheme = text(&names.scheme).or(names.scheme_is.as_deref());
        let own = text(&names.code).zip(scheme).map(|(code, scheme)| Who {
            scheme: scheme.to_owned(),
            code: code.to_owned(),
            name: name.clone(),
        });
        let mandates = claims.get(&names.mandates).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mandates: Vec<Mandate> = mandates.iter().take(MANDATES_MAX).filter_map(mandate).collect();
        // Some providers know people by their code, which no log may say.
        let codes = own.iter().chain(mandates.iter().map(|mandate| &mandate.who));
        let is_code =
            codes.map(|who| who.code.as_str()).any(|code| !code.is_empty() && account.contains(code));
        let mark = blake3::derive_key("tacit v1 portal account", account.as_bytes());
        Some(Self {
            mark: *mark.first_chunk()?,
            account: if is_code { NOT_SAID.to_owned() } else { account },
            name,
            own,
            mandates,
            clerk: holds(&names.clerk),
            decides: holds(&names.decides),
            acting: Acting::Own,
            id_token: None,
        })
    }

    /// Whether the mandate that the person acts under has ended.
    pub(crate) fn is_over(&self, now: Millis) -> bool {
        let Acting::Mandate(place) = &self.acting else { return false };
        self.mandates.get(*place).is_some_and(|mandate| now >= mandate.until)
    }

    /// Whom the person acts for, if they may do that now.
    pub(crate) fn may(&self, scope: Scope, now: Millis) -> Result<&Who, NotFor> {
        match &self.acting {
            Acting::Own => self.own.as_ref().ok_or(NotFor::Nobody),
            // A clerk writes down what the person at the counter says.
            Acting::Assisting { who, .. } if self.clerk => Ok(who),
            Acting::Assisting { .. } => Err(NotFor::Nobody),
            Acting::Mandate(place) => {
                let mandate = self.mandates.get(*place).ok_or(NotFor::Nobody)?;
                if self.is_over(now) {
                    Err(NotFor::Over)
                } else if mandate.scopes.contains(&scope) {
                    Ok(&mandate.who)
                } else {
                    Err(NotFor::Scope)
                }
            }
        }
    }

    /// Whose name stands on the pages.
    pub(crate) fn for_whom(&self) -> Option<&Who> {
        self.whom(&self.acting)
    }

    /// Who that is.
    pub(crate) fn whom<'l>(&'l self, acting: &'l Acting) -> Option<&'l Who> {
        match acting {
            Acting::Own => self.own.as_ref(),
            Acting::Mandate(place) => self.mandates.get(*place).map(|mandate| &mandate.who),
            Acting::Assisting { who, .. } => Some(who),
        }
    }
}

/// A mandate as the provider states it; one without scopes or without an end is none.
fn mandate(value: &Value) -> Option<Mandate> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let scopes = value.get("scopes")?.as_array()?;
    let scopes: Vec<Scope> = scopes
        .iter()
        .filter_map(|scope| Scope::ALL.into_iter().find(|known| scope.as_str() == Some(known.as_str())))
        .collect();
    let until: jiff::Timestamp = text("until")?.parse().ok()?;
    let until = Millis(u64::try_from(until.as_millisecond()).ok()?);
    let code = text("code")?.to_owned();
    let name = shown(text("name").unwrap_or(text("scheme")?));
    Some(Mandate { who: Who { scheme: text("scheme")?.to_owned(), code, name }, scopes, until })
}

/// A name as it is shown: without control characters, and not endless.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn login(claims: &Value) -> Option<Login> {
        let names = ClaimNames {
            clerk: Some(ClaimIs { claim: "roles".to_owned(), value: "clerk".to_owned() }),
            ..ClaimNames::default()
        };
        Login::of("a1".to_owned(), claims.as_object().unwrap(), &names)
    }

    const NOON: Millis = Millis(1_795_219_200_000);

    #[test]
    fn a_mandate_holds_for_its_scopes_until_its_end_and_no_longer() {
        let mut login = login(&json!({
            "name": "Li Na", "subject_scheme": "CN-ID", "subject_code": "11010519491231002X",
            "mandates": [
                { "scheme": "CN-USCC", "code": "91350100M000100Y43", "name": "Minjiang Paper",
                  "scopes": ["read", "consent", "everything"], "until": "2026-11-21T00:00:00Z" },
                { "scheme": "CN-USCC", "code": "X", "scopes": ["read"] },
                { "scheme": "CN-USCC", "code": "X", "until": "2027-01-01T00:00:00Z" },
            ],
        }))
        .unwrap();
        assert_eq!(login.mandates.len(), 1, "one without an end or without scopes is none");
        assert_eq!(login.may(Scope::Object, NOON).unwrap().scheme, "CN-ID");
        login.acting = Acting::Mandate(0);
        let until = login.mandates[0].until;
        assert_eq!(login.may(Scope::Read, Millis(until.0 - 1)).unwrap().name, "Minjiang Paper");
        assert_eq!(login.may(Scope::Read, until), Err(NotFor::Over));
        assert_eq!(login.may(Scope::Object, Millis(until.0 - 1)), Err(NotFor::Scope));
        login.acting = Acting::Mandate(1);
        assert_eq!(login.may(Scope::Read, Millis(0)), Err(NotFor::Nobody));
    }

    #[test]
    fn only_a_clerk_assists_and_a_role_that_is_wanted_is_needed() {
        let who = Who { scheme: "CN-ID".to_owned(), code: "1".to_owned(), name: "n".to_owned() };
        let acting = Acting::Assisting { who, why: "asked at the counter".to_owned() };
        let mut clerk = login(&json!({ "roles": ["clerk", "x"] })).unwrap();
        clerk.acting = acting.clone();
        assert!(clerk.may(Scope::Read, NOON).is_ok());
        let mut person = login(&json!({ "roles": "clerks" })).unwrap();
        person.acting = acting;
        assert_eq!(person.may(Scope::Read, NOON), Err(NotFor::Nobody));
        let names = ClaimNames {
            role: Some(ClaimIs { claim: "role".to_owned(), value: "auditor".to_owned() }),
            ..ClaimNames::default()
        };
        for (claims, lets) in
            [(json!({ "role": "auditor" }), true), (json!({ "role": "auditors" }), false), (json!({}), false)]
        {
            let login = Login::of("a".to_owned(), claims.as_object().unwrap(), &names);
            assert_eq!(login.is_some(), lets, "{claims}");
        }
    }

    #[test]
    fn an_account_that_is_known_by_its_code_is_not_noted_by_it() {
        let claims = json!({ "subject_scheme": "CN-ID", "subject_code": "11010519491231002X" });
        let of = |account: &str| {
            Login::of(account.to_owned(), claims.as_object().unwrap(), &ClaimNames::default())
                .unwrap()
                .account
        };
        assert_eq!(of("8f3a"), "8f3a");
        for account in ["11010519491231002X", "cn:11010519491231002X"] {
            assert!(!of(account).contains("11010519491231002X"), "{account}");
        }
    }

    #[test]
    fn debug_shows_no_code() {
        let login = login(&json!({ "subject_scheme": "CN-ID", "subject_code": "11010519491231002X" }));
        assert!(!format!("{login:?}").contains("11010519491231002X"));
    }
}
