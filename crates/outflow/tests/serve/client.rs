//! A client of the API, as small as can be.

use outflow_testkit::wait::DEADLINE;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::Serve;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Serve {
    /// `GET /v1/...`
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    /// A request, with the token if there is one.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let answer = self.try_ask(method, path, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}: {}", self.program.text()))
    }

    /// The same, of a program that may be killed meanwhile.
    pub(crate) async fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Answer> {
        let token = self.token.as_ref().map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let body = body.map_or(String::new(), Value::to_string);
        let about = match body.as_str() {
            "" => String::new(),
            body => format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()),
        };
        let host = format!("127.0.0.1:{}", self.http);
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{token}{about}Connection: close\r\n\r\n{body}");
        let asking = async {
            let mut tcp = TcpStream::connect(&host).await?;
            tcp.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            tcp.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = tokio::time::timeout(DEADLINE, asking).await.expect("the API answers in time")?;
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Ok(Answer { status, body: body.to_owned() })
    }

    /// Everything that `/v1/events` tells from now on, once the program has ended.
    pub(crate) async fn events_of_the_api(&self) -> tokio::task::JoinHandle<String> {
        let token = self.token.as_ref().map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let host = format!("127.0.0.1:{}", self.http);
        let mut tcp = TcpStream::connect(&host).await.unwrap();
        tcp.write_all(format!("GET /v1/events HTTP/1.1\r\nHost: {host}\r\n{token}\r\n").as_bytes()).await.unwrap();
        let mut told = vec![0; 12];
        tcp.read_exact(&mut told).await.unwrap();
        assert!(told.ends_with(b" 200"), "{}", String::from_utf8_lossy(&told));
        tokio::spawn(async move {
            // However it ends: with the program.
            let _ = tcp.read_to_end(&mut told).await;
            String::from_utf8_lossy(&told).into_owned()
        })
    }
}
