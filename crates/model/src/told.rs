//! Whether the own clock can be right, by what others told of theirs.
//!
//! ```text
//! another member's time t, said between asked and heard (steady)
//!     now it is there at least  t + (steady - heard)
//!     and at most               t + (steady - asked) + 1 s, when it is known when it was asked
//! enough others whose span has the own clock in it  -> Agrees
//! ```
//!
//! Between two words of others the steady clock goes on alone, so that a jump of the own clock shows at once, and
//! silence is not taken for a difference. What came late (a process that stood still, a stream that fell behind) makes the
//! span wider and never wrong on the side of "you are behind"; an old time that is shown again says little, not something
//! false.

use std::collections::BTreeMap;

use crate::{Clock, Millis};

/// Times are told in whole seconds.
const WHOLE_MS: u64 = 1_000;

/// A time that was told within so long of being asked for, in milliseconds, may confirm a clock that has jumped.
const PROMPT_MS: u64 = 15_000;

/// The own clock, both ways of it read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// UTC, which may be set.
    pub now: Millis,
    /// Milliseconds since some start; never jumps.
    pub steady: u64,
}

impl Reading {
    /// Reads a clock.
    pub fn of(clock: &(impl Clock + ?Sized)) -> Self {
        let steady = clock.steady();
        Self { now: clock.now(), steady }
    }

    fn base(self) -> i128 {
        i128::from(self.now.0) - i128::from(self.steady)
    }
}

/// What another member said of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// UTC by its clock, in whole seconds.
    pub time: Millis,
    /// How far the log was that it spoke about; of a smaller size nothing is taken any more.
    pub size: u64,
    /// When it was asked, by the own steady clock; none when it may have said so long before.
    pub asked: Option<u64>,
    /// When that arrived, by the own steady clock.
    pub heard: u64,
}

/// Who has to agree with the own clock, and how closely.
#[derive(Clone, Copy, Debug)]
pub struct Needed<'a> {
    /// Whose word counts.
    pub of: &'a [&'a str],
    /// How many of them.
    pub count: usize,
    /// The largest difference, in milliseconds.
    pub most_ms: u64,
}

/// What to think of the own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Enough others agree with it.
    Agrees,
    /// Too few agree, or it jumped and nobody has confirmed it since.
    Off,
    /// Too few have spoken.
    Unknown,
}

/// What others told, the newest of each.
#[derive(Clone, Debug, Default)]
pub struct Told {
    said: BTreeMap<String, Said>,
    /// UTC less steady time when enough others agreed.
    confirmed: Option<i128>,
}

impl Told {
    /// Takes what `who` said.
    pub fn note(&mut self, who: &str, said: Said) {
        if self.said.get(who).is_none_or(|known| known.size <= said.size) {
            self.said.insert(who.to_owned(), said);
        }
    }

    /// To be called after [`Told::note`]: remembers that the clock agrees, if it does. A clock that has jumped is
    /// confirmed only by what was told promptly.
    pub fn confirm(&mut self, needed: Needed<'_>, reading: Reading) {
        let agreeing = |prompt: bool| {
            let all = self.of(needed.of);
            all.filter(|said| (said.is_prompt() || !prompt) && said.agrees(reading, needed.most_ms)).count()
        };
        if agreeing(self.has_jumped(reading, needed.most_ms)) >= needed.count {
            self.confirmed = Some(reading.base());
        }
    }

    /// What to think of the own clock now.
    #[must_use]
    pub fn verdict(&self, needed: Needed<'_>, reading: Reading) -> Verdict {
        if self.of(needed.of).count() < needed.count {
            return Verdict::Unknown;
        }
        let agreeing = self.of(needed.of).filter(|said| said.agrees(reading, needed.most_ms)).count();
        if agreeing < needed.count || self.has_jumped(reading, needed.most_ms) {
            Verdict::Off
        } else {
            Verdict::Agrees
        }
    }

    /// The latest time that is reached for sure, when no more clocks are ahead than may be missing: those of all but
    /// `needed.count`. `own` is the own clock where it is one of them.
    #[must_use]
    pub fn at_least(&self, needed: Needed<'_>, own: Option<Millis>, steady: u64) -> Millis {
        let said = self.of(needed.of).map(|said| said.earliest(steady));
        let mut times: Vec<Millis> = said.chain(own).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let not_needed = needed.of.len().saturating_sub(needed.count);
        times.get(not_needed).copied().unwrap_or_default()
    }

