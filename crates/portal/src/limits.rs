//! How often something may be done at a desk: logins by client address and over all, lookups and checks by account.
//!
//! Every allowance is a minute's worth that fills up steadily. One number is kept for each address or account: the moment
//! at which its allowance is full again. How many numbers are kept is bounded; whoever comes when there is no room for
//! more shares one with all others who do.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
};

use axum::http::HeaderMap;
use serde::Deserialize;
use tacit_model::Millis;

/// Most addresses, and most accounts, of which a number is kept.
const KEPT: usize = 1 << 16;
/// What is full again is forgotten this often at most, when there is no room.
const FORGET_EVERY_MS: u64 = 1000;
/// The time in which an allowance fills up, in microseconds.
const MINUTE_US: u64 = 60_000_000;
/// A login asks for its page and sends its form.
const LOGIN_STEPS: u64 = 2;

/// What may be done in a minute.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// Logins that one client address begins; of IPv6, one network of 64 bits.
    pub logins_per_minute_of_address: NonZeroU32,
    /// Logins that are begun at the desk.
    pub logins_per_minute: NonZeroU32,
    /// Pages that look something up, of one account.
    pub lookups_per_minute: NonZeroU32,
    /// Lists that one account asks.
    pub checks_per_minute: NonZeroU32,
    /// The header in which what ends TLS in front of the desk says where a request came from. Read only when it is on
    /// this machine. Without it, all who come that way are counted over all alone.
    pub client_header: Option<String>,
}

impl Default for LimitConfig {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            logins_per_minute_of_address: number(20),
            logins_per_minute: number(1200),
            lookups_per_minute: number(120),
            checks_per_minute: number(60),
            client_header: None,
        }
    }
}

/// What an address of a desk is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A step of a login.
    Login,
    /// A lookup.
    Lookup,
    /// Questions to lists, as many as the form names.
    Checks,
}

/// There is no more for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) ms: u64,
}

/// Which account; says nothing of whose it is.
pub(crate) type Mark = [u8; 16];

/// The limits of a desk.
pub(crate) struct Limits {
    client_header: Option<String>,
    of_address: Rate,
    logins: Rate,
    lookups: Rate,
    checks: Rate,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    logins: u64,
    of_address: Kept<IpAddr>,
    lookups: Kept<Mark>,
    checks: Kept<Mark>,
}

impl Limits {
    pub(crate) fn new(config: &LimitConfig) -> Self {
        let rate = |number: NonZeroU32, steps| Rate { per_minute: u64::from(number.get()) * steps };
        Self {
            client_header: config.client_header.clone(),
            of_address: rate(config.logins_per_minute_of_address, LOGIN_STEPS),
            logins: rate(config.logins_per_minute, LOGIN_STEPS),
            lookups: rate(config.lookups_per_minute, 1),
            checks: rate(config.checks_per_minute, 1),
            used: Mutex::default(),
        }
    }

    /// Where a request came from, if that can be known.
    pub(crate) fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.ip().to_canonical();
        if !peer.is_loopback() {
            return Some(peer);
        }
        // The last one was put there by who stands in front of us, those before by anybody.
        let said = headers.get_all(self.client_header.as_deref()?).iter().next_back()?.to_str().ok()?;
        said.rsplit(',').next()?.trim().parse().ok().map(|ip: IpAddr| ip.to_canonical())
    }

    /// Counts a step of a login: what one address does not get is not counted over all.
    pub(crate) fn login(&self, client: Option<IpAddr>, now: Millis) -> Result<(), Wait> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Used { logins, of_address, .. } = &mut *used;
        let own = client.map(|client| of_address.of(network(client), now));
        let own_after = own.as_deref().map(|own| self.of_address.after(*own, 1, now)).transpose()?;
        *logins = self.logins.after(*logins, 1, now)?;
        if let (Some(own), Some(after)) = (own, own_after) {
            *own = after;
        }
        Ok(())
    }

    /// Counts a lookup of an account.
    pub(crate) fn lookup(&self, account: Mark, now: Millis) -> Result<(), Wait> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.lookups.take(self.lookups, account, 1, now)
    }

    /// Counts so many questions of an account, all or none.
    pub(crate) fn checks(&self, account: Mark, count: usize, now: Millis) -> Result<(), Wait> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.checks.take(self.checks, account, u64::try_from(count).unwrap_or(u64::MAX), now)
    }
}

/// Whoever has one address of IPv6 has 64 bits of them.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

/// So many a minute.
#[derive(Clone, Copy)]
struct Rate {
    per_minute: u64,
}

impl Rate {
    /// When the allowance is full again after this, in microseconds.
    fn after(self, full_at: u64, count: u64, now: Millis) -> Result<u64, Wait> {
        let now = now.0.saturating_mul(1000);
        let latest = now.saturating_add(MINUTE_US);
        let step = MINUTE_US / self.per_minute;
        // A clock that was set back keeps nobody waiting for longer than the minute.
        let full_at = full_at.clamp(now, latest);
        let after = full_at.saturating_add(count.min(self.per_minute).saturating_mul(step));
        if after <= latest { Ok(after) } else { Err(Wait { ms: (after - latest).div_ceil(1000) }) }
    }
}

/// When allowances are full again, of a bounded number of keys.
struct Kept<K> {
    full_at: HashMap<K, u64>,
    /// Of all for whom there is no room.
    rest: u64,
    forgot: Millis,
}

impl<K> Default for Kept<K> {
    fn default() -> Self {
        Self { full_at: HashMap::new(), rest: 0, forgot: Millis(0) }
    }
}

