//! Connecting to every address of a host at once, each on its own: for looking, where an output takes the first.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::connection::Connection;
use super::dial::{DialOptions, connect_one, plain};

/// What one address did.
#[derive(Debug)]
pub struct Reached {
    /// The address.
    pub address: SocketAddr,
    /// The connection and how long it took, or why there is none.
    pub outcome: Result<(Connection, Duration), String>,
}

/// Connects to all of them, each for `limit` at most; in the order given.
pub async fn survey(addresses: &[SocketAddr], options: &DialOptions, limit: Duration) -> Vec<Reached> {
    let mut attempts = JoinSet::new();
    for (place, address) in addresses.iter().copied().enumerate() {
        let options = options.clone();
        attempts.spawn(async move {
            let begin = Instant::now();
            let outcome = match tokio::time::timeout(limit, connect_one(address, &options)).await {
                Ok(Ok(tcp)) => Ok((Connection::Plain(tcp), begin.elapsed())),
                Ok(Err(error)) => Err(plain(&error)),
                Err(_) => Err(format!("no answer within {} s", limit.as_secs_f32())),
            };
            (place, Reached { address, outcome })
        });
    }
    let mut reached = attempts.join_all().await;
    reached.sort_by_key(|(place, _)| *place);
    reached.into_iter().map(|(_, reached)| reached).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn every_address_tells_its_own_story_in_the_order_given() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (open, shut) = (listener.local_addr().unwrap(), closed.local_addr().unwrap());
        drop(closed);
        let reached = survey(&[shut, open], &DialOptions::default(), Duration::from_secs(5)).await;
        assert_eq!(reached.iter().map(|one| one.address).collect::<Vec<_>>(), [shut, open]);
        assert!(reached[0].outcome.as_ref().unwrap_err().contains("refused"));
        assert!(reached[1].outcome.is_ok());
    }
}
