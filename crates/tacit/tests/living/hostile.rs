//! A coordinator whose operator works against everybody else, with its database and the log's key in hand: versions of
//! the registry are written into the database as if they counted, with true records in the log, and the unchanged
//! binary serves them. No member obeys one.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
};

use serde_json::Value;
use tacit_coordinator::MIGRATIONS;
use tacit_federation::{
    config::{CoordinatorFile, Environment, RoleFile as _},
    run::read_seed,
};
use tacit_ledger::{
    cosignature::CosignatureSigner,
    ed25519::SigningKey,
    note::{NoteSigner, attach_line},
    record::Registry as RegistryRecord,
};
use tacit_model::{Clock, SystemClock, entropy::os_rng, new_ulid};
use tacit_policy::registry_hash;
use tacit_store::{Db, Reads, StoreError, Writes, begin, log::Log};

use crate::{
    forged::{draft, taken_over},
    world::{World, eventually},
};

/// Who keeps a registry in a file, and says there what it refused.
const KEEPERS: [&str; 5] = ["court", "tax", "procurement", "portal", "auditor-a"];
/// Who runs and counts refusals.
const RUNNING: [&str; 5] = ["court", "tax", "procurement", "portal", "custodian"];

/// By what a version counts, as the coordinator tells.
enum Backing<'a> {
    /// By what its witnesses cosign when they are asked: they cosign that the log only grew, whatever is in it.
    Quorum,
    /// By the cosignature of this witness, who works with it.
    One(&'a str),
}

/// The coordinator's files, while it does not run.
struct Database {
    db: Db,
    log: Log,
    now_ms: i64,
}

impl Database {
    async fn open(world: &World) -> Self {
        let path = world.file("coordinator.toml");
        let file = CoordinatorFile::load(Path::new(&path), Environment::Ignored).unwrap();
        let db = Db::open(&file.database, &MIGRATIONS).await.unwrap();
        let key = SigningKey::from_seed(&read_seed(&file.keys.log).unwrap());
        let signer = NoteSigner::new(&format!("{}/log", file.member), key).unwrap();
        let log = Log::open(&db, signer).await.unwrap();
        Self { db, log, now_ms: SystemClock.now().to_i64() }
    }

    /// Takes a version out, as if it had never been; its record stays in the log.
    async fn take_out(&self, hash: &[u8; 32]) {
        let mut lease = self.db.write().await.unwrap();
        let mut tx = begin(&mut lease).await.unwrap();
        let delete = sqlx::query("DELETE FROM registry_version WHERE hash = $1").bind(hash.as_slice());
        assert_eq!(delete.execute(&mut *tx).await.unwrap().rows_affected(), 1);
        tx.commit().await.unwrap();
    }

    /// Logs a version as a good one is logged, and stores it.
    async fn put_in(&self, world: &World, number: u64, bytes: &[u8], backing: Backing<'_>) {
        let hash = registry_hash(bytes);
        let index = self.append(number, hash).await.unwrap();
        let (counted, cosigned) = match backing {
            Backing::Quorum => (None, None),
            Backing::One(witness) => (Some(self.now_ms), Some(self.cosigned_by(world, witness))),
        };
        let mut lease = self.db.write().await.unwrap();
        let mut tx = begin(&mut lease).await.unwrap();
        sqlx::query(
            "INSERT INTO registry_version (hash, number, bytes, log_index, counted_ms, cosigned) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(hash.as_slice())
        .bind(i64::try_from(number).unwrap())
        .bind(bytes)
        .bind(i64::try_from(index).unwrap())
        .bind(counted)
        .bind(cosigned)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }

    /// One more record under a new signed head; its index.
    async fn append(&self, number: u64, hash: [u8; 32]) -> Result<u64, StoreError> {
        let now = SystemClock.now();
        let id = new_ulid(now, &mut os_rng()).to_string();
        let record = RegistryRecord { id: id.clone(), time_ms: now.0, number, registry: hash };
        let mut lease = self.db.write().await?;
        let mut tx = begin(&mut lease).await?;
        let mut reads = Reads::new(self.db.dialect());
        let head = Log::read_head(&mut reads);
        let head = reads.fetch(&mut tx).await?.take(head);
        let mut append = self.log.begin(&mut tx, &head).await?;
        let (index, _) = append.push(id, record.to_bytes().unwrap());
        let mut last = Writes::new(self.db.dialect());
        let pending = self.log.finish(&mut last, &append)?;
        last.flush(&mut tx).await?;
        tx.commit().await?;
        self.log.publish(pending);
        Ok(index)
    }

    /// The newest checkpoint, with the true cosignature of one witness.
    fn cosigned_by(&self, world: &World, witness: &str) -> Vec<u8> {
        let seed = world.file(&format!("keys/{witness}-witness.seed"));
        let key = SigningKey::from_seed(&read_seed(Path::new(&seed)).unwrap());
        let signer = CosignatureSigner::new(&format!("{witness}/witness"), key).unwrap();
        let head = self.log.head();
        let line = signer.cosign(&head, SystemClock.now().0 / 1000).unwrap();
        attach_line(std::str::from_utf8(head.note()).unwrap(), &line).unwrap().into_bytes()
    }
}

/// Stops the coordinator, changes its database, and starts it again.
fn behind_its_back(world: &mut World, change: impl AsyncFnOnce(&World, &Database)) {
    world.federation.kill("coordinator");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::open(world).await;
        change(world, &database).await;
        database.db.close().await;
    });
    world.federation.start("coordinator");
}

