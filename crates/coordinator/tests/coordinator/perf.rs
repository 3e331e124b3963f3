//! Ad hoc; not committed.
use std::{collections::BTreeMap, time::Instant};

use crate::support::*;

fn cpu() -> BTreeMap<String, u64> {
    let mut map = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let Ok(comm) = std::fs::read_to_string(path.join("comm")) else { continue };
        let stat = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let ns: u64 = stat.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let name: String = comm.trim().chars().filter(|c| !c.is_ascii_digit()).collect();
        *map.entry(name).or_insert(0) += ns;
    }
    map
}

#[test]
#[ignore = "perf"]
fn perf() {
    let server = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("coord")
        .enable_all()
        .build()
        .unwrap();
    let client = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("client")
        .enable_all()
        .build()
        .unwrap();
    let world = World::new();
    let running = server.block_on(world.start_with_lists());
    client.block_on(async {
        let mut requester = Requester::new(&world, &running, "procurement").await;
        let rounds: usize = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
        let subjects: usize = std::env::var("SUBJECTS").ok().and_then(|n| n.parse().ok()).unwrap_or(4096);
        let mut enrolled = Vec::new();
        for from in (0..subjects).step_by(1024) {
            let blinded = requester.blind(from, 1024);
            let batch = requester.evaluate(blinded);
            let request = requester.register_request(&batch);
            let (before, start) = (cpu(), Instant::now());
            requester.register(request).await;
            report(&format!("register {from}"), &before, start);
            enrolled.extend(batch.enrollments.iter().map(|e| e.to_enrolled()));
        }
        for round in 0..rounds {
            let of = enrolled.iter().skip(round * 1024 % subjects).take(1024);
            let drafts: Vec<_> = of.map(|of| (requester.draft(LISTS[0], COURT), of)).collect();
            let checks = requester.prove(drafts);
            let request = requester.request(&checks);
            let (before, start) = (cpu(), Instant::now());
            let outcome = requester.send(request).await;
            report(&format!("authorize {round}"), &before, start);
            assert!(words(&taken_up(outcome)).iter().all(Result::is_ok));
        }
        // Singles, one after the other, then 64 at once.
        let singles: usize = 300;
        let mut requests = Vec::new();
        for n in 0..singles * 2 {
            let check = requester.check(LISTS[0], COURT, &enrolled[n]);
            requests.push(requester.request(&[check]));
        }
        let (before, start) = (cpu(), Instant::now());
        for request in requests.drain(..singles) {
            requester.send(request).await;
        }
        report(&format!("{singles} singles"), &before, start);
        let (before, start) = (cpu(), Instant::now());
        let mut sends = Vec::new();
        for request in requests {
            let mut client = requester.authorization();
            sends.push(tokio::spawn(async move { client.authorize(request).await.unwrap() }));
        }
        for send in sends {
            send.await.unwrap();
        }
        report(&format!("{singles} at once"), &before, start);
    });
}

fn report(what: &str, before: &BTreeMap<String, u64>, start: Instant) {
    let wall = start.elapsed();
    let after = cpu();
    let mut server = 0.0;
    let mut line = String::new();
    for (name, ns) in &after {
        let ms = (ns - before.get(name).copied().unwrap_or(0).min(*ns)) as f64 / 1e6;
        if ms > 0.05 {
            line += &format!(" {name} {ms:.1}");
            if !name.starts_with("client") && !name.starts_with("perf") {
                server += ms;
            }
        }
    }
    eprintln!("{what}: wall {:.1} ms, server cpu {server:.1} ms:{line}", wall.as_secs_f64() * 1e3);
}
