//! Accepts connections and bounds them: how many, how long without a login, how long without a sign of life.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use russh::keys::PrivateKey;
use russh::server::{Config, RunningSession, run_stream};
use russh::{Disconnect, MethodKind, MethodSet, SshId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, field};

use super::algorithms;
use super::gate::Gate;
use super::invocation::Backend;
use super::quickack::QuickAck;
use super::session::{Connection, SessionHandler};
use super::startups::{Startup, Startups};
use crate::domain::metric;

/// How long accepting rests after it failed, as it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client has to go by himself, and then again after he was told to, before the connection is cut. A
/// disconnect that follows the end of a command too soon makes OpenSSH forget the command's last output.
const FAREWELL: Duration = Duration::from_secs(1);
/// All refusals take this long, so that they look alike: very many times what looking a key up takes. There is nothing more
/// to hide, as SSH tells anyone whether a public key would do, and it is paid for each key that an agent tries in vain.
const REJECTION_TIME: Duration = Duration::from_millis(1);
/// How many questions for a sign of life may stay without an answer.
const KEEPALIVES: u32 = 3;

/// How the server behaves.
#[derive(Clone)]
pub struct SshSettings {
    /// The key that the host proves itself with.
    pub host_key: PrivateKey,
    /// How long a client has to authenticate.
    pub login_grace: Duration,
    /// How many connections may be unauthenticated at once.
    pub max_startups: usize,
    /// How many connections there may be.
    pub max_connections: usize,
    /// How many channels a connection may have at once.
    pub max_sessions: usize,
    /// How many keys a client may try.
    pub max_auth_tries: usize,
    /// After how long a silence a client is asked for a sign of life; the third question without an answer ends
    /// the connection.
    pub keepalive: Duration,
}

impl SshSettings {
    fn russh(&self) -> Config {
        Config {
            server_id: SshId::Standard("SSH-2.0-slipway".into()),
            methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
            auth_rejection_time: REJECTION_TIME,
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: vec![self.host_key.clone()],
            preferred: algorithms::preferred(),
            // The question which methods there are counts as a try.
            max_auth_attempts: self.max_auth_tries.saturating_add(1),
            // Longer than the keepalives take to give up: it ends only what they do not watch, a client who
            // stopped reading in the middle of a write, or does not close after a disconnect.
            inactivity_timeout: Some(self.keepalive.saturating_mul(KEEPALIVES + 2)),
            keepalive_interval: Some(self.keepalive),
            keepalive_max: KEEPALIVES as usize,
            // Throughput is the window divided by the round trip: 16 MiB carry 100 MiB/s over 150 ms.
            window_size: 16 << 20,
            nodelay: true,
            ..Config::default()
        }
    }
}

struct Server<B> {
    config: Arc<Config>,
    settings: SshSettings,
    backend: Arc<B>,
    startups: Arc<Startups>,
    connections: Arc<Semaphore>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// Serves until `shutdown`. Connections and commands run in `tasks`: after the shutdown idle ones are closed, those
/// with running commands when these have ended.
pub async fn serve<B: Backend>(
    listener: TcpListener,
    settings: SshSettings,
    backend: Arc<B>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
) {
    let server = Arc::new(Server {
        config: Arc::new(settings.russh()),
        startups: Startups::new(settings.max_startups),
        connections: Arc::new(Semaphore::new(settings.max_connections)),
        settings,
        backend,
        shutdown,
        tasks,
    });
    let _ = server.shutdown.run_until_cancelled(accept(&listener, &server)).await;
}

async fn accept<B: Backend>(listener: &TcpListener, server: &Arc<Server<B>>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => admit(server, stream, remote),
            Err(error) => {
                tracing::warn!(%error, "cannot accept an SSH connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit<B: Backend>(server: &Arc<Server<B>>, stream: TcpStream, remote: SocketAddr) {
    let Ok(permit) = Arc::clone(&server.connections).try_acquire_owned() else {
        tracing::warn!(%remote, "too many SSH connections; one was refused");
        counter!(metric::SSH_CONNECTIONS_TOTAL, "result" => "refused").increment(1);
        return;
    };
    let startup = server.startups.admit(remote.ip());
    counter!(metric::SSH_CONNECTIONS_TOTAL, "result" => "accepted").increment(1);
    let span = tracing::info_span!("ssh", %remote, user = field::Empty);
    let server = Arc::clone(server);
    let tasks = server.tasks.clone();
    let connection = async move {
        gauge!(metric::SSH_CONNECTIONS).increment(1);
        let ended = connection(&server, stream, remote, startup).await;
        gauge!(metric::SSH_CONNECTIONS).decrement(1);
        match ended {
            Ok(()) => tracing::debug!("connection closed"),
            Err(error) => tracing::debug!(%error, "connection ended"),
        }
        drop(permit);
    };
    tasks.spawn(connection.instrument(span));
}

/// One connection from its first byte to its last.
async fn connection<B: Backend>(
    server: &Server<B>,
    stream: TcpStream,
    remote: SocketAddr,
    startup: Startup,
) -> Result<(), russh::Error> {
    stream.set_nodelay(true)?;
    let cut = CancellationToken::new();
    let commands = TaskTracker::new();
    let unwelcome = overdue(startup.evicted(), startup.left(), server.settings.login_grace);
    let handler = SessionHandler::new(Connection {
        backend: Arc::clone(&server.backend),
        remote,
        startup: Some(startup),
        slots: Arc::new(Semaphore::new(server.settings.max_sessions)),
        tasks: server.tasks.clone(),
        commands: commands.clone(),
        shutdown: server.shutdown.clone(),
        span: tracing::Span::current(),
    });
    let session = async {
        let mut session = tokio::select! {
            begun = run_stream(Arc::clone(&server.config), Gate::new(QuickAck::new(stream), &cut), handler) => begun?,
            () = server.shutdown.cancelled() => return Ok(()),
        };
        tokio::select! {
            ended = &mut session => ended,
            () = drained(&server.shutdown, &commands) => dismiss(session, &cut).await,
        }
    };
    tokio::pin!(session);
    tokio::select! {
        ended = &mut session => return ended,
        () = unwelcome => cut.cancel(),
    }
    session.await
}

/// Resolves when a connection that has not authenticated has to go, never for one that has.
async fn overdue(evicted: CancellationToken, left: CancellationToken, grace: Duration) {
    tokio::select! {
        () = left.cancelled() => std::future::pending().await,
        () = evicted.cancelled() => tracing::debug!("made room for a newer connection"),
        () = sleep(grace) => tracing::debug!("no login in time"),
    }
}

/// Resolves after the shutdown, once no command of the connection runs.
async fn drained(shutdown: &CancellationToken, commands: &TaskTracker) {
    shutdown.cancelled().await;
    commands.close();
    commands.wait().await;
}

/// Waits for the client to go, tells him to, cuts the connection.
async fn dismiss<B: Backend>(
    mut session: RunningSession<SessionHandler<B>>,
    cut: &CancellationToken,
) -> Result<(), russh::Error> {
    if let Ok(ended) = timeout(FAREWELL, &mut session).await {
        return ended;
    }
    let handle = session.handle();
    let farewell = async {
        let reason = "slipway is shutting down".to_owned();
        // It fails if the session ends by itself, which is what is waited for.
        let _ = handle.disconnect(Disconnect::ByApplication, reason, String::new()).await;
        (&mut session).await
    };
    if let Ok(ended) = timeout(FAREWELL, farewell).await {
        return ended;
    }
    cut.cancel();
    session.await
}