/// `tacit registry status` of a member, which ends with an error while it refuses something.
fn status(world: &World, member: &str) -> (bool, Value) {
    let config = world.file(&format!("{member}.toml"));
    let done = world.federation.tacit(&["--json", "registry", "status", "--config", &config]);
    (done.status.success(), serde_json::from_slice(&done.stdout).unwrap())
}

/// A metric of a running role.
fn metric(world: &World, member: &str, name: &str) -> Option<f64> {
    let config = fs::read_to_string(world.file(&format!("{member}.toml"))).unwrap();
    let line = config.lines().find_map(|line| line.strip_prefix("metrics = ")).unwrap();
    let mut stream = TcpStream::connect(line.trim_matches('"')).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let value = answer.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    value.map(|value| value.parse().unwrap())
}

/// Reads the log, as an auditor does now and then; it looks for a newer registry first. From the second version of one
/// number on that is in the log, it says so for ever.
fn audit(world: &World, twice: bool) {
    let config = world.file("auditor-a.toml");
    let done = world.federation.tacit(&["log", "verify", "--config", &config]);
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.success(), !twice, "{out}{err}");
    assert_eq!(out.contains("registry version 2 is logged after version 2"), twice, "{out}{err}");
}

/// Every member says that it refuses what the coordinator shows, why, and that it goes on with `number`; and answers
/// come as before.
fn all_refuse(world: &World, number: u64, twice: bool, why: impl Fn(&str) -> &'static str) {
    for member in RUNNING {
        eventually(&format!("{member} raises the alarm and counts it"), || {
            let log = fs::read_to_string(world.federation.folder().join("logs").join(member)).unwrap();
            let mut alarms = log.lines().filter(|line| line.contains("ALARM"));
            alarms.any(|line| line.contains(why(member)))
                && metric(world, member, "tacit_registry_refused") == Some(1.0)
        });
    }
    audit(world, twice);
    for member in KEEPERS {
        // The alarm is raised before the file of it is written.
        eventually(&format!("{member} refuses, and stays with {number}"), || {
            let (fine, said) = status(world, member);
            let file = fs::read_to_string(world.file(&format!("data/{member}.registry.json.refused")));
            !fine
                && said["number"] == number
                && said["refused"].as_str().is_some_and(|refused| refused.contains(why(member)))
                && file.is_ok_and(|file| file.contains(why(member)))
        });
    }
    let folder = world.federation.folder().to_str().unwrap();
    let doctor = world.federation.tacit(&["--json", "doctor", "--offline", folder]);
    assert_eq!(doctor.status.code(), Some(1));
    let found = String::from_utf8(doctor.stdout).unwrap();
    let bad: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for member in KEEPERS {
        let of_member = |it: &&Value| it["who"] == format!("{member}.toml") && it["what"] == "registry";
        let finding = bad.iter().find(of_member).unwrap();
        assert_eq!(finding["verdict"], "bad");
        assert!(finding["found"].as_str().unwrap().contains(why(member)), "{finding}");
    }
    let procurement = world.file("procurement.toml");
    assert!(world.answered(&procurement, &world.listed) && !world.answered(&procurement, &world.unlisted));
}

