//! Rewriting buckets for the next version, and checking that they were rewritten as they must be.

use std::cmp::Ordering;
use std::num::NonZeroU64;

use rand_core::CryptoRng;
use tacit_ledger::Hash;

use super::bucket::{Bucket, check_bucket, check_shape, entries_of};
use super::label::Label;
use super::layout::Layout;
use super::sample::below;
use super::seal::{ENTRY_BYTES, EntryKeys, NONCE_BYTES, SealContext, SealedEntry, TAG_BYTES, Tag};
use super::tick::{Change, TickError};

const BODY_AT: usize = TAG_BYTES + NONCE_BYTES;

/// How often a random tag is drawn again when it is taken; more means that the random source repeats
/// itself.
const DRAWS: usize = 4;

/// Rewrites one bucket of the next version with its change, or as cover.
///
/// `secrets` gives, for the reference of every real entry that stays or enters, its keys and its (new)
/// label; `None` is [`TickError::NoRecord`].
///
/// # Errors
/// [`TickError`]: an overflow, a change that does not fit the list, or secrets that do not fit the
/// bucket.
pub fn rewrite_bucket(
    layout: Layout,
    context: &SealContext,
    old: &Bucket,
    change: Option<Change>,
    secrets: impl FnMut(NonZeroU64) -> Option<(EntryKeys, Label)>,
    rng: &mut impl CryptoRng,
) -> Result<Bucket, TickError> {
    let number = old.number();
    check_shape(layout, number, old.entries())?;
    let mut slots: Vec<Slot> = old.slots().collect();
    if change.is_some_and(|change| layout.bucket_of(&change.tag()) != number) {
        return Err(TickError::OtherBucket { bucket: number });
    }
    let place = change.map(|change| slots.binary_search_by_key(&change.tag(), |slot| slot.0));
    let (leaving, entering) = match (change, place) {
        (Some(Change::Add { tag, reference }), Some(Err(_))) => {
            (random_filler(layout, number, &slots, rng)?, (tag, Some(reference)))
        }
        (Some(Change::Remove { .. }), Some(Ok(place))) if slots[place].1.is_some() => {
            (place, random_slot(layout, number, &slots, rng)?)
        }
        (Some(Change::Relabel { .. }), Some(Ok(place))) if slots[place].1.is_none() => {
            return Err(TickError::NotListed { bucket: number });
        }
        (Some(Change::Relabel { .. }), Some(Ok(_))) | (None, _) => {
            (random_filler(layout, number, &slots, rng)?, random_slot(layout, number, &slots, rng)?)
        }
        (Some(Change::Add { .. }), _) => return Err(TickError::AlreadyListed { bucket: number }),
        (Some(Change::Remove { .. } | Change::Relabel { .. }), _) => {
            return Err(TickError::NotListed { bucket: number });
        }
    };
    slots[leaving] = entering;
    reseal(layout, context, number, slots, secrets, rng)
}

/// Moves one bucket into the layout of a table that grew within its epoch (same buckets, larger
/// capacity), with all additions that wait for it.
///
/// Every tag stays and the new room fills with fillers and additions alike. If the old fillers were
/// drawn anew, whoever has both versions would see which entries are real.
///
/// # Errors
/// [`TickError`], as for [`rewrite_bucket`].
pub fn grow_bucket(
    grown: Layout,
    context: &SealContext,
    old: &Bucket,
    additions: &[(Tag, NonZeroU64)],
    secrets: impl FnMut(NonZeroU64) -> Option<(EntryKeys, Label)>,
    rng: &mut impl CryptoRng,
) -> Result<Bucket, TickError> {
    let number = old.number();
    let capacity = grown.capacity() as usize;
    let mut slots: Vec<Slot> = old.slots().collect();
    if slots.len() + additions.len() > capacity {
        return Err(TickError::Overflow { bucket: number, capacity: grown.capacity() });
    }
    for &(tag, reference) in additions {
        if grown.bucket_of(&tag) != number {
            return Err(TickError::OtherBucket { bucket: number });
        }
        if slots.iter().any(|slot| slot.0 == tag) {
            return Err(TickError::AlreadyListed { bucket: number });
        }
        slots.push((tag, Some(reference)));
    }
    while slots.len() < capacity {
        let filler = random_slot(grown, number, &slots, rng)?;
        slots.push(filler);
    }
    reseal(grown, context, number, slots, secrets, rng)
}

