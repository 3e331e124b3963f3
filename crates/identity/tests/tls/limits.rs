//! What strangers can use up.

use std::time::Duration;

use tacit_identity::{ListenerLimits, Role, dial};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::{World, greet, listen_within};

#[tokio::test]
async fn slow_handshakes_do_not_keep_honest_clients_out_and_are_ended() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let limits = ListenerLimits {
        max_handshakes: 4,
        handshake_timeout: Duration::from_secs(3),
        ..ListenerLimits::default()
    };
    let (mut listener, address) = listen_within(&court, limits).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.push(TcpStream::connect(&address).await.unwrap());
    }
    let mut client = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    greet(&mut client, &mut server).await;
    // The first was pushed out, the last one timed out; neither got a byte.
    for mut tcp in [slow.swap_remove(0), slow.remove(slow.len() - 1)] {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), tcp.read_to_end(&mut answer)).await;
        assert!(read.is_ok() && answer.is_empty());
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_room_is_given_back() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let limits = ListenerLimits { max_connections: 1, ..ListenerLimits::default() };
    let (mut listener, address) = listen_within(&court, limits).await;
    let mut first = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    greet(&mut first, &mut server).await;
    let mut second = dial(&address, court.spiffe(), &tax).await.unwrap();
    assert!(second.read_u8().await.is_err());
    drop(server);
    let mut third = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    greet(&mut third, &mut server).await;
}

#[tokio::test]
async fn a_dropped_listener_closes_its_socket_and_keeps_open_connections() {
    let world = World::new();
    let (court, tax) = (world.party(Role::Node, "court"), world.party(Role::Node, "tax"));
    let (mut listener, address) = listen_within(&court, ListenerLimits::default()).await;
    let mut client = dial(&address, court.spiffe(), &tax).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    drop(listener);
    greet(&mut client, &mut server).await;
    let closed = async {
        while TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.unwrap();
}
