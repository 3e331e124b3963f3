//! A whole federation in one call, with a frozen clock and a seed.
