//! Reading HTTP requests in fakes and proxies.

use std::io::BufRead;

/// The head of a request.
pub struct RequestHead {
    /// The head as it was received, with the empty line at its end.
    pub text: String,
    pub method: String,
    /// Path and query.
    pub path: String,
    pub content_length: usize,
}

impl RequestHead {
    /// Reads a head, or returns `None` at the end of the connection.
    pub fn read(requests: &mut impl BufRead) -> Option<Self> {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if requests.read_line(&mut text).ok()? == 0 {
                return None;
            }
        }
        let mut words = text.split(' ').map(str::to_owned);
        let (method, path) = (words.next()?, words.next()?);
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let content_length = length.map_or(0, |(_, length)| length.trim().parse().unwrap());
        Some(Self { text, method, path, content_length })
    }

    /// Reads the request's body, or returns `None` if the connection ends before.
    pub fn read_body(&self, requests: &mut impl BufRead) -> Option<Vec<u8>> {
        let mut body = vec![0; self.content_length];
        requests.read_exact(&mut body).ok()?;
        Some(body)
    }
}

/// A JSON response after which the connection is closed. `status` may contain further header lines.
pub fn json_response(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