/// Every member uses `number` and refuses nothing (any more).
fn all_content(world: &World, number: u64, twice: bool) {
    for member in RUNNING {
        eventually(&format!("{member} refuses nothing"), || {
            metric(world, member, "tacit_registry_refused") == Some(0.0)
        });
    }
    audit(world, twice);
    for member in KEEPERS {
        eventually(&format!("{member} uses {number}"), || {
            let (fine, said) = status(world, member);
            fine && said["number"] == number && said["refused"].is_null()
        });
    }
    let procurement = world.file("procurement.toml");
    assert!(world.answered(&procurement, &world.listed) && !world.answered(&procurement, &world.unlisted));
}

#[test]
fn no_member_obeys_a_version_that_its_coordinator_forged_and_all_say_so() {
    let mut world = World::start();
    all_content(&world, 1, false);
    let (key, now) = (world.key("coordinator"), SystemClock.now());

    // Only one of three witnesses stands behind it.
    let no_quorum = draft(&world).finish(now, &key).unwrap();
    behind_its_back(&mut world, async |world, db| {
        db.put_in(world, 2, &no_quorum, Backing::One("tax")).await;
    });
    assert_eq!(world.number(), 2, "the coordinator has it in force");
    all_refuse(&world, 1, false, |_| "no quorum of the version in force stands behind it");

    // The court's key swapped, and its address, and whoever has an agreement with it signed along; in the log, and
    // cosigned by all witnesses. Whoever obeyed it would ask there.
    let mallory = SigningKey::from_seed(&[66; 32]);
    let lair = TcpListener::bind("127.0.0.1:0").unwrap();
    lair.set_nonblocking(true).unwrap();
    let endpoint = format!("https://{}", lair.local_addr().unwrap());
    let swapped = taken_over(&world, "court", &mallory, |court| court.endpoint = Some(endpoint.clone()));
    let swapped = swapped.finish(now, &key).unwrap();
    behind_its_back(&mut world, async |world, db| {
        db.take_out(&registry_hash(&no_quorum)).await;
        db.put_in(world, 2, &swapped, Backing::Quorum).await;
    });
    eventually("a quorum cosigned the log with it", || world.number() == 2);
    all_refuse(&world, 1, true, |member| match member {
        // Those have an agreement with the court, and pinned its key.
        "tax" | "procurement" | "portal" => "signing key of `court` is not the pinned one",
        _ => "signing key of `court` does not lead from the one that is known",
    });
    let visited = lair.accept();
    assert!(visited.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "somebody came");

    // A good one is taken over by all.
    behind_its_back(&mut world, async |_, db| db.take_out(&registry_hash(&swapped)).await);
    all_content(&world, 1, true);
    let good = world.publish_with(&[]);
    for member in ["court", "tax", "procurement", "portal"] {
        world.wait_for_version(&world.file(&format!("{member}.toml")), good);
    }
    all_content(&world, 2, true);
    let good = fs::read(world.file("data/court.registry.json")).unwrap();

    // Another one of the same number, which nothing else is wrong with.
    let twin = draft(&world).finish(SystemClock.now(), &key).unwrap();
    assert_ne!(twin, good);
    behind_its_back(&mut world, async |world, db| {
        db.take_out(&registry_hash(&good)).await;
        db.put_in(world, 2, &twin, Backing::Quorum).await;
    });
    eventually("a quorum cosigned the log with it", || world.number() == 2);
    all_refuse(&world, 2, true, |_| "version 2 is in force, but another version 2 is known here");

    // The one before.
    behind_its_back(&mut world, async |_, db| db.take_out(&registry_hash(&twin)).await);
    assert_eq!(world.number(), 1);
    let older = |_: &str| "version 1 is in force, but another version 2 is known here";
    all_refuse(&world, 2, true, older);
    // Not even after a restart.
    for member in RUNNING {
        world.federation.kill(member);
        world.federation.start(member);
    }
    all_refuse(&world, 2, true, older);
}