impl<K: Eq + Hash> Kept<K> {
    fn of(&mut self, key: K, now: Millis) -> &mut u64 {
        let full = self.full_at.len() >= KEPT && !self.full_at.contains_key(&key);
        if full && now.0.abs_diff(self.forgot.0) >= FORGET_EVERY_MS {
            self.full_at.retain(|_, at| *at > now.0.saturating_mul(1000));
            self.forgot = now;
        }
        if full && self.full_at.len() >= KEPT { &mut self.rest } else { self.full_at.entry(key).or_default() }
    }

    fn take(&mut self, rate: Rate, key: K, count: u64, now: Millis) -> Result<(), Wait> {
        let full_at = self.of(key, now);
        *full_at = rate.after(*full_at, count, now)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const NOON: Millis = Millis(1_795_219_200_000);

    fn limits(of_address: u32, logins: u32, checks: u32) -> Limits {
        let number = |number| NonZeroU32::new(number).unwrap();
        Limits::new(&LimitConfig {
            logins_per_minute_of_address: number(of_address),
            logins_per_minute: number(logins),
            checks_per_minute: number(checks),
            client_header: Some("x-forwarded-for".to_owned()),
            ..LimitConfig::default()
        })
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_allowance_fills_up_steadily_and_is_told_to_the_moment() {
        let limits = limits(100, 100, 6);
        let me = [1; 16];
        assert_eq!(limits.checks(me, 4, NOON), Ok(()));
        assert_eq!(limits.checks(me, 3, NOON), Err(Wait { ms: 10_000 }), "all or none");
        assert_eq!(limits.checks(me, 2, NOON), Ok(()));
        assert_eq!(limits.checks([2; 16], 6, NOON), Ok(()), "another's allowance is another");
        let again = limits.checks(me, 1, NOON).unwrap_err();
        assert_eq!(limits.checks(me, 1, NOON.plus_ms(again.ms - 1)), Err(Wait { ms: 1 }));
        assert_eq!(limits.checks(me, 1, NOON.plus_ms(again.ms)), Ok(()));
        assert_eq!(
            limits.checks(me, 6, NOON.plus_ms(again.ms + 60_000)),
            Ok(()),
            "no more than a minute's worth"
        );
        assert!(limits.checks(me, 1, NOON.plus_ms(again.ms + 60_000)).is_err());
        // More than there ever is waits for a full allowance, not for ever.
        assert_eq!(limits.checks([3; 16], 1000, NOON), Ok(()));
        // A clock that is set back by a year keeps nobody waiting for one.
        assert!(limits.checks(me, 1, Millis(NOON.0 - 31_536_000_000)).unwrap_err().ms <= 60_000);
    }

    #[test]
    fn logins_are_counted_by_address_and_over_all_and_one_address_uses_up_no_others_share() {
        let desk = limits(2, 3, 1);
        let (greedy, honest) = (ip("203.0.113.7"), ip("198.51.100.1"));
        for _ in 0..4 {
            desk.login(greedy, NOON).unwrap();
        }
        for _ in 0..1000 {
            assert!(desk.login(greedy, NOON).is_err());
        }
        desk.login(honest, NOON).unwrap();
        desk.login(None, NOON).unwrap();
        assert!(desk.login(honest, NOON).is_err(), "over all");
        assert!(desk.login(None, NOON).is_err(), "over all");
        // Of IPv6 a network counts as one.
        let desk = limits(1, 100, 1);
        for client in ["2001:db8::1", "2001:db8::ffff:2"] {
            desk.login(ip(client), NOON).unwrap();
        }
        assert!(desk.login(ip("2001:db8::3"), NOON).is_err());
        assert!(desk.login(ip("2001:db8:0:1::3"), NOON).is_ok());
    }

    #[test]
    fn a_header_is_believed_from_this_machine_alone_and_the_nearest_word_in_it() {
        let limits = limits(1, 1, 1);
        let mut headers = HeaderMap::new();
        let (here, far) = ("127.0.0.1:4000".parse().unwrap(), "198.51.100.9:4000".parse().unwrap());
        assert_eq!(limits.client(Some(here), &headers), None);
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.1, 203.0.113.8"));
        headers.append("x-forwarded-for", HeaderValue::from_static("1.1.1.1, 203.0.113.7"));
        assert_eq!(limits.client(Some(here), &headers), ip("203.0.113.7"));
        assert_eq!(limits.client(Some(far), &headers), ip("198.51.100.9"));
        headers.append("x-forwarded-for", HeaderValue::from_static("unknown"));
        assert_eq!(limits.client(Some(here), &headers), None);
        let silent = Limits::new(&LimitConfig::default());
        assert_eq!(silent.client(Some(here), &headers), None);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let limits = limits(1, u32::MAX, 1);
        let address = |number: u32| Some(IpAddr::from(number.to_be_bytes()));
        let count = u32::try_from(KEPT).unwrap();
        for number in 0..count {
            limits.login(address(number), NOON).unwrap();
            limits.login(address(number), NOON).unwrap();
        }
        let kept = || limits.used.lock().unwrap().of_address.full_at.len();
        assert_eq!(kept(), KEPT);
        // There is no room: newcomers share one allowance, and who is known keeps their own.
        limits.login(address(count), NOON).unwrap();
        limits.login(address(count + 1), NOON).unwrap();
        assert!(limits.login(address(count + 2), NOON).is_err());
        assert!(limits.login(address(1), NOON).is_err());
        assert_eq!(kept(), KEPT);
        // A minute later all of it is forgotten.
        assert!(limits.login(address(count + 2), NOON.plus_ms(60_000)).is_ok());
        assert_eq!(kept(), 1);
    }
}
