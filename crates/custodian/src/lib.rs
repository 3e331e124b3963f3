//! The custodian: scoped pseudonym keys, quotas, and the mirror of sealed lists.
