//! What tests of the holder share.

use tacit_policy::registry::entry::{Category, Contested, InformationType, LegalBasis, List};

use super::rules::{Facts, RecordState};

pub(crate) fn list_entry(id: &str) -> List {
    List {
        id: id.parse().unwrap(),
        title: "Judgment defaulters".to_owned(),
        scheme: "CN-USCC".to_owned(),
        legal_basis: LegalBasis::new("law", "Article 1"),
        origin_context: "justice".to_owned(),
        adverse: true,
        what_listing_means: "A judgment was not obeyed.".to_owned(),
        retention_days: 1_825,
        time_zone: "UTC".to_owned(),
        objection_contact: "The court".to_owned(),
        notice_days: 0,
        contested: Contested::Flag,
        status_texts: Vec::new(),
        review_body: None,
    }
}

/// A category that fits the list above and is no stricter.
pub(crate) fn category(code: u16) -> Category {
    Category {
        code,
        title: format!("Category {code}"),
        information: InformationType::JudgmentsAndEnforcement,
        origin_context: "justice".to_owned(),
        adverse: true,
        legal_basis: LegalBasis::new("law", "Article 1"),
        notice_days: 0,
        contested: Contested::Flag,
        retention_days: 36_500,
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
        consented_on: 0,
        state: RecordState::Active,
        fact_finding_body: String::new(),
        listing_body: String::new(),
    }
}
