//! A proxy between the gateway and one of its parts, for faults that are made from outside.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where the proxy leads.
#[derive(Clone)]
pub enum Target {
    Tcp(String),
    Unix(String),
}

impl Target {
    /// The Engine, registry or API server behind a URL such as `unix:///x` or `https://host:port`.
    pub fn of(url: &str) -> Self {
        match url.strip_prefix("unix://") {
            Some(path) => Self::Unix(path.to_owned()),
            None => Self::Tcp(url.rsplit_once("//").map_or(url, |(_, rest)| rest).trim_end_matches('/').to_owned()),
        }
    }
}

/// Passes bytes on until it is told to cut everything, or to hold everything back.
pub struct Proxy {
    address: SocketAddr,
    cut: Arc<AtomicBool>,
    frozen: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    sent: Arc<AtomicU64>,
}

impl Proxy {
    pub fn to(target: Target) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, frozen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (open, sent) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        let proxy = Self { address, cut: cut.clone(), frozen: frozen.clone(), open: open.clone(), sent: sent.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if cut.load(Ordering::Acquire) {
                    continue;
                }
                open.lock().unwrap().push(stream.try_clone().unwrap());
                join(stream, &target, &frozen, &sent);
            }
        });
        proxy
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many bytes went to the target so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Ends every connection and, until [`Proxy::mend`], each new one at once.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Keeps every connection open and lets nothing pass until [`Proxy::mend`].
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::Release);
    }

    /// Lets connections pass again.
    pub fn mend(&self) {
        self.cut.store(false, Ordering::Release);
        self.frozen.store(false, Ordering::Release);
    }
}

fn join(client: TcpStream, target: &Target, frozen: &Arc<AtomicBool>, sent: &Arc<AtomicU64>) {
    let nobody = Arc::default();
    match target {
        Target::Tcp(address) => {
            let Ok(server) = TcpStream::connect(address) else { return };
            let (a, b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            pump(client, server, frozen, sent, |s| drop(s.shutdown(Shutdown::Write)));
            pump(b, a, frozen, &nobody, |s| drop(s.shutdown(Shutdown::Both)));
        }
        Target::Unix(path) => {
            let Ok(server) = UnixStream::connect(path) else { return };
            let (a, b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            pump(client, server, frozen, sent, |s| drop(s.shutdown(Shutdown::Both)));
            pump(b, a, frozen, &nobody, |s| drop(s.shutdown(Shutdown::Both)));
        }
    }
}

fn pump<R: Read + Send + 'static, W: Write + Send + 'static>(
    mut from: R,
    mut to: W,
    frozen: &Arc<AtomicBool>,
    count: &Arc<AtomicU64>,
    end: fn(&W),
) {
    let (frozen, count) = (frozen.clone(), count.clone());
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            while frozen.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(20));
            }
            count.fetch_add(read as u64, Ordering::AcqRel);
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        end(&to);
    });
}

/// A kubeconfig as the current one, with the API server behind a proxy.
pub fn api_server(dir: &std::path::Path) -> (Proxy, String) {
    let config = super::world::kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]);
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let cluster = &mut config["clusters"][0]["cluster"];
    let proxy = Proxy::to(Target::of(cluster["server"].as_str().unwrap()));
    cluster["server"] = format!("https://{}", proxy.address()).into();
    // the certificate names the server, not the proxy
    cluster.as_object_mut().unwrap().remove("certificate-authority-data");
    cluster["insecure-skip-tls-verify"] = true.into();
    let path = dir.join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    (proxy, path.display().to_string())
}
