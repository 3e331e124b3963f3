//! The holder's tables.

pub(crate) mod buckets;
pub(crate) mod changes;
pub(crate) mod epochs;
pub(crate) mod imports;
pub(crate) mod joins;
pub(crate) mod lists;
pub(crate) mod notices;
pub(crate) mod permits;
pub(crate) mod records;
pub(crate) mod requests;
pub(crate) mod tables;
