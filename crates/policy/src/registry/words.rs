//! What the things of a registry are called, in words; an id that is unknown stands for itself.

use tacit_model::{ListId, MemberId, PurposeCode};

use super::{Registry, entry::LegalBasis};

impl Registry {
    /// The name of a member.
    #[must_use]
    pub fn member_title<'a>(&'a self, id: &'a MemberId) -> &'a str {
        self.member(id).map_or(id.as_str(), |member| &member.title)
    }

    /// The name of a list.
    #[must_use]
    pub fn list_title<'a>(&'a self, id: &'a ListId) -> &'a str {
        self.list(id).map_or(id.as_str(), |list| &list.title)
    }

    /// The name of a purpose.
    #[must_use]
    pub fn purpose_title<'a>(&'a self, code: &'a PurposeCode) -> &'a str {
        self.purpose(code).map_or(code.as_str(), |purpose| &purpose.title)
    }

    /// A legal basis: the title of its act, and where in it.
    #[must_use]
    pub fn law(&self, basis: &LegalBasis) -> String {
        let act = self.act(&basis.act).map_or(basis.act.as_str(), |act| act.title.as_str());
        format!("{act}, {}", basis.citation)
    }
}
