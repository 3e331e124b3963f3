//! A login without an identity provider: whoever can reach the page chooses who to be. It is refused on any address but
//! loopback, and every page says what it is.

use serde::Deserialize;

use super::DevelopmentConfig;
use crate::person::{ClaimNames, Claims, Login};

/// Somebody to be.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    pub(crate) account: String,
    /// Who it is, for the list.
    pub(crate) title: String,
    claims: Claims,
}

/// The list of names.
#[derive(Clone)]
pub(crate) struct Development {
    pub(crate) accounts: Vec<Account>,
    claims: ClaimNames,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountsError {
    /// The file cannot be read.
    #[error("login.accounts: {0}")]
    Unreadable(std::io::Error),
    /// The file is not such a list.
    #[error("login.accounts: {0}")]
    NoList(serde_json::Error),
}

impl Development {
    /// Reads the accounts. Blocking.
    pub(crate) fn load(config: &DevelopmentConfig) -> Result<Self, AccountsError> {
        let text = std::fs::read(&config.accounts).map_err(AccountsError::Unreadable)?;
        let accounts = serde_json::from_slice(&text).map_err(AccountsError::NoList)?;
        Ok(Self { accounts, claims: config.claims.clone() })
    }

    /// Who an account is.
    pub(crate) fn login(&self, account: &str) -> Option<Login> {
        let found = self.accounts.iter().find(|known| known.account == account)?;
        Login::of(found.account.clone(), &found.claims, &self.claims)
    }
}
