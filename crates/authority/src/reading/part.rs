//! What is read together: some chains, verified from where they were known, and one commit of what came.

use std::{collections::HashMap, sync::Arc};

use rand_core::CryptoRng;
use tacit_client::{Details, Kind, KnownChain, RowKey, SubjectLog};
use tacit_model::{MemberId, Millis};
use tacit_store::{Conn, begin};

use super::{ReadingError, Readings};
use crate::{
    consents,
    index::Index,
    letters,
    sealed::{Chain, Entry, Opening, RowError, Statement},
    source::{ReadLog, Source, Wanted},
    store::{self, chains, readings},
    users::Users,
};

/// What was read of some chains.
#[derive(Default)]
pub(super) struct Found {
    changes: Vec<chains::ChainChange>,
    /// Letters that leave because of it.
    forwards: Vec<store::letters::LetterRow>,
    /// Letters that an erasure takes along.
    erased: Vec<RowKey>,
    /// Changes of consents that an erasure takes along, and what is left of those consents that still stand.
    consents_erased: Vec<RowKey>,
    consents_left: Vec<(store::consents::ChangeRow, Millis)>,
}

impl Readings {
    /// Reads up to 1024 chains in their order, and stores what came.
    pub(super) async fn read_part(
        &self,
        run: u64,
        keys: &[RowKey],
        rng: &mut impl CryptoRng,
    ) -> Result<(), ReadingError> {
        let found = self.read_chains(keys, rng).await?;
        let mut conn = self.db.write().await?;
        let mut tx = begin(&mut conn).await?;
        self.store(&mut tx, run, &found).await?;
        readings::advance(&mut tx, run, found.changes.len() as u64).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Reads one chain beside the schedule: only when the authority has just written under its pseudonym, which the
    /// coordinator saw, so that this shows it nothing more. The chain is read with the others all the same.
    pub(crate) async fn read_after_change(
        &self,
        key: &RowKey,
        rng: &mut impl CryptoRng,
    ) -> Result<(), ReadingError> {
        let known = chains::by_keys(&mut *self.db.read().await?, &[*key]).await?;
        let Some(run) = known.first().map(|row| row.run) else { return Ok(()) };
        let found = self.read_chains(&[*key], rng).await?;
        let mut conn = self.db.write().await?;
        let mut tx = begin(&mut conn).await?;
        self.store(&mut tx, run, &found).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn read_chains(&self, keys: &[RowKey], rng: &mut impl CryptoRng) -> Result<Found, ReadingError> {
        let mut rows: HashMap<_, _> = chains::by_keys(&mut *self.db.read().await?, keys)
            .await?
            .into_iter()
            .map(|row| (row.key, (row.user, row.sealed)))
            .collect();
        let mut users: Vec<RowKey> = Vec::with_capacity(keys.len());
        let mut opened: Vec<(RowKey, Chain)> = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some((user, sealed)) = rows.remove(key) {
                users.push(user);
                opened.push((*key, self.rows.open(Kind::Chain, key, &sealed)?));
            }
        }
        let mut others = self.others(&users, &opened).await?;
        let wanted = |(key, chain): &(RowKey, Chain)| {
            let known = KnownChain { records: chain.records, head: chain.head, erased: chain.erased };
            let others = others.remove(key).unwrap_or_default();
            Wanted { pseudonym: chain.pseudonym, others, known }
        };
        let logs = self.source.read(opened.iter().map(wanted).collect()).await?;
        let mut found = Found::default();
        for (((key, chain), log), user) in opened.into_iter().zip(logs).zip(&users) {
            let (about, mut entries) = (chain.clone(), Vec::new());
            let change = self.change(key, chain, log, &mut entries, rng)?;
            if change.begins_anew {
                found.erased.extend(self.written_to(user, &about.requester).await?);
                self.erase_consents(user, &about.requester, &mut found, rng).await?;
            }
            found.changes.push(change);
            found.forwards.extend(self.forwards(user, &about, &entries, rng).await?);
        }
        Ok(found)
    }

    /// What an erasure leaves of what this authority keeps of a user's consents for a requester.
    async fn erase_consents(
        &self,
        user: &RowKey,
        requester: &MemberId,
        found: &mut Found,
        rng: &mut impl CryptoRng,
    ) -> Result<(), ReadingError> {
        let index = Index::default();
        let users = Users { db: self.db.clone(), rows: Arc::clone(&self.rows), index };
        let (kept, own) = (users.kept(user).await?, users.own_changes(user).await?);
        let now = self.clock.now();
        // How often they were used says nothing of what is left.
        let stories = consents::stories(&kept, &own, &HashMap::new(), &self.source.registry());
        for change in
            own.iter().filter(|it| it.logged.is_some() && it.requester().as_ref() == Some(requester))
        {
            found.consents_erased.push(self.rows.consent_change(user, change.id, change.number));
        }
        for change in consents::left(&stories, requester, now) {
            found.consents_left.push((self.rows.seal_change(user, &change, rng)?, now));
        }
        Ok(())
    }

    async fn store(&self, conn: &mut Conn, run: u64, found: &Found) -> Result<(), ReadingError> {
        let now = self.clock.now();
        chains::read(conn, run, &found.changes).await?;
        // An erasure takes what this authority wrote along.
        store::letters::remove(conn, &found.erased).await?;
        store::consents::remove(conn, &found.consents_erased).await?;
        for (change, at) in &found.consents_left {
            store::consents::put(conn, change, *at).await?;
        }
        for letter in &found.forwards {
            store::letters::add(conn, letter, now).await?;
        }
        Ok(())
    }

    /// The pseudonyms that the users of these chains have for the same requesters in other epochs, by chain: where one
    /// was carried into the next, its records open under both.
    async fn others(
        &self,
        users: &[RowKey],
        opened: &[(RowKey, Chain)],
    ) -> Result<HashMap<RowKey, Vec<[u8; 32]>>, ReadingError> {
        let mut epochs: HashMap<MemberId, Vec<u32>> = HashMap::new();
        for (requester, epoch) in self.source.requesters() {
            epochs.entry(requester).or_default().push(epoch);
        }
        let mut of: HashMap<RowKey, RowKey> = HashMap::new();
        for (user, (key, chain)) in users.iter().zip(opened) {
            let epochs = epochs.get(&chain.requester).map_or(&[][..], Vec::as_slice);
            for epoch in epochs.iter().filter(|epoch| **epoch != chain.epoch) {
                of.insert(self.rows.chain(user, &chain.requester, *epoch), *key);
            }
        }
        let mut others: HashMap<RowKey, Vec<[u8; 32]>> = HashMap::new();
        let keys: Vec<RowKey> = of.keys().copied().collect();
        for row in chains::by_keys(&mut *self.db.read().await?, &keys).await? {
            let chain: Chain = self.rows.open(Kind::Chain, &row.key, &row.sealed)?;
            if let Some(key) = of.get(&row.key) {
                others.entry(*key).or_default().push(chain.pseudonym);
            }
        }
        Ok(others)
    }

    /// What a reading changes of a chain, with the letters among its new entries. What does not hold is kept as a finding, beside what held before.
    fn change(
        &self,
        key: RowKey,
        mut chain: Chain,
        log: ReadLog,
        letters: &mut Vec<Entry>,
        rng: &mut impl CryptoRng,
    ) -> Result<chains::ChainChange, RowError> {
        let mut change = chains::ChainChange { key, ..chains::ChainChange::default() };
        match log {
            Ok(log) => {
                change.begins_anew = log.erased != chain.erased;
                let hash = *blake3::hash(&log.checkpoint).as_bytes();
                for entry in &log.entries {
                    let row = self.rows.entry(&key, entry.sequence);
                    let Some(kept) = kept(entry, hash, self.source.as_ref()) else { continue };
                    let sealed = self.rows.seal(Kind::Entry, &row, &kept, rng)?;
                    change.entries.push(chains::EntryRow { key: row, sealed });
                    if matches!(kept.opening, Opening::Notice { key: Some(_), .. }) {
                        letters.push(kept);
                    }
                }
                if !change.entries.is_empty() {
                    change.checkpoint = Some((hash, log.checkpoint.to_vec()));
                }
                advance(&mut chain, &log);
            }
            Err(finding) => {
                metrics::counter!("tacit_authority_findings_total").increment(1);
                tracing::error!(%finding, requester = %chain.requester, "ALARM: a chain does not hold");
                chain.finding = Some(finding.to_string());
            }
        }
        change.sealed = self.rows.seal(Kind::Chain, &key, &chain, rng)?;
        Ok(change)
    }
}

/// Notes how far a chain was read.
fn advance(chain: &mut Chain, log: &SubjectLog) {
    chain.records = log.statement.records;
    chain.head = log.statement.head;
    chain.erased = log.erased;
    chain.as_of_ms = log.statement.time_ms;
    let text = String::from_utf8_lossy(&log.signed.text).into_owned();
    chain.statement = Some(Statement { text, signature: log.signed.signature.to_vec() });
    chain.finding = None;
}

/// What is kept of a record; a verified one is text.
fn kept(entry: &tacit_client::ChainEntry, checkpoint: [u8; 32], source: &dyn Source) -> Option<Entry> {
    let proof = &entry.proof;
    let opening = match (&entry.details, &proof.terms) {
        (Details::Check { exact, rules, agreement, basis }, _) => Opening::Check {
            exact: exact.clone(),
            rules: rules.clone(),
            agreement: agreement.clone(),
            basis: basis.to_string(),
        },
        (Details::Consent { number, .. } | Details::Request { number, .. }, Some(terms)) => {
            Opening::Consent {
                text: String::from_utf8(terms.text.to_vec()).ok()?,
                signature: terms.signature.to_vec(),
                salt_terms: terms.salt,
                number: *number,
            }
        }
        (Details::Consent { .. } | Details::Request { .. }, None) => return None,
        (Details::Notice(letter), _) => letters::kept(letter, source),
        (Details::Erasure, _) => Opening::Erasure,
        (Details::Measure { list, decider, words }, _) => Opening::Measure {
            list: list.clone(),
            decider: decider.clone(),
            words: words.clone(),
            salt_details: proof.salt_details?,
        },
    };
    Some(Entry {
        sequence: entry.sequence,
        index: entry.index,
        record: String::from_utf8(proof.record.to_vec()).ok()?,
        path: proof.path.clone(),
        salt: proof.salt,
        previous: proof.previous,
        checkpoint,
        opening,
    })
}
