//! A validating admission webhook for the Deployments of one app.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::http::{RequestHead, json_response};
use super::{App, eventually, kubectl, run};

/// A webhook that denies every change. It is unregistered when the value is dropped.
pub struct Webhook {
    name: String,
    tls_proxy: Child,
}

impl Webhook {
    /// Registers a webhook that denies each change of the app's Deployments with this message.
    pub fn denying(app: &App, message: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (key, cert, both) = (dir.path().join("key"), dir.path().join("cert"), dir.path().join("both"));
        let subject = ["-subj", "/CN=webhook", "-addext", "subjectAltName=IP:127.0.0.1"];
        let form = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        run(Command::new("openssl").args(form).args(subject).arg("-keyout").arg(&key).arg("-out").arg(&cert));
        let certificate = std::fs::read(&cert).unwrap();
        std::fs::write(&both, [std::fs::read(&key).unwrap(), certificate].concat()).unwrap();

        let plain = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = plain.local_addr().unwrap();
        std::thread::spawn(move || plain.incoming().map_while(Result::ok).for_each(|stream| deny(stream, message)));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,verify=0,cert={}", both.display());
        let mut socat = Command::new("socat");
        let tls_proxy = socat.args([listen, format!("TCP:{address}")]).stderr(Stdio::null()).spawn().unwrap();
        eventually("the webhook listens", || TcpStream::connect(("127.0.0.1", port)).ok());

        let bundle = run(Command::new("base64").arg("-w0").arg(&cert)).stdout;
        let webhook = Self { name: app.name.clone(), tls_proxy };
        webhook.register(port, bundle.trim());
        webhook
    }

    fn register(&self, port: u16, bundle: &str) {
        let name = &self.name;
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": "judge.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "failurePolicy": "Fail", "timeoutSeconds": 2,
                "clientConfig": {"url": format!("https://127.0.0.1:{port}/"), "caBundle": bundle},
                "namespaceSelector": {"matchLabels": {"slipway.dev/app": name}},
                "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
                           "operations": ["CREATE", "UPDATE"]}],
            }],
        });
        kubectl::apply(&configuration.to_string());
    }

    /// Stops the server. The webhook stays registered.
    pub fn stop(&mut self) {
        let _ = self.tls_proxy.kill();
        let _ = self.tls_proxy.wait();
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let kind = "validatingwebhookconfiguration";
        let _ = Command::new("kubectl").args(["delete", kind, &self.name]).stdout(Stdio::null()).status();
        self.stop();
    }
}

fn deny(stream: TcpStream, message: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let Some(head) = RequestHead::read(&mut reader) else { return };
    let body = head.read_body(&mut reader).unwrap();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let response = json!({"uid": review["request"]["uid"], "allowed": false, "status": {"message": message}});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    let _ = (&stream).write_all(json_response("200 OK", &review.to_string()).as_bytes());
}