/// Tag and record of one entry; `None` is a filler.
type Slot = (Tag, Option<NonZeroU64>);

/// A random filler's place among the slots.
fn random_filler(
    layout: Layout,
    number: u32,
    slots: &[Slot],
    rng: &mut impl CryptoRng,
) -> Result<usize, TickError> {
    let fillers = slots.iter().filter(|slot| slot.1.is_none()).count();
    // A bucket has at most 65536 entries.
    let chosen = below(rng, u32::try_from(fillers).unwrap_or(u32::MAX)) as usize;
    slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.1.is_none())
        .nth(chosen)
        .map(|(place, _)| place)
        .ok_or(TickError::Overflow { bucket: number, capacity: layout.capacity() })
}

/// A new filler, with a tag that no slot has.
fn random_slot(
    layout: Layout,
    number: u32,
    slots: &[Slot],
    rng: &mut impl CryptoRng,
) -> Result<Slot, TickError> {
    for _ in 0..DRAWS {
        let mut entry = [0; ENTRY_BYTES];
        rng.fill_bytes(&mut entry[..TAG_BYTES]);
        layout.move_into(number, &mut entry);
        let tag = Tag::of(&entry);
        if slots.iter().all(|slot| slot.0 != tag) {
            return Ok((tag, None));
        }
    }
    Err(TickError::RandomnessRepeats)
}

/// Seals every slot afresh: one draw of random bytes for the whole bucket gives all nonces and filler
/// bodies.
fn reseal(
    layout: Layout,
    context: &SealContext,
    number: u32,
    mut slots: Vec<Slot>,
    mut secrets: impl FnMut(NonZeroU64) -> Option<(EntryKeys, Label)>,
    rng: &mut impl CryptoRng,
) -> Result<Bucket, TickError> {
    slots.sort_unstable_by_key(|slot| slot.0);
    let mut entries = vec![0; layout.bucket_bytes()];
    rng.fill_bytes(&mut entries);
    let mut references = Vec::with_capacity(slots.len());
    for (entry, (tag, record)) in entries.as_chunks_mut::<ENTRY_BYTES>().0.iter_mut().zip(slots) {
        entry[..TAG_BYTES].copy_from_slice(&tag.0);
        if let Some(reference) = record {
            let (keys, label) = secrets(reference).ok_or(TickError::NoRecord { reference })?;
            if keys.tag() != tag {
                return Err(TickError::OtherSubject { reference });
            }
            let mut nonce = [0; NONCE_BYTES];
            nonce.copy_from_slice(&entry[TAG_BYTES..BODY_AT]);
            *entry = context.seal_with_nonce(&keys, &label, nonce);
        }
        references.push(record.map_or(0, NonZeroU64::get));
    }
    Ok(Bucket::built(number, entries, references))
}

/// Checks a rewritten bucket against the one it replaces: both well-formed, exactly one tag left and
/// one entered, and every entry that stayed has a fresh nonce and body. Returns the new leaf.
///
/// # Errors
/// [`TickError::Bucket`], [`TickError::NotOneForOne`] or [`TickError::Stale`].
pub fn verify_tick(layout: Layout, number: u32, old: &[u8], new: &[u8]) -> Result<Hash, TickError> {
    check_shape(layout, number, old)?;
    let leaf = check_bucket(layout, number, new)?;
    let (old, new) = (entries_of(old), entries_of(new));
    let (mut left, mut entered, mut at, mut slot) = (0, 0, 0, 0);
    while at < old.len() || slot < new.len() {
        let order = match (old.get(at), new.get(slot)) {
            (Some(one), Some(other)) => one[..TAG_BYTES].cmp(&other[..TAG_BYTES]),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => left += 1,
            Ordering::Greater => entered += 1,
            Ordering::Equal if !is_fresh(&old[at], &new[slot]) => return Err(TickError::Stale { slot }),
            Ordering::Equal => {}
        }
        at += usize::from(order.is_le());
        slot += usize::from(order.is_ge());
    }
    if (left, entered) == (1, 1) { Ok(leaf) } else { Err(TickError::NotOneForOne { left, entered }) }
}

fn is_fresh(old: &SealedEntry, new: &SealedEntry) -> bool {
    old[TAG_BYTES..BODY_AT] != new[TAG_BYTES..BODY_AT] && old[BODY_AT..] != new[BODY_AT..]
}

