//! One bit of one stored value changed, in every column of every table: found, or without effect, but never a wrong
//! answer.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
};

use serde_json::Value;
use sqlx::{
    Column as _, Connection as _, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use crate::{
    load::{authority, pseudonym, terms},
    support::{self, Federation, codes},
};

/// Tables of the short form, one column each.
const SHORT: [&str; 5] = ["log_head", "log_entry", "manifest", "bucket", "table_bucket"];

/// Columns of the coordinator's table `consent`, in the short form too, that repeat what its authority signed: a
/// change in them hides a consent from who looks for it, so it must be found although nobody sees the row.
const REPEATED: [&str; 4] = ["id", "authority", "requester", "pseudonym"];

/// How a changed bit showed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// The role does not start.
    Start,
    /// What is asked gets no answer, or a refusal.
    Refused,
    /// `tacit log verify`.
    Verify,
    /// `tacit doctor`.
    Doctor,
    /// Everything is as before.
    Harmless,
    /// Something is answered that is not so.
    Wrong,
}

/// A value that is changed.
struct Place {
    table: String,
    column: String,
}

impl Place {
    fn repeats_what_was_signed(&self) -> bool {
        self.table == "consent" && REPEATED.contains(&self.column.as_str())
    }
}

async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Every column of every table that has rows.
async fn places(path: &Path) -> Vec<Place> {
    let mut conn = connect(path).await;
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
        AND name NOT LIKE '_sqlx%' ORDER BY name";
    let tables = sqlx::query(tables).fetch_all(&mut conn).await.unwrap();
    let mut places = Vec::new();
    for table in tables {
        let table: String = table.get(0);
        let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM {table} LIMIT 1"));
        let Some(row) = sqlx::query(sql).fetch_optional(&mut conn).await.unwrap() else { continue };
        for column in row.columns() {
            places.push(Place { table: table.clone(), column: column.name().to_owned() });
        }
    }
    places
}

/// Changes the lowest bit of a number, or the one of a byte in the middle of text or bytes; in the newest row. Past
/// the checks of the schema, as a disk would. Returns false where there is nothing but NULL.
async fn flip(path: &Path, place: &Place) -> bool {
    let mut conn = connect(path).await;
    sqlx::raw_sql("PRAGMA ignore_check_constraints = ON").execute(&mut conn).await.unwrap();
    let (table, column) = (&place.table, &place.column);
    let sql = format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY 1 DESC LIMIT 1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_optional(&mut conn).await.unwrap();
    let Some(row) = row else { return false };
    let update = format!("UPDATE {table} SET {column} = $1 WHERE {column} = $2");
    let update = sqlx::query(sqlx::AssertSqlSafe(update));
    let done = match kind(&row).as_str() {
        "INTEGER" => {
            let old: i64 = row.get(0);
            update.bind(old ^ 1).bind(old).execute(&mut conn).await
        }
        "TEXT" => {
            let old: String = row.get(0);
            let mut bytes = old.clone().into_bytes();
            let middle = bytes.len() / 2;
            let Some(byte) = bytes.get_mut(middle) else { return false };
            *byte ^= 1;
            update.bind(String::from_utf8_lossy(&bytes).into_owned()).bind(old).execute(&mut conn).await
        }
        _ => {
            let old: Vec<u8> = row.get(0);
            let mut bytes = old.clone();
            let middle = bytes.len() / 2;
            let Some(byte) = bytes.get_mut(middle) else { return false };
            *byte ^= 1;
            update.bind(bytes).bind(old).execute(&mut conn).await
        }
    };
    done.is_ok_and(|done| done.rows_affected() > 0)
}

fn kind(row: &SqliteRow) -> String {
    row.try_get_raw(0).unwrap().type_info().name().to_owned()
}

/// What the federation says of the world: answers, the record kinds of the log, consents.
#[derive(Debug, Clone, PartialEq)]
struct World {
    answers: Vec<Value>,
    consents: Vec<(String, String)>,
}

