//! What is refused: by the commands, by the running coordinator, by members; and all go on with the old version.

use std::{fs, path::Path};

use tacit_coordinator::offers::{Offers, Standing};
use tacit_federation::config::{CoordinatorFile, Environment, RoleFile as _};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{Clock, MemberId, Millis, SystemClock, entropy::seeded_rng, generate::generate_uscc};
use tacit_policy::{
    Ed25519Key,
    registry::{
        draft::Draft,
        entry::{Agreement, Entry, Member},
        signed::{Signed, Signer, sign_entry},
    },
};

use crate::world::{TERMS, World, eventually};

/// Codes that nobody has.
pub(crate) fn codes(count: usize) -> Vec<String> {
    let mut rng = seeded_rng([9; 32]);
    (0..count).map(|_| generate_uscc(&mut rng)).collect()
}

/// The draft after the version in a file.
pub(crate) fn draft(world: &World) -> Draft {
    Draft::after(&fs::read(world.file("registry.json")).unwrap()).unwrap()
}

/// The same draft with a member's entry changed by `change` and signed anew, as everything that it signed, with a key
/// that the old one did not sign for. The other parties of its agreements sign along, so that the version is a good one
/// by itself.
pub(crate) fn taken_over(
    world: &World,
    member: &str,
    mallory: &SigningKey,
    change: impl Fn(&mut Member),
) -> Draft {
    let mut swapped = draft(world);
    let victim: MemberId = member.parse().unwrap();
    let forged = Ed25519Key(mallory.verifying_key());
    let signer = || Signer { id: &victim, key: mallory };
    let entries: Vec<_> =
        swapped.entries().unwrap().into_iter().map(|(entry, signed)| (entry, signed.clone())).collect();
    for (entry, signed) in entries {
        let changed = match entry {
            Entry::Member(mut it) if it.id == victim => {
                it.keys.signing = forged;
                change(&mut it);
                sign_entry(&Entry::Member(it), &[signer()]).unwrap()
            }
            Entry::Agreement(mut it) if it.holder == victim => {
                it.holder_key = forged;
                let (id, key) = (it.requester.clone(), world.key(it.requester.as_str()));
                sign_entry(&Entry::Agreement(it), &[signer(), Signer { id: &id, key: &key }]).unwrap()
            }
            Entry::Agreement(mut it) if it.requester == victim => {
                it.requester_key = forged;
                let (id, key) = (it.holder.clone(), world.key(it.holder.as_str()));
                sign_entry(&Entry::Agreement(it), &[Signer { id: &id, key: &key }, signer()]).unwrap()
            }
            _ if signed.signers().any(|id| *id == victim) => signed.sign_again(signer()).unwrap(),
            _ => continue,
        };
        swapped.put(changed).unwrap();
    }
    swapped
}

/// Hands bytes to the running coordinator as its operator's command does, without the command's own checks.
pub(crate) fn offered(world: &World, bytes: &[u8]) -> Standing {
    let file =
        CoordinatorFile::load(Path::new(&world.file("coordinator.toml")), Environment::Ignored).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut standing, clock) = (Standing::Waiting, SystemClock);
    let offers = runtime.block_on(Offers::open(&file.database)).unwrap();
    let hash = runtime.block_on(offers.offer(bytes, &clock)).unwrap();
    eventually("the coordinator looked at it", || {
        standing = runtime.block_on(offers.standing(&hash)).unwrap();
        matches!(standing, Standing::Refused(_) | Standing::Counts { .. })
    });
    standing
}

#[test]
fn forged_versions_are_refused_and_the_old_one_goes_on() {
    let world = World::start();
    let procurement = world.file("procurement.toml");
    assert!(world.answered(&procurement, &world.listed));
    let now = SystemClock.now();
    let key = world.key("coordinator");
    let first = fs::read(world.file("registry.json")).unwrap();
    // A pinned key swapped.
    let mallory = SigningKey::from_seed(&[66; 32]);
    let swapped = taken_over(&world, "portal", &mallory, |_| {});
    let swapped = swapped.finish(now, &key).unwrap();
    // The same number with other bytes, another federation, and a signature that is not the coordinator's.
    let same_number = String::from_utf8(first.clone()).unwrap().trim_end().to_owned() + "\n\n";
    let other = {
        let text = String::from_utf8(draft(&world).to_file().unwrap()).unwrap();
        let text = text.replace("\"procurement.example\"", "\"another.example\"");
        Draft::read(text.as_bytes()).unwrap().finish(now, &key).unwrap()
    };
    let not_his = draft(&world).finish(now, &mallory).unwrap();
    for (forged, why) in [
        (swapped.as_slice(), "signing key of `portal` is not the pinned one"),
        (same_number.as_bytes(), "numbers only rise"),
        (&other, "is of federation `another.example`"),
        (&not_his, "is not its signing key"),
    ] {
        let Standing::Refused(said) = offered(&world, forged) else { panic!("{why}") };
        assert!(said.contains(why), "{said}");
    }
    // The operator's own command says it before anybody is asked.
    let (forged, coordinator) = (world.file("forged.json"), world.file("coordinator.toml"));
    fs::write(&forged, &swapped).unwrap();
    let (exit, said) = world.refused(&["registry", "publish", &forged, "--config", &coordinator]);
    assert_eq!(exit, 3, "{said}");
    assert_eq!(world.number(), 1);
    assert!(world.answered(&procurement, &world.listed));
    let log = fs::read_to_string(world.federation.folder().join("logs/coordinator")).unwrap();
    assert!(log.contains("ALARM: a registry version was offered and is refused"));
}