#[cfg(test)]
mod tests {
    use super::super::bucket::BucketError;
    use super::super::testing::{BrokenRng, Table, context, keys, label, listed_out, rng, secrets, tags_in};
    use super::*;
    use proptest::prelude::*;

    fn number(n: u64) -> NonZeroU64 {
        NonZeroU64::new(n).unwrap()
    }

    fn rewrite(table: &Table, change: Option<Change>, seed: u64) -> Result<Bucket, TickError> {
        let old = &table.buckets[0];
        rewrite_bucket(table.manifest.layout, &context(), old, change, secrets, &mut rng(seed))
    }

    fn check(table: &Table, new: &Bucket) -> Result<Hash, TickError> {
        verify_tick(table.manifest.layout, 0, table.buckets[0].entries(), new.entries())
    }

    /// One bucket with the records 1..=n of the test list (outputs 0..n).
    fn one_bucket(n: u64, seed: u64) -> Table {
        Table::with_layout(Layout::new(0, 128).unwrap(), n, seed)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_kind_of_change_looks_the_same(kind in 0u8..4, n in 1u64..100, seed in any::<u64>()) {
            let mut table = one_bucket(n, seed);
            let tag = keys(0).tag();
            let change = match kind {
                0 => None,
                1 => Some(Change::Add { tag: keys(n).tag(), reference: number(n + 1) }),
                2 => Some(Change::Remove { tag }),
                _ => Some(Change::Relabel { tag }),
            };
            let new = rewrite(&table, change, seed).unwrap();
            prop_assert_eq!(check(&table, &new), Ok(new.leaf()));
            let real = new.references().iter().filter(|&&reference| reference != 0).count();
            prop_assert_eq!(real as u64, match kind { 1 => n + 1, 2 => n - 1, _ => n });
            table.replace(new);
            prop_assert_eq!(table.ask(&listed_out(0)).unwrap().is_listed(), kind != 2);
            prop_assert_eq!(table.ask(&listed_out(n)).unwrap().is_listed(), kind == 1);
        }
    }

    #[test]
    fn a_relabeled_entry_says_its_new_label() {
        let mut table = one_bucket(5, 1);
        let relabel = Change::Relabel { tag: keys(2).tag() };
        let new_label = |reference: NonZeroU64| {
            let (keys, label) = secrets(reference)?;
            Some((keys, Label { status: 77, ..label }))
        };
        let layout = table.manifest.layout;
        let new =
            rewrite_bucket(layout, &context(), &table.buckets[0], Some(relabel), new_label, &mut rng(2));
        table.replace(new.unwrap());
        let expected = super::super::Lookup::Listed(Label { status: 77, ..label(2) });
        assert!(table.ask(&listed_out(2)) == Ok(expected));
    }

    #[test]
    fn a_full_bucket_overflows_on_anything_but_a_removal() {
        let table = one_bucket(128, 1);
        let overflow = TickError::Overflow { bucket: 0, capacity: 128 };
        let add = Change::Add { tag: keys(128).tag(), reference: number(129) };
        assert_eq!(rewrite(&table, Some(add), 1), Err(overflow));
        assert_eq!(rewrite(&table, Some(Change::Relabel { tag: keys(0).tag() }), 1), Err(overflow));
        assert_eq!(rewrite(&table, None, 1), Err(overflow));
        let removed = rewrite(&table, Some(Change::Remove { tag: keys(0).tag() }), 1).unwrap();
        assert_eq!(check(&table, &removed), Ok(removed.leaf()));
    }

    #[test]
    fn a_bucket_grows_without_showing_which_entries_are_real() {
        let table = one_bucket(128, 1);
        let grown = table.manifest.layout.grown(129).unwrap();
        let additions = [(keys(128).tag(), number(129)), (keys(129).tag(), number(130))];
        let old = &table.buckets[0];
        let new = grow_bucket(grown, &context(), old, &additions, secrets, &mut rng(2)).unwrap();
        assert_eq!(check_bucket(grown, 0, new.entries()), Ok(new.leaf()));
        assert_eq!(new.fillers(), grown.capacity() as usize - 130);
        let new_tags: Vec<Tag> = new.slots().map(|slot| slot.0).collect();
        assert!(old.slots().all(|slot| new_tags.contains(&slot.0)));
        let twice = [(keys(0).tag(), number(129))];
        let refused = grow_bucket(grown, &context(), old, &twice, secrets, &mut rng(2));
        assert_eq!(refused, Err(TickError::AlreadyListed { bucket: 0 }));
    }

