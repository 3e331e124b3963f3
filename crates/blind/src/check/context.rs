//! The bytes that a check is: exact both ways, parsed strictly.

use std::collections::HashSet;

use tacit_model::{Basis, ListId, MemberId, Millis, PurposeCode};

use crate::encoding::{Reader, put_lp};
use crate::group::Point;
use crate::{BlindError, Hash};

/// Most items of a check: one per holder asked.
pub const MAX_ITEMS: usize = 64;
/// Most lists of an item.
pub const MAX_LISTS: usize = 16;

const PREFIX: &[u8] = b"tacit/v1/check";

/// A list in the epoch whose key is to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEpoch {
    /// The list.
    pub list: ListId,
    /// Its epoch.
    pub epoch: u64,
}

/// One holder asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckItem {
    /// B.
    pub holder: MemberId,
    /// The holder's own lists, in the order of the answers.
    pub lists: Vec<ListEpoch>,
    /// M, used for this item and never again.
    pub query: Point,
}

/// One check as its context bytes say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckContext {
    /// C.
    pub coordinator: MemberId,
    /// A.
    pub requester: MemberId,
    /// SHA-256 of the SubjectPublicKeyInfo of A's TLS certificate.
    pub cnf: [u8; 32],
    /// Fresh per check.
    pub nonce: [u8; 16],
    /// When A asks.
    pub timestamp: Millis,
    /// Why A asks.
    pub purpose: PurposeCode,
    /// On what it rests.
    pub basis: Basis,
    /// Commitment to case and officer.
    pub matter: Hash,
    /// Whom A asks.
    pub items: Vec<CheckItem>,
}

/// An item before its query is blinded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftItem {
    /// B.
    pub holder: MemberId,
    /// The holder's own lists, in the order of the answers.
    pub lists: Vec<ListEpoch>,
}

/// A check before its queries are blinded; fields as in [`CheckContext`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckDraft {
    /// C.
    pub coordinator: MemberId,
    /// A.
    pub requester: MemberId,
    /// SHA-256 of the SubjectPublicKeyInfo of A's TLS certificate.
    pub cnf: [u8; 32],
    /// Fresh per check.
    pub nonce: [u8; 16],
    /// When A asks.
    pub timestamp: Millis,
    /// Why A asks.
    pub purpose: PurposeCode,
    /// On what it rests.
    pub basis: Basis,
    /// Commitment to case and officer.
    pub matter: Hash,
    /// Whom A asks.
    pub items: Vec<DraftItem>,
}

impl CheckDraft {
    /// The context with its queries, one per item in order.
    pub(crate) fn with_queries(self, queries: &[Point]) -> CheckContext {
        let items = self
            .items
            .into_iter()
            .zip(queries)
            .map(|(item, query)| CheckItem { holder: item.holder, lists: item.lists, query: *query })
            .collect();
        CheckContext {
            coordinator: self.coordinator,
            requester: self.requester,
            cnf: self.cnf,
            nonce: self.nonce,
            timestamp: self.timestamp,
            purpose: self.purpose,
            basis: self.basis,
            matter: self.matter,
            items,
        }
    }
}

impl CheckContext {
    /// The context bytes.
    ///
    /// # Errors
    /// [`BlindError::Empty`], [`BlindError::TooMany`], [`BlindError::Repeated`] or [`BlindError::ForeignList`]
    /// where [`CheckContext::parse`] would refuse the result.
    pub fn encode(&self) -> Result<Vec<u8>, BlindError> {
        self.check_form()?;
        let mut out = Vec::with_capacity(256 + 160 * self.items.len());
        out.extend_from_slice(PREFIX);
        put_lp(&mut out, "coordinator", self.coordinator.as_str().as_bytes())?;
        put_lp(&mut out, "requester", self.requester.as_str().as_bytes())?;
        out.extend_from_slice(&self.cnf);
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.timestamp.0.to_be_bytes());
        put_lp(&mut out, "purpose", self.purpose.as_str().as_bytes())?;
        put_lp(&mut out, "basis", self.basis.to_string().as_bytes())?;
        out.extend_from_slice(&self.matter);
        out.extend_from_slice(&count("items", self.items.len(), MAX_ITEMS)?.to_be_bytes());
        for item in &self.items {
            put_lp(&mut out, "holder", item.holder.as_str().as_bytes())?;
            // The limit is 16, so the low byte is the number.
            out.push(count("lists of an item", item.lists.len(), MAX_LISTS)?.to_be_bytes()[1]);
            for list in &item.lists {
                put_lp(&mut out, "list", list.list.as_str().as_bytes())?;
                out.extend_from_slice(&list.epoch.to_be_bytes());
            }
            out.extend_from_slice(item.query.as_bytes());
        }
        Ok(out)
    }

    /// Parses bytes from outside: limits first, every name in its form, every point canonical and not the
    /// identity, no holder, query or list twice, every list its holder's own, nothing after the end.
    ///
    /// # Errors
    /// What is wrong, naming the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, BlindError> {
        let mut reader = Reader::new(bytes);
        if reader.take("prefix", PREFIX.len())? != PREFIX {
            return Err(BlindError::Field { field: "prefix" });
        }
        let coordinator = reader.parsed("coordinator")?;
        let requester = reader.parsed("requester")?;
        let cnf = reader.array("cnf")?;
        let nonce = reader.array("nonce")?;
        let timestamp = Millis(reader.u64("timestamp")?);
        let purpose = reader.parsed("purpose")?;
        let basis = reader.parsed("basis")?;
        let matter = reader.array("matter")?;
        let count = within("items", usize::from(reader.u16("items")?), MAX_ITEMS)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            let holder: MemberId = reader.parsed("holder")?;
            let count = within("lists of an item", usize::from(reader.u8("lists")?), MAX_LISTS)?;
            let mut lists = Vec::with_capacity(count);
            for _ in 0..count {
                lists.push(ListEpoch { list: reader.parsed("list")?, epoch: reader.u64("epoch")? });
            }
            let query = Point::decode(&reader.array("query")?)?;
            items.push(CheckItem { holder, lists, query });
        }
        reader.finish()?;
        let context = Self { coordinator, requester, cnf, nonce, timestamp, purpose, basis, matter, items };
        context.check_form()?;
        Ok(context)
    }

    fn check_form(&self) -> Result<(), BlindError> {
        within("items", self.items.len(), MAX_ITEMS)?;
        let mut holders = HashSet::with_capacity(self.items.len());
        let mut queries = HashSet::with_capacity(self.items.len());
        for item in &self.items {
            if !holders.insert(item.holder.as_str()) {
                return Err(BlindError::Repeated { what: "holder" });
            }
            if !queries.insert(item.query.as_bytes()) {
                return Err(BlindError::Repeated { what: "query" });
            }
            within("lists of an item", item.lists.len(), MAX_LISTS)?;
            for (i, list) in item.lists.iter().enumerate() {
                if list.list.holder() != item.holder.as_str() {
                    return Err(BlindError::ForeignList);
                }
                if item.lists[..i].iter().any(|earlier| earlier.list == list.list) {
                    return Err(BlindError::Repeated { what: "list" });
                }
            }
        }
        Ok(())
    }
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<usize, BlindError> {
    match found {
        0 => Err(BlindError::Empty { what }),
        _ if found > limit => Err(BlindError::TooMany { what, limit, found }),
        _ => Ok(found),
    }
}

fn count(what: &'static str, found: usize, limit: usize) -> Result<u16, BlindError> {
    u16::try_from(within(what, found, limit)?).map_err(|_| BlindError::TooMany { what, limit, found })
}
