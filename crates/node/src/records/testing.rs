//! What tests of the holder share.

use tacit_policy::registry::entry::{Contested, LegalBasis, List, Rank};

use super::rules::{Facts, RecordState};

pub(crate) fn list_entry(id: &str) -> List {
    List {
        id: id.parse().unwrap(),
        title: "Judgment defaulters".to_owned(),
        scheme: "CN-USCC".to_owned(),
        legal_basis: LegalBasis { basis: None, rank: Rank::Statute, citation: "Article 1".to_owned() },
        origin_context: "justice".to_owned(),
        adverse: true,
        what_listing_means: "A judgment was not obeyed.".to_owned(),
        retention_days: 1_825,
        time_zone: "UTC".to_owned(),
        objection_contact: "The court".to_owned(),
        notice_days: 0,
        contested: Contested::Flag,
        status_texts: Vec::new(),
    }
}

/// Decided, notified and in effect on day 20,000.
pub(crate) fn facts() -> Facts {
    Facts {
        category: 2,
        decision_ref: "(2024) No. 17".to_owned(),
        decided_on: 20_000,
        notified_on: 20_000,
        effective_on: 20_000,
        expires_on: 0,
        state: RecordState::Active,
    }
}
