//! Who acted for whom: under a mandate, or at a counter. Written before anything is shown or done, for the subject to read.
//!
//! ```text
//! store key (a file of the portal) ─▶ vault ─┬─ of the subject's code ─▶ what the rows are found by
//!                                            └─ seal                  ─▶ who, how, what, and how it ended
//! ```
//! Whoever reads the table, or a copy of it without the key, learns neither who acted nor for whom.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tacit_client::{Kind, RowKey, Vault};
use tacit_model::{Millis, RequestId, Schemes, entropy::os_rng};
use tacit_store::{Db, StoreError};
use zeroize::Zeroizing;

use crate::{
    person::{Acting, Login, Who},
    store::acts,
    visit::Fault,
};

/// Why a journal cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is written there could not be found again.
    #[error(
        "the journal of who acted for whom is under another store key: put the old file back, or begin a new database"
    )]
    OtherKey,
}

/// How somebody came to act for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// Under a mandate.
    Mandate,
    /// At a counter, for the reason that the clerk stated.
    Counter { why: String },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Not known: it was begun.
    Begun,
    /// Shown, or done.
    Done,
    /// The mandate did not allow it; the fault's key.
    Refused(String),
    /// It could not be done; the fault's key.
    Failed(String),
}

/// One thing that somebody did for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Act {
    pub(crate) at: Millis,
    /// The provider's own name of the account.
    account: String,
    pub(crate) name: String,
    pub(crate) how: How,
    /// Its word: `saw-asked`, `did-lists-check`.
    pub(crate) what: String,
    /// What it was about: lists, or ids.
    pub(crate) about: Vec<String>,
    pub(crate) outcome: Outcome,
}

impl Act {
    /// What this login does now for the one whom it acts for; none when that is themself.
    pub(crate) fn of(
        login: &Login,
        acting: &Acting,
        at: Millis,
        what: String,
        about: Vec<String>,
    ) -> Option<Self> {
        let how = match acting {
            Acting::Own => return None,
            Acting::Mandate(_) => How::Mandate,
            Acting::Assisting { why, .. } => How::Counter { why: why.clone() },
        };
        let (account, name) = (login.account.clone(), login.name.clone());
        Some(Self { at, account, name, how, what, about, outcome: Outcome::Begun })
    }
}

/// An act that is written down and whose end is not.
pub(crate) struct Entry {
    id: RequestId,
    subject: RowKey,
    act: Act,
}

/// The journal. Clones share it.
#[derive(Clone)]
pub(crate) struct Journal {
    db: Db,
    vault: Arc<Vault>,
}

impl Journal {
    /// The journal of this database, under the key that it was begun with.
    pub(crate) async fn open(db: Db, key: &[u8; 32]) -> Result<Self, JournalError> {
        let vault = Vault::new(&Zeroizing::new(blake3::derive_key("tacit v1 portal journal", key)));
        let mark = vault.row_key(Kind::Act, &[b"mark"]);
        let known = acts::mark(&mut *db.write().await?, &mark).await?;
        if known != mark {
            return Err(JournalError::OtherKey);
        }
        Ok(Self { db, vault: Arc::new(vault) })
    }

    /// Writes an act down before it is done. Nothing is done that cannot be written down.
    pub(crate) async fn begin(&self, id: &RequestId, who: &Who, act: Act) -> Result<Entry, Fault> {
        let entry = Entry { id: id.clone(), subject: self.subject(who), act };
        let sealed = self.sealed(&entry)?;
        acts::add(&mut *self.db.write().await?, id.as_str(), &entry.subject, &sealed).await?;
        Ok(entry)
    }

    /// Writes down how it ended.
    pub(crate) async fn end(&self, mut entry: Entry, outcome: Outcome) -> Result<(), Fault> {
        entry.act.outcome = outcome;
        let sealed = self.sealed(&entry)?;
        Ok(acts::end(&mut *self.db.write().await?, entry.id.as_str(), &sealed).await?)
    }

