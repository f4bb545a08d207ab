//! A TCP proxy between the gateway and a dependency, which can cut or freeze its connections.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Gateway, environment, kubectl};

#[derive(Clone)]
enum Target {
    Tcp(String),
    Unix(String),
}

impl Target {
    /// Parses an address such as `unix:///path`, `https://host:port` or `host:port`.
    fn from_url(url: &str) -> Self {
        match url.strip_prefix("unix://") {
            Some(path) => Self::Unix(path.to_owned()),
            None => Self::Tcp(url.rsplit_once("//").map_or(url, |(_, rest)| rest).trim_end_matches('/').to_owned()),
        }
    }
}

/// Forwards connections until they are cut or frozen.
pub struct TcpProxy {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    is_frozen: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    sent: Arc<AtomicU64>,
}

impl TcpProxy {
    fn start(url: &str) -> Self {
        let target = Target::from_url(url);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            is_cut: Arc::default(),
            is_frozen: Arc::default(),
            open: Arc::default(),
            sent: Arc::default(),
        };
        let (is_cut, is_frozen) = (proxy.is_cut.clone(), proxy.is_frozen.clone());
        let (open, sent) = (proxy.open.clone(), proxy.sent.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if is_cut.load(Ordering::Acquire) {
                    continue;
                }
                open.lock().unwrap().push(stream.try_clone().unwrap());
                connect(stream, &target, &is_frozen, &sent);
            }
        });
        proxy
    }

    pub fn to_engine() -> Self {
        Self::start(&environment::engine_url())
    }

    pub fn to_registry() -> Self {
        Self::start(&environment::registry_address())
    }

    /// Starts a proxy to the API server, and returns it with a kubeconfig in `dir` that uses it.
    pub fn to_api_server(dir: &std::path::Path) -> (Self, String) {
        let mut config = kubectl::current_config();
        let cluster = &mut config["clusters"][0]["cluster"];
        let proxy = Self::start(cluster["server"].as_str().unwrap());
        cluster["server"] = format!("https://{}", proxy.address).into();
        // the server's certificate does not name the proxy
        cluster.as_object_mut().unwrap().remove("certificate-authority-data");
        cluster["insecure-skip-tls-verify"] = true.into();
        let path = dir.join("kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        (proxy, path.display().to_string())
    }

    /// The proxy as the address of an Engine.
    pub fn engine_url(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// The proxy as the address of a registry, to which the Engine speaks plain HTTP.
    pub fn registry_address(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// The number of bytes that were sent to the target so far.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Closes all connections and, until [`TcpProxy::restore`], each new one.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Keeps connections open, and forwards no bytes until [`TcpProxy::restore`].
    pub fn freeze(&self) {
        self.is_frozen.store(true, Ordering::Release);
    }

    pub fn restore(&self) {
        self.is_cut.store(false, Ordering::Release);
        self.is_frozen.store(false, Ordering::Release);
    }
}

/// Gateways that use one dependency through a proxy.
impl Gateway {
    pub fn with_engine_proxy() -> (TcpProxy, Self) {
        let proxy = TcpProxy::to_engine();
        let gateway = Self::with(&[("SLIPWAY_ENGINE", &proxy.engine_url())]);
        (proxy, gateway)
    }

    /// The Engine pushes through the proxy; nodes pull from the registry's own address.
    pub fn with_registry_proxy() -> (TcpProxy, Self) {
        let proxy = TcpProxy::to_registry();
        let gateway = Self::with(&[
            ("SLIPWAY_REGISTRY_PUSH", &proxy.registry_address()),
            ("SLIPWAY_REGISTRY_PULL", &environment::registry_address()),
        ]);
        (proxy, gateway)
    }

    pub fn with_api_server_proxy() -> (TcpProxy, Self) {
        let mut gateway = Self::prepared(&[]);
        let (proxy, kubeconfig) = TcpProxy::to_api_server(gateway.dir.path());
        gateway.set(&[("KUBECONFIG", &kubeconfig)]);
        gateway.launch();
        (proxy, gateway)
    }
}

fn connect(client: TcpStream, target: &Target, is_frozen: &Arc<AtomicBool>, sent: &Arc<AtomicU64>) {
    let received = Arc::default();
    match target {
        Target::Tcp(address) => {
            let Ok(server) = TcpStream::connect(address) else { return };
            let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            forward(client, server, is_frozen, sent, |server| drop(server.shutdown(Shutdown::Write)));
            forward(from_server, to_client, is_frozen, &received, |client| drop(client.shutdown(Shutdown::Both)));
        }
        Target::Unix(path) => {
            let Ok(server) = UnixStream::connect(path) else { return };
            let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            forward(client, server, is_frozen, sent, |server| drop(server.shutdown(Shutdown::Both)));
            forward(from_server, to_client, is_frozen, &received, |client| drop(client.shutdown(Shutdown::Both)));
        }
    }
}

/// Forwards one direction in a thread of its own.
fn forward<R: Read + Send + 'static, W: Write + Send + 'static>(
    mut from: R,
    mut to: W,
    is_frozen: &Arc<AtomicBool>,
    count: &Arc<AtomicU64>,
    shut_down: fn(&W),
) {
    let (is_frozen, count) = (is_frozen.clone(), count.clone());
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            while is_frozen.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(20));
            }
            count.fetch_add(read as u64, Ordering::AcqRel);
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        shut_down(&to);
    });
}
