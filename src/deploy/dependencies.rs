//! Whether what every push needs answers: the API server, the Engine, the registry.

use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio::time::{sleep, timeout};

use super::Deployer;
use crate::clusters::Pulse;
use crate::domain::metric;

/// How long one may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How often is looked while all answer, and while one does not.
const CALM: Duration = Duration::from_secs(10);
const ALERT: Duration = Duration::from_secs(1);
/// How often in a row one has to fail: a single answer gets lost.
const FAILURES: u32 = 2;

/// One that a push needs, and how often in a row it has not answered.
struct Dependency {
    name: &'static str,
    sentence: &'static str,
    failures: u32,
}

impl Dependency {
    fn new(name: &'static str, sentence: &'static str) -> Self {
        // nobody has heard of it yet
        Self { name, sentence, failures: FAILURES }
    }

    /// Takes what it answered. What is new about it is logged.
    fn heard<E: std::error::Error>(&mut self, answer: Result<(), E>) {
        let was_away = self.is_away();
        match answer {
            Ok(()) => self.failures = 0,
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures == FAILURES {
                    tracing::warn!(error = crate::telemetry::chain(&error), "{}", self.sentence);
                }
            }
        }
        if was_away && !self.is_away() {
            tracing::info!(dependency = self.name, "it answers");
        }
        gauge!(metric::DEPENDENCY_UP, "dependency" => self.name).set(if self.is_away() { 0.0 } else { 1.0 });
    }

    fn is_away(&self) -> bool {
        self.failures >= FAILURES
    }
}

impl Deployer {
    /// Looks again and again what does not answer, and reports it in words, until slipway has to end.
    pub async fn watch_dependencies(self: Arc<Self>, pulse: Pulse, report: impl Fn(Vec<String>)) {
        let mut all = [
            Dependency::new("kubernetes", "the Kubernetes API does not answer"),
            Dependency::new("engine", "the Docker Engine does not answer"),
            Dependency::new("registry", "the registry does not answer as it should"),
        ];
        let looking = async {
            loop {
                self.look_at_each(&pulse, &mut all).await;
                let away = all.iter().filter(|one| one.is_away()).map(|one| one.sentence.to_owned());
                report(away.collect());
                let calm = all.iter().all(|one| one.failures == 0);
                sleep(if calm { CALM } else { ALERT }).await;
            }
        };
        self.stop.run_until_cancelled(Box::pin(looking)).await;
    }

    async fn look_at_each(&self, pulse: &Pulse, [kubernetes, engine, registry]: &mut [Dependency; 3]) {
        let version = async {
            // slipway's watches keep the pulse; only where it is not felt, it is looked for
            if pulse.is_felt() { Ok(()) } else { self.cluster.apiserver_version().await.map(drop) }
        };
        tokio::join!(
            listen(kubernetes, version),
            listen(engine, self.engine.ping()),
            listen(registry, self.registry.works())
        );
    }
}

async fn listen<E: std::error::Error>(dependency: &mut Dependency, answer: impl Future<Output = Result<(), E>>) {
    match timeout(ANSWER, answer).await {
        Ok(answer) => dependency.heard(answer),
        Err(late) => dependency.heard(Err(late)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_that_is_lost_makes_nothing_away() {
        let mut one = Dependency::new("engine", "the Engine does not answer");
        let lost = || Err(std::io::Error::other("lost"));
        assert!(one.is_away());
        one.heard::<std::io::Error>(Ok(()));
        one.heard(lost());
        assert!(!one.is_away());
        one.heard(lost());
        assert!(one.is_away());
        one.heard::<std::io::Error>(Ok(()));
        assert!(!one.is_away());
    }
}
