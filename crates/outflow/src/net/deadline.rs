//! Bounds in time for single steps, with an error that names the step.

use std::future::Future;
use std::time::Duration;

use super::{NetError, Stage};

/// Awaits one step, or ends it with an error that says which step took how long.
pub async fn within<T>(
    limit: Duration,
    stage: Stage,
    peer: &str,
    step: &str,
    work: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(NetError::new(stage, peer, format!("{step} took longer than {} s", limit.as_secs_f32()))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_step_that_hangs_is_named() {
        let limit = Duration::from_millis(20);
        let hang = std::future::pending::<Result<(), NetError>>();
        let error = within(limit, Stage::Tls, "h:443", "the TLS handshake", hang).await.unwrap_err();
        assert_eq!(error.to_string(), "no TLS with h:443: the TLS handshake took longer than 0.02 s");
        assert_eq!(within(limit, Stage::Tls, "h", "x", async { Ok(1) }).await, Ok(1));
    }
}