/// Asks everything, and verifies everything.
fn look(federation: &Federation, codes: &[String]) -> Result<World, Found> {
    let mut answers = Vec::new();
    for code in codes {
        let (exit, said) = federation.check(code);
        let answer = &said["answers"][0];
        let said =
            ["answer", "category", "listed_on", "expires_on", "contested"].map(|key| answer[key].clone());
        if exit != Some(0) || !said[0].is_string() {
            return Err(Found::Refused);
        }
        answers.push(Value::from(said.to_vec()));
    }
    let shown = federation.tacit(&["--json", "consent", "show", "--config", &federation.file("portal.toml")]);
    if !shown.status.success() {
        return Err(Found::Refused);
    }
    let consents = String::from_utf8_lossy(&shown.stdout);
    let consents = consents.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let consents = consents.map(|it| (it["consent"].to_string(), it["state"].to_string())).collect();
    let verified =
        federation.tacit(&["--json", "log", "verify", "--config", &federation.file("auditor-a.toml")]);
    if !verified.status.success() {
        return Err(Found::Verify);
    }
    let doctor = federation.tacit(&["--json", "doctor", federation.folder().to_str().unwrap()]);
    if String::from_utf8_lossy(&doctor.stdout).contains("\"verdict\":\"bad\"") {
        return Err(Found::Doctor);
    }
    Ok(World { answers, consents })
}

/// Copies the databases, or puts the copies back.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_bit_in_any_table_never_gives_a_wrong_answer() {
    let codes = codes(4);
    let mut federation = Federation::with_list(&codes);
    let portal = authority(&federation).await;
    let subject = pseudonym(&portal, &codes[0]).await;
    let mut rng = tacit_model::entropy::os_rng();
    let kept = portal.grant_under(terms(), subject, &mut rng).await.unwrap();
    let dead = portal.grant_under(terms(), subject, &mut rng).await.unwrap();
    portal.withdraw(dead.id).await.unwrap();
    let before = look(&federation, &codes).unwrap();
    assert_eq!(before.consents.len(), 2);
    assert!(
        before
            .consents
            .iter()
            .any(|(id, state)| id.contains(&kept.id.to_string()) && state.contains("given"))
    );
    federation.stop_all();
    let (data, copied) = (federation.folder().join("data"), federation.folder().join("copied"));
    copy(&data, &copied);
    federation.start_all();

    let mut outcomes: BTreeMap<(String, Found), Vec<String>> = BTreeMap::new();
    let (mut count, mut hidden) = (0, Vec::new());
    for member in ["coordinator", "custodian", "court"] {
        let mut tables = HashSet::new();
        for place in places(&copied.join(format!("{member}.db"))).await {
            let in_short = SHORT.contains(&place.table.as_str()) && tables.insert(place.table.clone());
            let in_short = in_short || place.repeats_what_was_signed();
            if !support::is_soak() && !in_short {
                continue;
            }
            federation.stop_all();
            copy(&copied, &data);
            if !flip(&federation.database(member), &place).await {
                continue;
            }
            count += 1;
            let found = outcome(&mut federation, &codes, &before);
            support::progress(&format!("{member} {}.{}: {found:?}", place.table, place.column));
            let name = format!("{}.{}", place.table, place.column);
            if place.repeats_what_was_signed() && found != Found::Start {
                hidden.push(name.clone());
            }
            outcomes.entry((member.to_owned(), found)).or_default().push(name);
        }
    }
    for ((member, found), names) in &outcomes {
        eprintln!("{member} {found:?}: {}", names.join(" "));
    }
    let wrong: Vec<&String> = outcomes
        .iter()
        .filter(|((_, found), _)| *found == Found::Wrong)
        .flat_map(|(_, names)| names)
        .collect();
    assert_eq!(wrong, Vec::<&String>::new(), "a wrong answer");
    assert_eq!(hidden, Vec::<String>::new(), "the coordinator starts");
    support::report(
        "a bit flipped in a column of a table",
        count,
        "each found or without effect; 0 wrong answers",
    );
}

/// Starts everything over the changed database, and looks.
fn outcome(federation: &mut Federation, codes: &[String], before: &World) -> Found {
    for member in support::members() {
        if federation.start_as(member, member, &[]).is_err() {
            return Found::Start;
        }
    }
    match look(federation, codes) {
        Err(found) => found,
        Ok(world) if world == *before => Found::Harmless,
        Ok(_) => Found::Wrong,
    }
}