    fn of(&self, who: &[&str]) -> impl Iterator<Item = &Said> {
        who.iter().filter_map(|who| self.said.get(*who))
    }

    fn has_jumped(&self, reading: Reading, most_ms: u64) -> bool {
        self.confirmed.is_some_and(|base| base.abs_diff(reading.base()) > u128::from(most_ms))
    }
}

impl Said {
    fn is_prompt(&self) -> bool {
        self.asked.is_some_and(|asked| self.heard.saturating_sub(asked) <= PROMPT_MS)
    }

    fn earliest(&self, steady: u64) -> Millis {
        self.time.plus_ms(steady.saturating_sub(self.heard))
    }

    fn latest(&self, steady: u64) -> Option<Millis> {
        Some(self.time.plus_ms(WHOLE_MS).plus_ms(steady.saturating_sub(self.asked?)))
    }

    fn agrees(&self, reading: Reading, most_ms: u64) -> bool {
        let Reading { now, steady } = reading;
        let behind = now.plus_ms(most_ms) < self.earliest(steady);
        let ahead = self.latest(steady).is_some_and(|latest| now > latest.plus_ms(most_ms));
        !behind && !ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    const START: Millis = Millis::from_secs(1_800_000_000);
    const HOUR: u64 = 3_600_000;
    const JUMPS: [u64; 2] = [HOUR, 48 * HOUR];
    const NEEDED: Needed<'static> =
        Needed { of: &["court", "customs", "custodian"], count: 2, most_ms: 15_000 };

    /// Its clock, and the right time of the others.
    struct Scene {
        clock: ManualClock,
        right: ManualClock,
        told: Told,
        size: u64,
    }

    impl Scene {
        fn new() -> Self {
            let (clock, right) = (ManualClock::new(START), ManualClock::new(START));
            Self { clock, right, told: Told::default(), size: 0 }
        }

        fn pass(&self, ms: u64) {
            self.clock.advance_ms(ms);
            self.right.advance_ms(ms);
        }

        /// These are asked, and their answers take so long.
        fn round(&mut self, who: &[&str], took: u64) {
            self.size += 1;
            let asked = Some(self.clock.steady());
            let time = Millis(self.right.now().0 / 1000 * 1000);
            self.pass(took);
            let heard = self.clock.steady();
            for who in who {
                self.told.note(who, Said { time, size: self.size, asked, heard });
            }
            self.told.confirm(NEEDED, Reading::of(&self.clock));
        }

        fn verdict(&self) -> Verdict {
            self.told.verdict(NEEDED, Reading::of(&self.clock))
        }

        fn jump(&self, forward: bool, ms: u64) {
            let now = self.clock.now();
            self.clock.jump_to(if forward { now.plus_ms(ms) } else { now.minus_ms(ms) });
        }

        /// Nothing that was in memory is left.
        fn restart(&mut self) {
            self.told = Told::default();
        }
    }

    #[test]
    fn a_clock_that_jumps_is_off_at_once_and_good_again_when_it_is_set_right() {
        for ms in JUMPS {
            for forward in [true, false] {
                let mut scene = Scene::new();
                assert_eq!(scene.verdict(), Verdict::Unknown);
                scene.round(&["court", "custodian"], 40);
                assert_eq!(scene.verdict(), Verdict::Agrees);
                scene.jump(forward, ms);
                assert_eq!(scene.verdict(), Verdict::Off);
                scene.pass(ms);
                assert_eq!(scene.verdict(), Verdict::Off, "time alone cures nothing");
                scene.round(&["court", "custodian"], 40);
                assert_eq!(scene.verdict(), Verdict::Off, "others confirm only what is right");
                scene.jump(!forward, ms);
                assert_eq!(scene.verdict(), Verdict::Agrees);
            }
        }
    }

    #[test]
    fn a_clock_that_is_off_over_a_restart_is_unknown_until_others_spoke_and_then_off() {
        for ms in JUMPS {
            for forward in [true, false] {
                let mut scene = Scene::new();
                scene.round(&["court", "customs"], 40);
                scene.jump(forward, ms);
                scene.restart();
                assert_eq!(scene.verdict(), Verdict::Unknown);
                scene.round(&["court"], 40);
                assert_eq!(scene.verdict(), Verdict::Unknown, "one is too few");
                scene.round(&["customs"], 40);
                assert_eq!(scene.verdict(), Verdict::Off);
                scene.restart();
                scene.jump(!forward, ms);
                scene.round(&["court", "customs"], 40);
                assert_eq!(scene.verdict(), Verdict::Agrees);
            }
        }
    }

    #[test]
    fn one_other_whose_clock_is_off_changes_nothing_and_strangers_do_not_count() {
        let mut scene = Scene::new();
        scene.round(&["court", "customs", "custodian"], 40);
        scene.right.jump_to(START.plus_ms(HOUR));
        scene.round(&["court"], 40);
        assert_eq!(scene.verdict(), Verdict::Agrees);
        scene.round(&["stranger"], 40);
        assert_eq!(scene.verdict(), Verdict::Agrees);
        scene.round(&["customs"], 40);
        assert_eq!(scene.verdict(), Verdict::Off, "the quorum says otherwise");
    }

    #[test]
    fn silence_and_late_words_are_no_difference() {
        let mut scene = Scene::new();
        scene.round(&["court", "customs"], 40);
        scene.pass(48 * HOUR);
        assert_eq!(scene.verdict(), Verdict::Agrees);
        scene.round(&["court", "customs"], HOUR);
        assert_eq!(scene.verdict(), Verdict::Agrees);
        // But what took an hour does not confirm a jump within it.
        scene.clock.jump_to(scene.clock.now().minus_ms(HOUR / 2));
        assert_eq!(scene.verdict(), Verdict::Off);
        scene.told.confirm(NEEDED, Reading::of(&scene.clock));
        assert_eq!(scene.verdict(), Verdict::Off);
    }

    #[test]
    fn an_old_time_shown_again_says_only_that_it_is_no_earlier() {
        let mut scene = Scene::new();
        scene.pass(HOUR);
        let old = |size| Said { time: START, size, asked: None, heard: HOUR };
        scene.told.note("court", old(1));
        scene.told.note("customs", old(1));
        assert_eq!(scene.verdict(), Verdict::Agrees);
        assert_eq!(scene.told.at_least(NEEDED, None, scene.clock.steady()), START);
        scene.pass(5_000);
        assert_eq!(scene.told.at_least(NEEDED, None, scene.clock.steady()), START.plus_ms(5_000));
        scene.jump(false, 2 * HOUR);
        assert_eq!(scene.verdict(), Verdict::Off);
        // Nor does it take the place of what was said about more of the log.
        scene.told.note("court", Said { time: START.plus_ms(HOUR), ..old(3) });
        scene.told.note("court", old(2));
        let court = Needed { of: &["court"], count: 1, ..NEEDED };
        assert_eq!(scene.told.at_least(court, None, HOUR), START.plus_ms(HOUR));
    }

    #[test]
    fn as_many_clocks_as_may_be_missing_may_be_ahead_and_move_nothing() {
        // Of n members that are witnesses, the own one included, these are the others that a quorum needs.
        for (of, count, may_be_ahead) in
            [(&["a"][..], 1, 0), (&["a", "b"], 1, 1), (&["a", "b", "c"], 2, 1), (&["a", "b", "c", "d"], 2, 2)]
        {
            let needed = Needed { of, count, most_ms: 60_000 };
            for ahead in 0..=of.len() {
                let mut told = Told::default();
                for (n, who) in of.iter().enumerate() {
                    let time = if n < ahead { START.plus_ms(48 * HOUR) } else { START };
                    told.note(who, Said { time, size: 1, asked: None, heard: 0 });
                }
                let reached = told.at_least(needed, Some(START), 0);
                let due = if ahead > may_be_ahead { START.plus_ms(48 * HOUR) } else { START };
                assert_eq!(reached, due, "{ahead} of {of:?}");
                // The own clock alone does not hold the others back.
                assert_eq!(told.at_least(needed, Some(START.minus_ms(30_000)), 0), due);
            }
        }
    }
}