    #[test]
    fn a_change_that_does_not_fit_the_list_is_refused() {
        let table = one_bucket(5, 1);
        let already = Change::Add { tag: keys(0).tag(), reference: number(9) };
        assert_eq!(rewrite(&table, Some(already), 1), Err(TickError::AlreadyListed { bucket: 0 }));
        let filler = table.buckets[0].slots().find(|slot| slot.1.is_none()).unwrap().0;
        for tag in [keys(99).tag(), filler] {
            let unlisted = Err(TickError::NotListed { bucket: 0 });
            assert_eq!(rewrite(&table, Some(Change::Remove { tag }), 1), unlisted);
            assert_eq!(rewrite(&table, Some(Change::Relabel { tag }), 1), unlisted);
        }
        let table = Table::of(300, 1);
        let elsewhere = tags_in(table.manifest.layout, 1, 1)[0];
        let foreign = rewrite(&table, Some(Change::Remove { tag: elsewhere }), 1);
        assert_eq!(foreign, Err(TickError::OtherBucket { bucket: 0 }));
    }

    #[test]
    fn a_record_without_keys_or_with_those_of_another_is_never_published() {
        let table = one_bucket(5, 1);
        let (layout, old) = (table.manifest.layout, &table.buckets[0]);
        let first =
            NonZeroU64::new(*old.references().iter().find(|&&reference| reference != 0).unwrap()).unwrap();
        let missing = rewrite_bucket(layout, &context(), old, None, |_| None, &mut rng(1));
        assert_eq!(missing, Err(TickError::NoRecord { reference: first }));
        let foreign =
            rewrite_bucket(layout, &context(), old, None, |_| Some((keys(77), label(77))), &mut rng(1));
        assert_eq!(foreign, Err(TickError::OtherSubject { reference: first }));
        let broken = rewrite_bucket(layout, &context(), old, None, secrets, &mut BrokenRng);
        // The broken source's only tag is free at first, but its nonces do not change.
        assert_eq!(
            broken
                .and_then(|new| { rewrite_bucket(layout, &context(), &new, None, secrets, &mut BrokenRng) }),
            Err(TickError::RandomnessRepeats)
        );
    }

    #[test]
    fn a_rewrite_that_is_not_one_for_one_is_refused() {
        let table = one_bucket(5, 1);
        let unchanged = check(&table, &table.buckets[0]);
        assert_eq!(unchanged, Err(TickError::Stale { slot: 0 }));
        let once = rewrite(&table, None, 2).unwrap();
        let old = table.buckets[0].clone();
        let mut later = one_bucket(5, 1);
        later.replace(once);
        let twice = rewrite(&later, None, 3).unwrap();
        let verdict = verify_tick(table.manifest.layout, 0, old.entries(), twice.entries());
        assert_eq!(verdict, Err(TickError::NotOneForOne { left: 2, entered: 2 }));
        let other = one_bucket(0, 9);
        assert!(matches!(check(&table, &other.buckets[0]), Err(TickError::NotOneForOne { .. })));
        let short = verify_tick(table.manifest.layout, 0, old.entries(), &old.entries()[64..]);
        assert!(matches!(short, Err(TickError::Bucket(BucketError::Size { .. }))));
    }

    #[test]
    fn a_rewrite_that_keeps_a_nonce_or_a_body_is_refused() {
        let table = one_bucket(5, 1);
        let new = rewrite(&table, None, 2).unwrap();
        let (layout, old) = (table.manifest.layout, table.buckets[0].entries());
        let stays = |entry: &&SealedEntry| new.slots().any(|slot| slot.0 == Tag::of(entry));
        let kept = entries_of(old).iter().find(stays).unwrap();
        let slot = new.slots().position(|slot| slot.0 == Tag::of(kept)).unwrap();
        for part in [TAG_BYTES..BODY_AT, BODY_AT..ENTRY_BYTES] {
            let mut bytes = new.entries().to_vec();
            bytes[slot * ENTRY_BYTES..][part.clone()].copy_from_slice(&kept[part]);
            assert_eq!(verify_tick(layout, 0, old, &bytes), Err(TickError::Stale { slot }));
        }
    }
}
