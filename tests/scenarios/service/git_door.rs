//! A front door for git beside SSH: git's own protocol over TCP, which `git push git://…` speaks. Every client has the
//! same identity.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use slipway::service::{
    Caller, FetchRequest, FetchService, GitClient, GitExit, GitSession, PushRequest, ReceivedPush, Service,
    ServiceError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::process::Output;
use crate::support::{client, try_run};

pub struct GitDoor {
    address: SocketAddr,
    answers: mpsc::UnboundedReceiver<Answer>,
}

pub enum Answer {
    Push(Result<ReceivedPush, ServiceError>),
    Fetch(Result<GitExit, ServiceError>),
}

impl GitDoor {
    pub async fn open(service: &Arc<Service>, caller: Caller) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, service) = (listener.local_addr().unwrap(), Arc::clone(service));
        let (sender, answers) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // the receiver is gone once the test has ended
                let _ = sender.send(serve(&service, &caller, stream).await);
            }
        });
        Self { address, answers }
    }

    pub fn url(&self, app: &str) -> String {
        format!("git://{}/{app}", self.address)
    }

    /// Runs `git ARGUMENTS` in a directory, and returns its output with the service's answer.
    pub async fn git(&mut self, dir: &std::path::Path, arguments: &[&str]) -> (Output, Answer) {
        let output = tokio::task::block_in_place(|| try_run(client::git(dir).args(arguments)));
        (output, self.answers.recv().await.expect("an answer"))
    }

    /// Runs `git push URL REFS`.
    pub async fn push(
        &mut self,
        app: &crate::support::App,
        refs: &[&str],
    ) -> (Output, Result<ReceivedPush, ServiceError>) {
        let url = self.url(&app.name);
        let arguments: Vec<&str> = ["push", &url].into_iter().chain(refs.iter().copied()).collect();
        match self.git(app.path(), &arguments).await {
            (output, Answer::Push(received)) => (output, received),
            (_, Answer::Fetch(_)) => panic!("not a push"),
        }
    }
}

async fn serve(service: &Service, caller: &Caller, mut stream: TcpStream) -> Answer {
    let (command, app, protocol) = read_request(&mut stream).await.expect("a request of git's");
    let app = app.parse().unwrap();
    let protocol = protocol.as_deref();
    let (mut reader, mut writer) = stream.into_split();
    let client = TcpClient { reader: &mut reader, writer: &mut writer };
    let (answer, refusal) = match command.as_str() {
        "git-receive-pack" => {
            let received = service.push(caller, PushRequest { app: &app, protocol }, client).await;
            let refusal = received.as_ref().err().map(ToString::to_string);
            (Answer::Push(received), refusal)
        }
        service_name => {
            let kind = match service_name {
                "git-upload-pack" => FetchService::UploadPack,
                "git-upload-archive" => FetchService::UploadArchive,
                other => panic!("{other}"),
            };
            let served = service.fetch(caller, FetchRequest { app: &app, service: kind, protocol }, client).await;
            let refusal = served.as_ref().err().map(ToString::to_string);
            (Answer::Fetch(served), refusal)
        }
    };
    if let Some(refusal) = refusal {
        let line = format!("ERR {refusal}\n");
        let _ = writer.write_all(format!("{:04x}{line}", line.len() + 4).as_bytes()).await;
    }
    answer
}

/// The first line: `COMMAND /APP\0host=HOST\0`, and maybe `\0version=N\0` (gitprotocol-pack(5)).
async fn read_request(stream: &mut TcpStream) -> Option<(String, String, Option<String>)> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.ok()?;
    let length = usize::from_str_radix(std::str::from_utf8(&length).ok()?, 16).ok()?;
    let mut line = vec![0; length.checked_sub(4)?];
    stream.read_exact(&mut line).await.ok()?;
    let line = String::from_utf8(line).ok()?;
    let mut parts = line.split('\0');
    let (command, path) = parts.next()?.split_once(" /")?;
    let protocol = parts.find(|part| part.starts_with("version="));
    Some((command.to_owned(), path.to_owned(), protocol.map(str::to_owned)))
}

struct TcpClient<'a> {
    reader: &'a mut tokio::net::tcp::OwnedReadHalf,
    writer: &'a mut tokio::net::tcp::OwnedWriteHalf,
}

impl GitClient for TcpClient<'_> {
    async fn exchange(self, session: GitSession<'_>) -> io::Result<GitExit> {
        let GitSession { mut git, .. } = session;
        let (mut stdin, mut stdout) = (git.stdin.take().expect("a pipe"), git.stdout.take().expect("a pipe"));
        let input = async {
            // fails when git has ended or the client has gone, which the output shows as well
            let _ = tokio::io::copy(self.reader, &mut stdin).await;
            drop(stdin);
            std::future::pending::<()>().await;
        };
        let output = async {
            tokio::io::copy(&mut stdout, self.writer).await?;
            git.wait().await
        };
        tokio::select! {
            status = output => Ok(status?.into()),
            () = input => unreachable!(),
        }
    }
}
