//! Appending, proving, going on after a restart.

use std::collections::HashSet;

use tacit_ledger::merkle::leaf_hash;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_appends_at_once_are_all_proven_and_every_head_continues_the_others() {
    const TASKS: usize = 50;
    const EACH: usize = 200;
    let (folder, running) = fresh().await;
    let mut news = running.log.subscribe();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (writer, log) = (running.writer.clone(), running.log.clone());
            tokio::spawn(async move {
                let mut indexes = Vec::new();
                for n in 0..EACH {
                    let record = format!("record {task} {n}").into_bytes();
                    let done = writer.submit(Job(vec![record.clone()], Then::Nothing)).await.unwrap();
                    // At once provable, under whatever head there is by now.
                    let head = log.head();
                    let proof = log.inclusion(&done, head.size()).await.unwrap().remove(0);
                    head.verify_inclusion(&leaf_hash(&record), done[0], &proof).unwrap();
                    indexes.push((done[0], record));
                }
                indexes
            })
        })
        .collect();
    let mut records = vec![String::new(); TASKS * EACH];
    let mut seen = HashSet::new();
    for task in tasks {
        for (index, record) in task.await.unwrap() {
            assert!(seen.insert(index), "index {index} twice");
            records[usize::try_from(index).unwrap()] = String::from_utf8(record).unwrap();
        }
    }
    running.assert_proven(&records).await;
    let heads = received(&mut news);
    assert!(heads.len() < TASKS * EACH, "no two appends shared a commit");
    assert!(heads.is_sorted_by(|a, b| a.size() < b.size()));
    assert_consistent(&running.log, &heads).await;
    // After a restart it goes on from there, and continues every head from before.
    running.close().await;
    let running = Running::open(folder.path()).await.unwrap();
    assert_eq!(running.log.head().note(), heads.last().unwrap().note());
    running.append(&["one more"]).await.unwrap();
    records.push("one more".to_owned());
    running.assert_proven(&records).await;
    let mut heads = heads;
    heads.push(running.log.head());
    assert_consistent(&running.log, &heads).await;
}

#[tokio::test]
async fn proofs_for_what_memory_no_longer_holds_come_from_the_database() {
    let (folder, running) = fresh().await;
    let mut records = Vec::new();
    let mut heads = Vec::new();
    // Sizes around the edges of tiles.
    for size in [1, 2, 255, 256, 257, 511, 512, 513, 1024, 1500] {
        let from = records.len();
        running.fill(from, size - from).await;
        records.extend((from..size).map(|n| format!("record {n}")));
        heads.push(running.log.head());
    }
    running.close().await;
    let running = Running::open(folder.path()).await.unwrap();
    running.assert_proven(&records).await;
    assert_consistent(&running.log, &heads).await;
    for head in &heads {
        let index = head.size() / 2;
        let proof = running.log.inclusion(&[index], head.size()).await.unwrap().remove(0);
        let leaf = leaf_hash(format!("record {index}").as_bytes());
        head.verify_inclusion(&leaf, index, &proof).unwrap();
    }
    assert!(running.log.inclusion(&[0], 1501).await.is_err());
    assert!(running.log.inclusion(&[1500], 1500).await.is_err());
    assert!(running.log.consistency(0, 5).await.is_err());
    assert!(running.log.consistency(6, 5).await.is_err());
    assert!(running.log.entries(1500, 5).await.unwrap().is_empty());
    assert_eq!(running.log.entries(1499, 5).await.unwrap(), [b"record 1499".to_vec()]);
    assert_eq!(running.log.records(&[7, 3, 7]).await.unwrap()[2], b"record 7");
    assert!(running.log.records(&[1500]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_database_write_one_log() {
    let (folder, first) = fresh().await;
    let second = Running::open(folder.path()).await.unwrap();
    let mut news = first.log.subscribe();
    for round in 0..20 {
        let (one, two) = (format!("first {round}"), format!("second {round}"));
        let (one, two) = ([one.as_str()], [two.as_str()]);
        let (a, b) = tokio::join!(first.append(&one), second.append(&two));
        assert_ne!(a.unwrap(), b.unwrap());
    }
    first.log.refresh().await.unwrap();
    second.log.refresh().await.unwrap();
    assert_eq!(first.log.head(), second.log.head());
    assert_eq!(first.log.head().size(), 40);
    first.log.check().await.unwrap();
    let heads = received(&mut news);
    assert_consistent(&first.log, &heads).await;
    assert_consistent(&second.log, &heads).await;
}
