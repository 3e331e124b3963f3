//! What a server of the node tells by `grpc.health.v1`, of itself as a whole and of each of its services.

use tonic_health::{ServingStatus, server::HealthReporter};

/// The name of the server as a whole.
const WHOLE: &str = "";

/// Says which services are served. Whatever is not named is unknown to those who ask.
#[derive(Debug)]
pub struct Health {
    reporter: HealthReporter,
    services: Vec<&'static str>,
}

impl Health {
    /// Says that all of `services` are served: gRPC names, `<package>.<Service>`.
    pub async fn serving(reporter: HealthReporter, services: Vec<&'static str>) -> Self {
        let health = Self { reporter, services };
        health.say(ServingStatus::Serving).await;
        health
    }

    /// Says that nothing is served any more.
    pub async fn not_serving(&self) {
        self.say(ServingStatus::NotServing).await;
    }

    /// As [`Health::not_serving`]; then ends the streams of those who watch, which would keep the server from ending.
    pub async fn drain(mut self) {
        self.not_serving().await;
        for name in self.names() {
            self.reporter.clear_service_status(name).await;
        }
        // Who asks once more gets an answer all the same.
        self.not_serving().await;
    }

    async fn say(&self, status: ServingStatus) {
        for name in self.names() {
            self.reporter.set_service_status(name, status).await;
        }
    }

    fn names(&self) -> Vec<&'static str> {
        [WHOLE].into_iter().chain(self.services.iter().copied()).collect()
    }
}
