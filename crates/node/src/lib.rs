//! An agency's node: holder of its own lists, requester, and the local gateway.