#[test]
fn a_version_without_a_quorum_is_logged_and_decides_nothing() {
    let mut world = World::start();
    let procurement = world.file("procurement.toml");
    assert!(world.answered(&procurement, &world.listed));
    // Of court, tax and custodian one is left.
    world.federation.kill("tax");
    world.federation.kill("custodian");
    let (pending, coordinator) = (world.file("pending.json"), world.file("coordinator.toml"));
    fs::write(&pending, draft(&world).finish(SystemClock.now(), &world.key("coordinator")).unwrap()).unwrap();
    let (exit, said) =
        world.refused(&["registry", "publish", &pending, "--config", &coordinator, "--wait", "4"]);
    assert_eq!(exit, 4, "{said}");
    assert!(said.contains("no quorum of the version in force"), "{said}");
    assert_eq!(world.number(), 1);
    assert_eq!(world.tacit(&["registry", "status", "--config", &procurement])["number"], 1);
    // A crash in between loses nothing; with the witnesses it comes into force by itself.
    world.federation.kill("coordinator");
    world.federation.start("coordinator");
    assert_eq!(world.number(), 1);
    world.federation.start("custodian");
    world.federation.start("tax");
    eventually("the version is in force", || world.number() == 2);
    world.wait_for_version(&procurement, 2);
    assert!(world.answered(&procurement, &world.listed));
}

#[test]
fn an_agreement_that_is_not_right_is_refused_with_its_reason() {
    let mut world = World::start();
    let customs = world.join("customs");
    let court = world.file("court.toml");
    world.wait_for_version(&court, world.number());
    let (toml, file) = (world.file("terms.toml"), world.file("agreement.json"));
    let drafted = |terms: &str| {
        fs::write(&toml, terms).unwrap();
        world.refused(&["agreement", "draft", &toml, "--config", &customs, "--out", &file])
    };
    // No wildcard can be written, for lists or purposes.
    for wildcard in ["court/*", "*"] {
        let (exit, said) = drafted(&TERMS.replace("court/judgment-defaulters", wildcard));
        assert_eq!(exit, 2, "{said}");
    }
    assert_eq!(drafted(&TERMS.replace("public-procurement-eligibility", "*")).0, 2);
    let (exit, said) = drafted(&TERMS.replace("court/judgment-defaulters", "court/all"));
    assert!(exit == 3 && said.contains("there are no wildcards"), "{said}");
    let (exit, said) = drafted(TERMS.split("[cross_context]").next().unwrap());
    assert!(exit == 3 && said.contains("cross_context"), "{said}");
    let measure = "measures = [{ title = \"Exclusion\", restricts = true }]\nvalid_days";
    let memorandum = TERMS
        .replace("{ act = \"government-procurement-law\"", "{ act = \"joint-memorandum-2016\"")
        .replace("valid_days", measure);
    let (exit, said) = drafted(&memorandum);
    assert!(exit == 3 && said.contains("memorandum alone"), "{said}");

    // One signature, and the requester before the holder.
    fs::write(&toml, TERMS).unwrap();
    world.tacit(&["agreement", "draft", &toml, "--config", &customs, "--out", &file]);
    let (exit, said) = world.refused(&["agreement", "sign", &file, "--config", &customs]);
    assert!(exit == 2 && said.contains("the turn of court"), "{said}");
    world.tacit(&["agreement", "sign", &file, "--config", &court]);
    let (draft, coordinator) = (world.file("next.json"), world.file("coordinator.toml"));
    let publish = |file: &str| {
        world.tacit(&["registry", "draft", &draft, "--config", &coordinator, "--add", file]);
        let key = world.file("keys/coordinator-signing.seed");
        let refused =
            world.refused(&["registry", "publish", &draft, "--config", &coordinator, "--key", &key]);
        fs::remove_file(&draft).unwrap();
        refused
    };
    let (exit, said) = publish(&file);
    assert!(exit == 3 && said.contains("needed are exactly [court, customs]"), "{said}");

    // Altered after both signed.
    world.tacit(&["agreement", "sign", &file, "--config", &customs]);
    let altered =
        fs::read_to_string(&file).unwrap().replace("checks_per_day\\\":1000", "checks_per_day\\\":9000");
    let altered_file = world.file("altered.json");
    fs::write(&altered_file, altered).unwrap();
    let (exit, said) = publish(&altered_file);
    assert!(exit == 3 && said.contains("does not fit the text"), "{said}");
    let (exit, said) = world.refused(&["agreement", "show", &altered_file, "--config", &court]);
    assert!(exit == 3 && said.contains("does not fit the text"), "{said}");

    // Expired: the registry carries it, and nothing is answered under it.
    let signed = Signed::read(&fs::read(&file).unwrap()).unwrap().pop().unwrap();
    let Entry::Agreement(agreement) = signed.entry("entry").unwrap() else { panic!() };
    let day = 86_400_000;
    let expired = Agreement {
        valid_from: Millis(agreement.valid_from.0 - 9 * day),
        valid_until: Millis(agreement.valid_from.0 - day),
        ..*agreement
    };
    let keys = [world.key("court"), customs_key(&world)];
    let signers =
        [Signer { id: &expired.holder, key: &keys[0] }, Signer { id: &expired.requester, key: &keys[1] }];
    let expired = sign_entry(&Entry::Agreement(Box::new(expired.clone())), &signers).unwrap();
    let expired_file = world.file("expired.json");
    fs::write(&expired_file, Signed::to_file(&[expired]).unwrap()).unwrap();
    let number = world.publish_with(&[&expired_file]);
    world.wait_for_version(&customs, number);
    let (exit, said) = world.check(&customs, &world.listed);
    assert_eq!(exit, 3, "{said}");
}

fn customs_key(world: &World) -> SigningKey {
    let path = world.file("customs/keys/customs-signing.seed");
    SigningKey::from_seed(&tacit_federation::run::read_seed(Path::new(&path)).unwrap())
}
