//! The coordinator: registry, enrollment, consent, authorization, the log.