    /// What was done for a subject, newest first, with the id of each; and how much there is.
    pub(crate) async fn of(
        &self,
        who: &Who,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<(String, Act)>, u64), Fault> {
        let subject = self.subject(who);
        let mut conn = self.db.read().await?;
        let count = acts::count(&mut conn, &subject).await?;
        let rows = acts::page(&mut conn, &subject, offset, limit).await?;
        let open = |(id, sealed): (String, Vec<u8>)| {
            let opened = self.vault.open(Kind::Act, &self.row(&subject, &id), &sealed);
            let plain = opened.map_err(|error| broken(&error))?;
            Ok((id, serde_json::from_slice(&plain).map_err(|error| broken(&error))?))
        };
        let acts: Result<_, Fault> = rows.into_iter().map(open).collect();
        Ok((acts?, count))
    }

    fn sealed(&self, entry: &Entry) -> Result<Vec<u8>, Fault> {
        let plain = Zeroizing::new(serde_json::to_vec(&entry.act).map_err(|error| broken(&error))?);
        let row = self.row(&entry.subject, entry.id.as_str());
        Ok(self.vault.seal(Kind::Act, &row, &plain, &mut os_rng()))
    }

    fn row(&self, subject: &RowKey, id: &str) -> RowKey {
        self.vault.row_key(Kind::Act, &[subject, id.as_bytes()])
    }

    /// What the rows of a subject are found by, however its code was typed.
    fn subject(&self, who: &Who) -> RowKey {
        let parsed = Schemes::built_in().parse(&who.scheme, &who.code);
        let code = Zeroizing::new(match &parsed {
            Ok(parsed) => parsed.subject.expose_code().to_owned(),
            // A scheme of the registry, which the portal does not have.
            Err(_) => who.code.trim().to_owned(),
        });
        self.vault.row_key(Kind::Act, &[who.scheme.as_bytes(), code.as_bytes()])
    }
}

fn broken(error: &dyn std::fmt::Display) -> Fault {
    tracing::error!(%error, "an entry of who acted for whom");
    Fault::Internal
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "91350100M000100Y43";

    fn who(code: &str) -> Who {
        Who { scheme: "CN-USCC".to_owned(), code: code.to_owned(), name: "Minjiang Paper".to_owned() }
    }

    #[tokio::test]
    async fn an_act_is_found_by_its_subject_alone_and_the_table_tells_of_neither() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("web.db").display());
        let db = crate::store::open(&url).await.unwrap();
        let journal = Journal::open(db.clone(), &[1; 32]).await.unwrap();
        let names = crate::person::ClaimNames::default();
        let claims = serde_json::json!({ "name": "Zhang Wei" });
        let login = Login::of("a1".to_owned(), claims.as_object().unwrap(), &names).unwrap();
        let acting = Acting::Assisting { who: who(CODE), why: "cannot read".to_owned() };
        let at = Millis(1_795_219_200_000);
        let act = |what: &str, acting| Act::of(&login, acting, at, what.to_owned(), vec!["tax/x".to_owned()]);
        assert_eq!(act("saw-asked", &Acting::Own), None, "who acts for themself is not noted");
        for second in 0..3 {
            let id = RequestId::generate(at.plus_ms(second * 1000), &mut os_rng());
            let entry = journal.begin(&id, &who(CODE), act(&format!("saw-{second}"), &acting).unwrap()).await;
            if second > 0 {
                journal.end(entry.unwrap(), Outcome::Done).await.unwrap();
            }
        }
        // Newest first, in pages, however the code is typed.
        let (found, count) = journal.of(&who("9135 0100 m000100y43"), 0, 2).await.unwrap();
        let told: Vec<_> = found.iter().map(|(_, act)| (act.what.as_str(), &act.outcome)).collect();
        assert_eq!(count, 3);
        assert_eq!(told, [("saw-2", &Outcome::Done), ("saw-1", &Outcome::Done)]);
        assert_eq!(found[0].1.how, How::Counter { why: "cannot read".to_owned() });
        let (last, _) = journal.of(&who(CODE), 2, 2).await.unwrap();
        assert_eq!(last[0].1.outcome, Outcome::Begun, "its end is not known");
        let (none, zero) = journal.of(&who("91350211M000100Y46"), 0, 9).await.unwrap();
        assert!(none.is_empty() && zero == 0);

        db.settle().await.unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            for secret in [CODE, "Zhang Wei", "cannot read", "tax/x", "saw-1"] {
                let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!found, "{secret} stands in the database");
            }
        }
        assert!(matches!(Journal::open(db.clone(), &[2; 32]).await, Err(JournalError::OtherKey)));
        assert!(Journal::open(db, &[1; 32]).await.is_ok());
    }
}
