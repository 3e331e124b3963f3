//! The requester's whole flow: enroll, authorize, evaluate, fetch, open, receipts, retries; and the consent authority's.
